"""Makes the delta between two files, and proves it before it hands it out. Parses model files: never on a device."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgewright.contract.delta.applier import apply_sources
from edgewright.contract.delta.maker.budget import Budget, Effort
from edgewright.contract.delta.maker.change import Teller, Told
from edgewright.contract.delta.maker.containers import Tensor, find_tensors
from edgewright.contract.delta.maker.encode import Encoding, Payloads, Sizes, Tell
from edgewright.contract.delta.maker.guess import guess_tensors
from edgewright.contract.delta.maker.literals import lzma_size
from edgewright.contract.delta.maker.pair import pair_tensors
from edgewright.contract.delta.maker.plan import Plan, Planner
from edgewright.contract.delta.maker.stats import DeltaStats, tensor_stats
from edgewright.contract.delta.maker.steps import Literal, Step
from edgewright.contract.delta.source import FileSource, MemorySource, Source, opened, sha256_of
from edgewright.contract.errors import EdgewrightError, HostileInput

_SMALL_FILE_BYTES = 4 << 20  # up to here every way of planning is tried
_MEMBER_BYTES = 16 << 10
_JUDGED_BYTES, _JUDGED_PIECES = 1 << 17, 3
_PLAINLY_SMALLER = 0.97


class DeltaUnproven(EdgewrightError):
    """Applying the delta that was just made does not give the new file."""

    code = "delta_unproven"
    hint = "Serve the whole file, and report this pair of files as a bug."


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two files, and the layouts that speak of their tensors."""

    base: Source
    new: Source
    layouts: tuple[Path | None, Path | None] = (None, None)


