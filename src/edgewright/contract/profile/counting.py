"""A profile: counts of rows in the bins of a schema, that add up exactly and travel in about a kilobyte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgewright.contract.data_policy import Privacy
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.profile import wire
from edgewright.contract.profile.checking import check_counts
from edgewright.contract.profile.features import FeatureKind, Flaw, Tap
from edgewright.contract.profile.measures import embeddings
from edgewright.contract.profile.measures.pending import Pending, Read
from edgewright.contract.profile.measures.quality import Watch
from edgewright.contract.profile.measures.reading import Array, TensorReader, row_count
from edgewright.contract.profile.noise import Below, protect
from edgewright.contract.profile.scales import SCALES
from edgewright.contract.profile.schema import Schema

MAX_ROWS = 2**48
CHUNK_ROWS = 8192
LATENCIES = 1024
_LATENCY = SCALES[FeatureKind.LATENCY]
Counts = npt.NDArray[np.int64]


class Profile:
    """Counts what a model saw and did. Not safe for several threads at once: the caller holds a lock.

    Rows are kept back for a moment, so that one row at a time costs little more than its share of a batch. `after` is
    the profile of the window before: a sensor that was stuck in it still is.
    """

    def __init__(self, schema: Schema, after: Profile | None = None) -> None:
        self.schema = schema
        self._counts: Counts = np.zeros(schema.offsets[-1], np.int64)
        self._rows = 0
        self._pending: Pending | None = None
        self._latencies: list[float | None] = []  # one for each row
        goes_on = after is not None and after.schema.sha256 == schema.sha256
        self._watches: dict[str, Watch] | None = after._watches if after is not None and goes_on else None

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self._rows

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was counted."""
        return self._rows == 0 and not self._counts.any()

    @property
    def counts(self) -> Counts:
        """All slots' counts in one vector; `schema.span` says where each feature's are."""
        self.settle()
        return self._counts

    def settle(self) -> None:
        """Count what was kept back. Two profiles in a row share what they know of sensors: settle the first first."""
        pending = self._pending
        if pending is not None and pending.rows:
            rows = pending.rows
            self._count(pending.release(), rows)
        if self._latencies:
            self._count_latencies()

    def of(self, feature: str) -> Counts:
        """The counts of the feature of that name."""
        return self.counts[self.schema.span(feature)]

    def update(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], latency_s: float | None = None) -> None:
        """Count a batch: `latency_s` is how long the call took, counted once for each row.

        Tensors that are not given count as missing. Raises InvalidInput, and counts nothing, if the tensors
        have different numbers of rows or do not fit the contract.
        """
        pending = self._pending
        if pending is None:
            pending = self._pending = Pending(self.schema.input_readers, self.schema.output_readers)
        rows = pending.take(inputs, outputs) or self._take_in(pending, inputs, outputs)
        self._rows += rows
        if rows == 1:
            self._latencies.append(latency_s)
            if len(self._latencies) >= LATENCIES:
                self._count_latencies()
        elif rows:
            self._count_latency(latency_s, rows)

    def tap(self, tap: Tap, count: int = 1) -> None:
        """Count what people said of answers."""
        self._counts[self.schema.span("feedback").start + list(Tap).index(tap)] += count

    def reject(self, tensor: str, count: int = 1) -> None:
        """Count requests that were refused for this input; for a name that is none, for the first one."""
        places = self.schema.of_kind(FeatureKind.QUALITY)
        place = next((one for one in places if self.schema.features[one].tensor == tensor), places[0] if places else -1)
        if place >= 0:
            self._counts[self.schema.offsets[place] + list(Flaw).index(Flaw.REJECTED)] += count

    def read_vitals(self, readings: Mapping[FeatureKind, float | None]) -> None:
        """Count one reading of memory (bytes), CPU (seconds a second) and temperature (degrees Celsius)."""
        for kind in (FeatureKind.MEMORY, FeatureKind.CPU, FeatureKind.TEMPERATURE):
            found = readings.get(kind)
            place = int(SCALES[kind].places(np.array([math.nan if found is None else found]))[0])
            self._counts[self.schema.span(kind.value).start + place] += 1

    def merge(self, other: Profile) -> None:
        """Add the rows of `other`. Raises InvalidInput if it has another schema."""
        if other.schema is not self.schema and other.schema.sha256 != self.schema.sha256:
            raise InvalidInput("profiles of different schemas do not merge", field="schema_sha256")
        self.settle()
        self._counts += other.counts
        self._rows += other.rows

    def latency_s(self, share: float) -> float:
        """The latency that `share` of the rows did not exceed, to about 9 %; NaN if none was measured."""
        seen = np.maximum(self.of("latency")[:-1], 0)
        if not seen.sum():
            return math.nan
        return _LATENCY.edge(int(np.searchsorted(seen.cumsum(), share * seen.sum())))

    def protected(self, privacy: Privacy, below: Below) -> Profile:
        """What may leave the device: with noise, then with rare categories among 'others', as `privacy` says."""
        made = Profile(self.schema)
        made._rows, made._counts = self._rows, protect(self.counts, self.schema, privacy, below)
        return made

    def to_bytes(self) -> bytes:
        """The wire form: see wire.py; the first number is how many rows there are."""
        return wire.encode(np.concatenate([[self._rows], self.counts]))

    @classmethod
    def from_bytes(cls, schema: Schema, data: bytes, *, is_noisy: bool = False) -> Profile:
        """Read the wire form. Raises HostileInput unless there is a count for every slot and they agree with one
        another; of counts with noise, unless they are small enough to be some."""
        return cls.read_all(schema, [data], is_noisy=is_noisy)

    @classmethod
    def read_all(cls, schema: Schema, payloads: Sequence[bytes], *, is_noisy: bool = False) -> Profile:
        """Read many wire forms and add them up, thousands in a fraction of a second.

        Raises HostileInput where one cannot be read, or what they add up to does not agree with itself.
        """
        profile = cls(schema)
        if payloads:
            numbers = wire.total(payloads, schema.offsets[-1] + 1)
            check_counts(schema, int(numbers[0]), numbers[1:], is_noisy=is_noisy)
            profile._rows, profile._counts = int(numbers[0]), numbers[1:].copy()
        return profile

    def _take_in(self, pending: Pending, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> int:
        """Read a batch that could not be kept as it came; keep it, or count it at once."""
        rows = row_count({**inputs, **outputs})
        if rows == 0:
            return 0
        read = [*_read(self.schema.input_readers, inputs), *_read(self.schema.output_readers, outputs)]
        if pending.rows and not pending.keep(read, rows):
            self.settle()
        elif pending.rows:
            return rows
        if not pending.keep(read, rows):
            self._count(read, rows)
        return rows

    def _count(self, read: Read, rows: int) -> None:
        if self._watches is None:
            self._watches = {one.spec.name: self.schema.watch(one) for one in self.schema.input_readers}
        for start in range(0, rows, CHUNK_ROWS):
            chunk = [(reader, tensor[start : start + CHUNK_ROWS]) for reader, tensor in read]
            self._count_chunk(chunk, min(CHUNK_ROWS, rows - start), self._watches)

    def _count_chunk(self, read: Read, rows: int, watches: Mapping[str, Watch]) -> None:
        schema, given = self.schema, {id(reader): tensor for reader, tensor in read}
        values = np.empty((len(schema.binned), rows), schema.value_dtype)
        for reader, place in zip(schema.readers, schema.places, strict=True):
            tensor = given.get(id(reader))
            if reader.kind is FeatureKind.EMBEDDING:
                self._count_embedding(reader, tensor, rows)
            else:
                values[place] = np.nan if tensor is None else reader.values(tensor, schema.dark_level(reader)).T
        is_missing = np.isnan(values)
        missing = is_missing if is_missing.any() else None
        self._counts += schema.binner.count(values, len(self._counts), missing)
        for reader, place in zip(schema.input_readers, schema.places, strict=False):
            tensor = given.get(id(reader))
            mine = None if missing is None else missing[place]
            flaws = watches[reader.spec.name].flaws(tensor, values[place], mine) if tensor is not None else (rows, 0, 0)
            span = schema.span(schema.quality_of(reader.spec.name))
            self._counts[span.start + 1 : span.stop] += flaws

    def _count_embedding(self, reader: TensorReader, tensor: Array | None, rows: int) -> None:
        place = int(reader.places[0])
        projection = self.schema.bins[place].projection
        if tensor is None or projection is None:
            self._counts[self.schema.offsets[place + 1] - 1] += rows
            return
        self._counts[self.schema.offsets[place] : self.schema.offsets[place + 1]] += embeddings.sums_of(
            tensor, projection
        )

    def _count_latencies(self) -> None:
        places = _LATENCY.places(np.array(self._latencies, np.float64))
        self._counts[self.schema.span("latency")] += np.bincount(places, minlength=_LATENCY.slots)
        self._latencies.clear()

    def _count_latency(self, latency_s: float | None, rows: int) -> None:
        place = int(_LATENCY.places(np.array([latency_s], np.float64))[0])
        self._counts[self.schema.span("latency").start + place] += rows


def merge_payloads(payloads: Sequence[bytes], rows: int) -> bytes:
    """The wire form of several profiles of one schema together, without the schema.

    Raises HostileInput where one cannot be read, where they differ in length, or do not count `rows` rows together.
    """
    total = wire.total(payloads)
    if int(total[0]) != rows or rows > MAX_ROWS:
        raise HostileInput(f"the profiles count {total[0]} rows, not {rows}", field="payload")
    return wire.encode(total)


def _read(readers: Sequence[TensorReader], tensors: Mapping[str, Array]) -> Read:
    """The rows of those profiled tensors that are given."""
    return [(reader, reader.rows(tensors[reader.spec.name])) for reader in readers if reader.spec.name in tensors]
