"""What a delta costs and where its bytes go, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgewright.contract.delta.format import Op
from edgewright.contract.delta.maker.change import Told
from edgewright.contract.delta.maker.containers import Tensor


class Operation(StrEnum):
    """What became of a tensor of the new file."""

    COPY = "copy"  # the base has the very bytes
    DELTA = "delta"  # it grew out of a tensor of the base
    TRANSPOSED = "transposed"  # it grew out of the transpose of a tensor of the base
    GROUP = "group"  # as DELTA, coded together with other small ones of its type
    RAW = "raw"  # nothing of the base helps: packed byte planes
    BYTES = "bytes"  # in pieces, by ranges of equal bytes


@dataclass(frozen=True, slots=True)
class TensorStats:
    """One tensor of the new file.

    `element` is its type's name (`float32`, `int8`, …), `prediction` says what it was expected to have become
    (`same`, `scaled`, `scaled rows`, `scaled columns`, `low rank`; '' where nothing was predicted). `delta_bytes`
    is its part of the payload; the members of a group share the group's by their sizes. `entropy_bytes` is the
    conditional entropy of the residual given the coder's contexts, the least that any coder of these symbols
    needs; 0 unless it was asked for.
    """

    name: str
    element: str
    operation: Operation
    prediction: str
    result_bytes: int
    delta_bytes: int
    entropy_bytes: int


@dataclass(frozen=True, slots=True)
class DeltaStats:
    """What a delta costs, and what became of the new file's tensors, in the order of their offsets.

    `delta_bytes` is the sum of the header's, `script_bytes`, `literal_bytes` (both as packed) and
    `payload_bytes`. `is_cheapened` says that the limit of CPU time made the maker leave out what costs time.
    """

    base_bytes: int
    result_bytes: int
    delta_bytes: int
    script_bytes: int
    literal_bytes: int
    payload_bytes: int
    cpu_s: float
    is_cheapened: bool
    tensors: tuple[TensorStats, ...]

    @property
    def tensors_copied(self) -> int:
        """How many tensors are the same in both files."""
        return self._count(Operation.COPY)

    @property
    def tensors_changed(self) -> int:
        """How many tensors are told as changes, each on its own."""
        return self._count(Operation.DELTA, Operation.TRANSPOSED)

    @property
    def tensors_grouped(self) -> int:
        """How many small tensors are told as changes, together with others."""
        return self._count(Operation.GROUP)

    @property
    def tensors_raw(self) -> int:
        """How many tensors are told without help of the base."""
        return self._count(Operation.RAW)

    @property
    def entropy_bytes(self) -> int:
        """The sum over all tensors; 0 unless it was asked for."""
        return sum(tensor.entropy_bytes for tensor in self.tensors)

    def _count(self, *operations: Operation) -> int:
        return sum(tensor.operation in operations for tensor in self.tensors)


def tensor_stats(tensors: Sequence[Tensor], copied: frozenset[Tensor], told: Sequence[Told]) -> tuple[TensorStats, ...]:
    """Each tensor's part of what was told."""
    parts = sorted(told, key=lambda part: part.start)
    return tuple(_tensor_stats(tensor, copied, within) for tensor, within in _parts(tensors, parts))


def _parts(tensors: Sequence[Tensor], told: Sequence[Told]) -> Iterator[tuple[Tensor, list[Told]]]:
    place = 0
    for tensor in tensors:
        within: list[Told] = []
        while place < len(told) and told[place].start < tensor.end:
            within.append(told[place])
            place += 1
        yield tensor, within


def _tensor_stats(tensor: Tensor, copied: frozenset[Tensor], told: Sequence[Told]) -> TensorStats:
    main = max(told, key=lambda part: part.payload_bytes, default=None)
    untold = Operation.COPY if tensor in copied else Operation.BYTES
    return TensorStats(
        name=tensor.name,
        element=tensor.element.name,
        operation=_OPERATIONS[main.op] if main else untold,
        prediction=main.prediction if main else "",
        result_bytes=tensor.size_bytes,
        delta_bytes=sum(part.payload_bytes for part in told),
        entropy_bytes=sum(part.entropy_bytes for part in told),
    )


_OPERATIONS = {
    Op.DELTA: Operation.DELTA,
    Op.TRANSPOSED: Operation.TRANSPOSED,
    Op.GROUP: Operation.GROUP,
    Op.RAW: Operation.RAW,
}