def make(
    base: Path,
    new: Path,
    out: Path,
    *,
    base_layout: Path | None = None,
    new_layout: Path | None = None,
    max_cpu_s: float | None = None,
    measures_entropy: bool = False,
    tell: Tell | None = None,
) -> DeltaStats:
    """Write to `out` the delta that turns `base` into `new`.

    Memory does not grow with the files; beside `out` there are temporary files of up to the size of `new`. The
    layouts are the .xml files that belong to OpenVINO's .bin files. As `max_cpu_s` come near, what is left is
    coded ever more cheaply: it is no limit that anything fails at. `tell` gets the bytes of `new` that are done,
    and of all of it. Raises DeltaUnproven if the delta proves wrong, and OSError for what the disk has to say.
    """
    part = out.with_name(out.name + ".part")
    with opened(base) as base_source, opened(new) as new_source:
        pair = _Pair(base_source, new_source, (base_layout, new_layout))
        try:
            with part.open("w+b") as file:
                making = _Making(pair, Budget(max_cpu_s), out.parent, measures_entropy)
                stats = making.write(file, tell or _tell_nobody)
                file.flush()
                _prove(pair, FileSource(file.fileno()))
            os.replace(part, out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return stats


def stats(
    base: Path,
    new: Path,
    *,
    base_layout: Path | None = None,
    new_layout: Path | None = None,
    max_cpu_s: float | None = None,
    tell: Tell | None = None,
) -> DeltaStats:
    """Where the bytes of the delta between two files go, tensor by tensor; nothing is left behind.

    As `make`, with the residuals' entropy measured.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-delta-") as folder:
        return make(
            base,
            new,
            Path(folder, "delta"),
            base_layout=base_layout,
            new_layout=new_layout,
            max_cpu_s=max_cpu_s,
            measures_entropy=True,
            tell=tell,
        )


def make_bytes(base: bytes, new: bytes) -> tuple[bytes, DeltaStats]:
    """As `make`, on bytes."""
    pair = _Pair(MemorySource(base), MemorySource(new))
    out = io.BytesIO()
    stats = _Making(pair, Budget(), None, False).write(out, _tell_nobody)
    _prove(pair, MemorySource(out.getvalue()))
    return out.getvalue(), stats


class _Making:
    """One delta on its way."""

    def __init__(self, pair: _Pair, budget: Budget, folder: Path | None, measures_entropy: bool) -> None:
        self._base, self._new = pair.base, pair.new
        self._budget = budget
        self._folder = folder
        self._is_small = pair.new.size_bytes <= _SMALL_FILE_BYTES
        teller = Teller(pair.base, pair.new, budget, measures_entropy=measures_entropy)
        self._payloads = Payloads(teller, is_kept=self._is_small)
        had, have = (find_tensors(*one) for one in zip((pair.base, pair.new), pair.layouts, strict=True))
        if not had and not have:
            had = have = guess_tensors(pair.base, pair.new)
        pairs = pair_tensors(pair.base, had, pair.new, have)
        self._planner = Planner(pair.base, pair.new, had, have, pairs)
        self._tensors = have

    def write(self, out: IO[bytes], tell: Tell) -> DeltaStats:
        """Write the delta by the best plan."""
        best = min(self._plans(), key=self._size) if self._is_small else next(self._plans())
        digests = sha256_of(self._base), sha256_of(self._new)
        with self._encoding() as encoding:
            encoding.write(best, tell)
            whole = _whole(self._new.size_bytes)
            if self._may_be_shorter_whole(encoding.size()):
                with self._encoding() as other:
                    other.write(whole, tell)
                    sizes = other.assemble(digests, self._budget.effort(), out)
                if sizes.whole <= encoding.size():
                    return self._stats(sizes, [], frozenset())
                out.seek(0)
                out.truncate()
            sizes = encoding.assemble(digests, self._budget.effort(), out)
            return self._stats(sizes, encoding.told, self._planner.copied)

    def _plans(self) -> Iterator[Plan]:
        if not self._is_small or self._budget.effort() is not Effort.FULL:
            yield self._planner.plan(member_bytes=_MEMBER_BYTES, is_gap_literal=False)
            return
        for is_gap_literal in (False, True):
            for member_bytes in (0, _MEMBER_BYTES // 8, _MEMBER_BYTES, 8 * _MEMBER_BYTES):
                yield self._planner.plan(member_bytes=member_bytes, is_gap_literal=is_gap_literal)

    def _size(self, plan: Plan) -> int:
        out = io.BytesIO()
        with self._encoding() as encoding:
            encoding.write(plan, _tell_nobody)
            return encoding.assemble((bytes(32), bytes(32)), Effort.PLAIN, out).whole

    def _encoding(self) -> Encoding:
        return Encoding(self._base, self._new, self._payloads, self._folder)

    def _may_be_shorter_whole(self, delta_bytes: int) -> bool:
        """Whether the new file, packed without regard to the base, may come out shorter; judged on pieces."""
        if self._budget.effort() is not Effort.FULL or not self._new.size_bytes:
            return False
        size = min(_JUDGED_BYTES, self._new.size_bytes)
        places = {(self._new.size_bytes - size) * part // 2 for part in range(_JUDGED_PIECES)}
        packed = sum(lzma_size(bytes(self._new.read(place, size))) for place in places)
        return packed / (len(places) * size) * self._new.size_bytes < delta_bytes

    def _stats(self, sizes: Sizes, told: list[Told], copied: frozenset[Tensor]) -> DeltaStats:
        return DeltaStats(
            base_bytes=self._base.size_bytes,
            result_bytes=self._new.size_bytes,
            delta_bytes=sizes.whole,
            script_bytes=sizes.script,
            literal_bytes=sizes.literals,
            payload_bytes=sizes.payload,
            cpu_s=self._budget.spent_s,
            is_cheapened=self._budget.lowest is not Effort.FULL,
            tensors=tensor_stats(self._tensors, copied, told),
        )


def _whole(size_bytes: int) -> Plan:
    steps: tuple[Step, ...] = (Literal(0, size_bytes),)
    return Plan(lambda: iter(steps), ())


def _prove(pair: _Pair, delta: Source) -> None:
    try:
        apply_sources(pair.base, delta, len, max_result_bytes=pair.new.size_bytes)
    except HostileInput as error:
        raise DeltaUnproven(f"the delta does not give the new file: {error}") from error


def _tell_nobody(done_bytes: int, total_bytes: int) -> None:
    pass
