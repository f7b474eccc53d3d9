"""A profile: counts of rows in the bins of a schema, that add up exactly and travel in about a kilobyte."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.profile.binning import Counts
from edgewright.contract.profile.measure import Array, TensorReader, row_count
from edgewright.contract.profile.schema import (
    LATENCY_BUCKETS_PER_OCTAVE,
    LATENCY_OCTAVES,
    LATENCY_SLOTS,
    Schema,
)

FORMAT = 1
MAX_ROWS = 2**48
MAX_SLOTS = 200_000
"""What a profile is believed to have where no schema says it."""
BUFFER_ROWS = 256
BUFFER_BYTES = 256 * 1024
CHUNK_ROWS = 8192
_MISSING_LATENCY = LATENCY_SLOTS - 1
Batch = list[tuple[TensorReader, Array]]


class Profile:
    """Counts what a model saw and did. Not safe for several threads at once: the caller holds a lock.

    Rows are kept back in a small buffer, so that one row at a time costs little more than its share of a batch.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._counts: Counts = np.zeros(schema.offsets[-1], np.int64)
        self._rows = 0
        self._buffer: _Buffer | None = None

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self._rows

    @property
    def counts(self) -> Counts:
        """All slots' counts in one vector; `schema.offsets` says where each feature's begin."""
        self._flush()
        return self._counts

    def of(self, feature: str) -> Counts:
        """The counts of the feature of that name."""
        place = [found.name for found in self.schema.features].index(feature)
        return self.counts[self.schema.offsets[place] : self.schema.offsets[place + 1]]

    def update(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], latency_s: float | None = None) -> None:
        """Count a batch: `latency_s` is how long the call took, counted once for each row.

        Tensors that are not given count as missing. Raises InvalidInput, and counts nothing, if the tensors
        have different numbers of rows or do not fit the contract.
        """
        count = row_count({**inputs, **outputs})
        if count == 0:
            return
        batch = _read(self.schema, inputs, outputs)
        if self._buffer is None:
            self._buffer = _Buffer(self.schema, batch)
        if count > self._buffer.free:
            self._flush()
        if self._buffer.takes(count, batch):
            self._buffer.add(count, batch)
        else:
            self._counts += _count(self.schema, count, batch)
        self._counts[self.schema.offsets[-2] + _latency_slot(latency_s)] += count
        self._rows += count

    def merge(self, other: Profile) -> None:
        """Add the rows of `other`. Raises InvalidInput if it has another schema."""
        if other.schema is not self.schema and other.schema.sha256 != self.schema.sha256:
            raise InvalidInput("profiles of different schemas do not merge", field="schema_sha256")
        self._counts += other.counts
        self._rows += other.rows

    def latency_s(self, share: float) -> float:
        """The latency that `share` of the rows did not exceed, to about 9 %; NaN if none was measured."""
        seen = self.counts[self.schema.offsets[-2] : -1]
        if not seen.sum():
            return math.nan
        slot = int(np.searchsorted(seen.cumsum(), share * seen.sum()))
        return float(2.0 ** (LATENCY_OCTAVES[0] + (slot + 1) / LATENCY_BUCKETS_PER_OCTAVE))

    def to_bytes(self) -> bytes:
        """The wire form: format byte, then zlib of varints: rows and all counts."""
        return _wire([self._rows, *self.counts.tolist()])

    @classmethod
    def from_bytes(cls, schema: Schema, data: bytes) -> Profile:
        """Read the wire form. Raises HostileInput unless there is a count for every slot and each feature's add up."""
        slots = schema.offsets[-1]
        numbers = _numbers(data, slots)
        if len(numbers) != slots + 1:
            raise HostileInput(f"the schema has {slots} slots, the profile {len(numbers) - 1}", field="payload")
        profile = cls(schema)
        profile._rows = numbers[0]
        profile._counts = np.array(numbers[1:], np.int64)
        if (np.add.reduceat(profile._counts, schema.offsets[:-1]) != numbers[0]).any():
            raise HostileInput(f"the counts do not add up to {numbers[0]} rows", field="payload")
        return profile

    def _flush(self) -> None:
        if self._buffer is not None and self._buffer.used:
            self._counts += self._buffer.take()


