"""Makes the delta between two files, and proves it before it hands it out. Parses model files: never on a device."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.delta.format import Op
from edgewright.contract.delta.maker.encode import Encoder
from edgewright.contract.delta.maker.plan import Change, Literal, Member, Planner, Raw, Step
from edgewright.contract.errors import EdgewrightError, HostileInput

_SMALL_FILE_BYTES = 4 << 20  # up to here every way of planning is tried
_MEMBER_BYTES = 16 << 10
_PIECE_BYTES = 1 << 20


class DeltaUnproven(EdgewrightError):
    """Applying the delta that was just made does not give the new file."""

    code = "delta_unproven"
    hint = "Serve the whole file, and report this pair of files as a bug."


@dataclass(frozen=True, slots=True)
class DeltaStats:
    """What a delta costs, and what became of the new file's tensors."""

    result_bytes: int
    delta_bytes: int
    tensors_copied: int
    tensors_changed: int
    tensors_grouped: int
    tensors_raw: int


def make(base: Path, new: Path, out: Path) -> DeltaStats:
    """Write to `out` the delta that turns `base` into `new`.

    It is at most a header longer than `new` deflated at level 9. Raises DeltaUnproven if it proves wrong.
    """
    data, stats = make_bytes(base.read_bytes(), new.read_bytes())
    part = out.with_name(out.name + ".part")
    part.write_bytes(data)
    os.replace(part, out)
    return stats


def make_bytes(base: bytes, new: bytes) -> tuple[bytes, DeltaStats]:
    """As `make`, on bytes."""
    planner, encoder = Planner(base, new), Encoder(base, new)
    plans = {plan: encoder.encode(plan) for plan in _plans(planner, len(new))}
    plan = min(plans, key=lambda one: len(plans[one]))
    data = plans[plan]
    if new and _deflates_below(new, len(data)):
        whole: tuple[Step, ...] = (Literal(0, len(new)),)
        plan, data = min((plan, data), (whole, encoder.encode(whole)), key=lambda one: len(one[1]))
    _prove(base, data, len(new))
    return data, _stats(planner, encoder, plan, len(new), len(data))


def _plans(planner: Planner, size_bytes: int) -> Iterator[tuple[Step, ...]]:
    if size_bytes > _SMALL_FILE_BYTES:
        yield planner.plan(member_bytes=_MEMBER_BYTES, is_gap_literal=False)
        return
    for is_gap_literal in (False, True):
        for member_bytes in (0, _MEMBER_BYTES // 8, _MEMBER_BYTES, 8 * _MEMBER_BYTES):
            yield planner.plan(member_bytes=member_bytes, is_gap_literal=is_gap_literal)


def _deflates_below(data: bytes, limit_bytes: int) -> bool:
    """Whether plain DEFLATE comes out smaller; stops as soon as it does not."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    size = 0
    for start in range(0, len(data), _PIECE_BYTES):
        size += len(packer.compress(data[start : start + _PIECE_BYTES]))
        if size >= limit_bytes:
            return False
    return size + len(packer.flush()) < limit_bytes


def _prove(base: bytes, data: bytes, result_bytes: int) -> None:
    try:
        apply_bytes(memoryview(base), memoryview(data), len, max_result_bytes=result_bytes)
    except HostileInput as error:
        raise DeltaUnproven(f"the delta does not give the new file: {error}") from error


def _stats(
    planner: Planner, encoder: Encoder, plan: tuple[Step, ...], result_bytes: int, delta_bytes: int
) -> DeltaStats:
    changes = [encoder.operation(step) for step in plan if isinstance(step, Change)]
    return DeltaStats(
        result_bytes=result_bytes,
        delta_bytes=delta_bytes,
        tensors_copied=0 if len(plan) == 1 and isinstance(plan[0], Literal) else planner.tensors_copied,
        tensors_changed=changes.count(Op.DELTA),
        tensors_grouped=sum(isinstance(step, Member) for step in plan),
        tensors_raw=changes.count(Op.RAW) + sum(isinstance(step, Raw) for step in plan),
    )
