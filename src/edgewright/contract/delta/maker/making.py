"""Makes the delta between two files, and proves it before it hands it out. Parses model files: never on a device."""

from __future__ import annotations

import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.delta.format import Op, Reader
from edgewright.contract.delta.maker.containers import Tensor
from edgewright.contract.delta.maker.encode import Encoder
from edgewright.contract.delta.maker.plan import Change, Literal, Member, Planner, Raw, Step
from edgewright.contract.delta.maker.stats import DeltaStats, Operation, TensorStats
from edgewright.contract.errors import EdgewrightError, HostileInput

_SMALL_FILE_BYTES = 4 << 20  # up to here every way of planning is tried
_MEMBER_BYTES = 16 << 10
_PIECE_BYTES = 1 << 20


class DeltaUnproven(EdgewrightError):
    """Applying the delta that was just made does not give the new file."""

    code = "delta_unproven"
    hint = "Serve the whole file, and report this pair of files as a bug."


def make(base: Path, new: Path, out: Path) -> DeltaStats:
    """Write to `out` the delta that turns `base` into `new`.

    It is at most a header longer than `new` deflated at level 9. Raises DeltaUnproven if it proves wrong.
    """
    data, stats = make_bytes(base.read_bytes(), new.read_bytes())
    part = out.with_name(out.name + ".part")
    part.write_bytes(data)
    os.replace(part, out)
    return stats


def stats(base: Path, new: Path) -> DeltaStats:
    """Where the bytes of the delta between two files go, tensor by tensor; nothing is left behind.

    As `make`, with the residuals' entropy measured.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-delta-") as folder:
        return make(base, new, Path(folder, "delta"))


def make_bytes(base: bytes, new: bytes) -> tuple[bytes, DeltaStats]:
    """As `make`, on bytes."""
    started_s = time.process_time()
    planner, encoder = Planner(base, new), Encoder(base, new)
    plans = {plan: encoder.encode(plan) for plan in _plans(planner, len(new))}
    plan = min(plans, key=lambda one: len(plans[one]))
    data = plans[plan]
    if new and _deflates_below(new, len(data)):
        whole: tuple[Step, ...] = (Literal(0, len(new)),)
        plan, data = min((plan, data), (whole, encoder.encode(whole)), key=lambda one: len(one[1]))
    _prove(base, data, len(new))
    return data, _stats(planner, encoder, plan, len(new), data, time.process_time() - started_s)


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
    planner: Planner, encoder: Encoder, plan: tuple[Step, ...], result_bytes: int, delta: bytes, cpu_s: float
) -> DeltaStats:
    header = Reader(memoryview(delta)).header()
    by_start = {} if len(plan) == 1 and isinstance(plan[0], Literal) else {step.start: step for step in plan}
    tensors = tuple(_tensor_stats(encoder, tensor, by_start.get(tensor.offset)) for tensor in planner.tensors)
    return DeltaStats(
        base_bytes=header.base_bytes,
        result_bytes=result_bytes,
        delta_bytes=len(delta),
        script_bytes=header.script_bytes,
        literal_bytes=header.literal_bytes,
        payload_bytes=sum(tensor.delta_bytes for tensor in tensors),
        cpu_s=cpu_s,
        is_cheapened=False,
        tensors=tensors,
    )


def _tensor_stats(encoder: Encoder, tensor: Tensor, step: Step | None) -> TensorStats:
    if isinstance(step, Change):
        op, size = encoder.operation(step)
        kind = Operation.DELTA if op is Op.DELTA else Operation.RAW
    elif isinstance(step, Member):
        kind, size = Operation.GROUP, 0
    elif isinstance(step, Raw):
        kind, size = Operation.RAW, 0
    else:
        kind, size = Operation.COPY, 0
    return TensorStats(
        name=tensor.name,
        element=tensor.element.name,
        operation=kind,
        prediction="",
        result_bytes=tensor.size_bytes,
        delta_bytes=size,
        entropy_bytes=0,
    )