def merge_payloads(payloads: Sequence[bytes], rows: int) -> bytes:
    """The wire form of several profiles of one schema together, without the schema.

    Raises HostileInput where one cannot be read, where they differ in length, or do not count `rows` rows together.
    """
    numbers = [_numbers(payload) for payload in payloads]
    if len({len(one) for one in numbers}) != 1:
        raise HostileInput("the profiles are not of one schema", field="payload")
    total: list[int] = np.array(numbers, np.int64).sum(axis=0).tolist()
    if total[0] != rows or rows > MAX_ROWS:
        raise HostileInput(f"the profiles count {total[0]} rows, not {rows}", field="payload")
    return _wire(total)


class _Buffer:
    """Rows that were seen and not counted yet, laid out like the first batch."""

    def __init__(self, schema: Schema, batch: Batch) -> None:
        row_bytes: int = sum(rows.shape[1] * 8 for _, rows in batch)
        self._schema = schema
        self._capacity: int = min(BUFFER_ROWS, BUFFER_BYTES // max(1, row_bytes))
        self._held = [(reader, np.empty((self._capacity, rows.shape[1]), reader.dtype)) for reader, rows in batch]
        self.used = 0

    @property
    def free(self) -> int:
        """How many rows more it takes."""
        return self._capacity - self.used

    def takes(self, count: int, batch: Batch) -> bool:
        """Whether there is room for `count` rows, and they have the layout of the first batch."""
        if count > self.free or len(batch) != len(self._held):
            return False
        pairs = zip(batch, self._held, strict=True)
        return all(new is old and rows.shape[1] == held.shape[1] for (new, rows), (old, held) in pairs)

    def add(self, count: int, batch: Batch) -> None:
        """Keep `count` rows."""
        end = self.used + count
        for (_, rows), (_, held) in zip(batch, self._held, strict=True):
            held[self.used : end] = rows
        self.used = end

    def take(self) -> Counts:
        """Count the rows and forget them."""
        counts = _count(self._schema, self.used, [(reader, held[: self.used]) for reader, held in self._held])
        self.used = 0
        return counts


def _read(schema: Schema, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Batch:
    """The rows of those profiled tensors that are given."""
    batch = [(r, r.rows(inputs[r.spec.name])) for r in schema.input_readers if r.spec.name in inputs]
    return batch + [(r, r.rows(outputs[r.spec.name])) for r in schema.output_readers if r.spec.name in outputs]


def _count(schema: Schema, count: int, batch: Batch) -> Counts:
    counts = np.zeros(schema.offsets[-1], np.int64)
    for start in range(0, count, CHUNK_ROWS):
        size = min(CHUNK_ROWS, count - start)
        values = np.full((size, len(schema.bins) - 1), np.nan)
        for reader, rows in batch:
            some = rows[start : start + size].astype(reader.dtype, copy=False)
            values[:, reader.columns] = reader.values(some, schema.dark_level(reader))
        counts += schema.binner.count(values, schema.offsets[-1])
    return counts


def _latency_slot(latency_s: float | None) -> int:
    if latency_s is None or not latency_s > 0:
        return _MISSING_LATENCY
    if latency_s == math.inf:
        return _MISSING_LATENCY - 1
    bucket = math.floor((math.log2(latency_s) - LATENCY_OCTAVES[0]) * LATENCY_BUCKETS_PER_OCTAVE)
    return min(max(bucket, 0), _MISSING_LATENCY - 1)


def _wire(numbers: list[int]) -> bytes:
    return bytes([FORMAT]) + zlib.compress(_to_varints(numbers), 9)


def _numbers(data: bytes, slots: int = MAX_SLOTS) -> list[int]:
    """Rows and counts of a profile of at most `slots` slots; raises HostileInput."""
    limit = 10 * (slots + 1)
    if not 2 <= len(data) <= limit + 64 or data[0] != FORMAT:
        raise HostileInput(f"{len(data)} bytes are no profile of format {FORMAT}", field="payload")
    return _from_varints(_inflate(data[1:], limit))


def _to_varints(numbers: list[int]) -> bytes:
    """LEB128: seven bits a byte, lowest first."""
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


def _from_varints(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        if byte & 128:
            shift += 7
            continue
        if number > MAX_ROWS:
            raise HostileInput(f"a profile counts at most {MAX_ROWS} rows, this one {number}", field="payload")
        numbers.append(number)
        number, shift = 0, 0
    if shift:
        raise HostileInput("the profile ends in the middle of a number", field="payload")
    return numbers


def _inflate(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, limit)
    except zlib.error as error:
        raise HostileInput(f"the profile does not decompress: {error}", field="payload") from error
    if not inflater.eof or inflater.unused_data:
        raise HostileInput(f"the profile is cut short, or has more than {limit} bytes", field="payload")
    return plain
