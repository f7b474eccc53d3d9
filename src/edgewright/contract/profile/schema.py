"""The schema: bins and reference counts of one model version, in canonical bytes that travel in its packages."""

from __future__ import annotations

import functools
import math
from itertools import accumulate, pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.manifest import digest
from edgewright.contract.profile.features import Feature, FeatureKind, Measure, features
from edgewright.contract.profile.measures.binning import Binner, Bins
from edgewright.contract.profile.measures.embeddings import SUMS, UNIT, Projection
from edgewright.contract.profile.measures.quality import STEADY_SHARE, Watch
from edgewright.contract.profile.measures.reading import TensorReader, readers
from edgewright.contract.profile.scales import FIXED_SLOTS
from edgewright.contract.tensors import Contract

FORMAT = 3
BINS = 20
TOP_CLASSES = 20
MAX_SCHEMA_BYTES = 1024 * 1024
MAX_FEATURES = 1024
MAX_EDGES = 4 * BINS
MAX_WORD_CHARS = 200


class FeatureBins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slots of one feature and the reference's counts in them.

    NUMERIC: `edges` ascend; slot i holds edges[i-1] <= value < edges[i], so the two end bins are open.
    CATEGORICAL: one slot for each class of `top` (or each of `words`, for text), then one for all others.
    EMBEDDING: 128 sums, see measures/embeddings.py; then how many rows were there. The other kinds have fixed slots
    (see scales.py; QUALITY: those of `Flaw`; FEEDBACK: those of `Tap`) and no reference. The last slot of any kind but
    QUALITY and FEEDBACK is for what is missing (NaN). `dark_level` serves 'dark_share' alone.
    """

    feature: Feature
    edges: tuple[float, ...] = ()
    top: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    dark_level: float = 0.0
    projection: Projection | None = None
    counts: tuple[int, ...] = ()

    @property
    def slots(self) -> int:
        """How many counts a profile keeps for this feature."""
        kind = self.feature.kind
        if kind in FIXED_SLOTS:
            return FIXED_SLOTS[kind]
        if kind is FeatureKind.EMBEDDING:
            return SUMS + 2
        return len(self.edges if kind is FeatureKind.NUMERIC else self.classes) + 2

    @property
    def classes(self) -> tuple[int, ...]:
        """The known classes as numbers: of words, their places."""
        return tuple(range(len(self.words))) if self.words else self.top

    @property
    def n_ref(self) -> int:
        """How many reference rows this feature has."""
        return sum(self.counts[SUMS:] if self.feature.kind is FeatureKind.EMBEDDING else self.counts)


class Schema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The bins of one model version. `n_ref` is how many rows of inputs the reference was built from."""

    format: int = FORMAT
    model: str
    version: int
    n_ref: int
    contract: Contract
    bins: tuple[FeatureBins, ...]

    @functools.cached_property
    def sha256(self) -> str:
        """The digest of the canonical bytes."""
        return digest(encode_schema(self))

    @functools.cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each feature's slots begin among all slots, and, last, how many slots there are."""
        return tuple(accumulate((bins.slots for bins in self.bins), initial=0))

    @functools.cached_property
    def features(self) -> tuple[Feature, ...]:
        """The profiled features, in order."""
        return tuple(bins.feature for bins in self.bins)

    @functools.cached_property
    def spans(self) -> dict[str, slice]:
        """The slots of each feature, by name."""
        names = (feature.name for feature in self.features)
        return {name: slice(*ends) for name, ends in zip(names, pairwise(self.offsets), strict=True)}

    def span(self, feature: str) -> slice:
        """The slots of the feature of that name. Raises KeyError."""
        return self.spans[feature]

    def quality_of(self, tensor: str) -> str:
        """The name of the feature that counts what is wrong with an input. Raises KeyError."""
        return self._qualities[tensor]

    def of_kind(self, kind: FeatureKind) -> tuple[int, ...]:
        """The places of the features of that kind among all."""
        return tuple(place for place, feature in enumerate(self.features) if feature.kind is kind)

    @functools.cached_property
    def counting(self) -> npt.NDArray[np.bool_]:
        """Which slots hold counts, all but the sums of embeddings: those may be below zero."""
        found = np.ones(self.offsets[-1], np.bool_)
        for place in self.of_kind(FeatureKind.EMBEDDING):
            found[self.offsets[place] : self.offsets[place] + SUMS] = False
        return found

    @functools.cached_property
    def of_rows(self) -> npt.NDArray[np.bool_]:
        """Which features count each row once."""
        return np.array([feature.kind.is_of_rows for feature in self.features], np.bool_)

    @functools.cached_property
    def binned(self) -> npt.NDArray[np.int64]:
        """The places of the features whose values fall into bins and classes."""
        places = (*self.of_kind(FeatureKind.NUMERIC), *self.of_kind(FeatureKind.CATEGORICAL))
        return np.array(sorted(places), np.int64)

    @functools.cached_property
    def binner(self) -> Binner:
        """Puts measured values of the binned features into slots."""
        return Binner([_bins(self.bins[place], self.offsets[place]) for place in self.binned.tolist()])

    @functools.cached_property
    def input_readers(self) -> tuple[TensorReader, ...]:
        """Readers of the profiled inputs."""
        return readers(self.contract, self.features, self._words, of_inputs=True)

    @functools.cached_property
    def output_readers(self) -> tuple[TensorReader, ...]:
        """Readers of the profiled outputs."""
        return readers(self.contract, self.features, self._words, of_inputs=False)

    @functools.cached_property
    def readers(self) -> tuple[TensorReader, ...]:
        """All readers, those of inputs first."""
        return (*self.input_readers, *self.output_readers)

    @functools.cached_property
    def places(self) -> tuple[slice, ...]:
        """Where the features of each reader stand among the binned ones: one after the other."""
        starts = (int(np.searchsorted(self.binned, reader.places[0])) for reader in self.readers)
        is_binned = (reader.kind is not FeatureKind.EMBEDDING for reader in self.readers)
        sizes = (len(reader.places) if binned else 0 for reader, binned in zip(self.readers, is_binned, strict=True))
        return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))

    @functools.cached_property
    def value_dtype(self) -> npt.DTypeLike:
        """The element type that holds all measured values exactly."""
        return np.float32 if all(reader.is_narrow for reader in self.readers) else np.float64

    def dark_level(self, reader: TensorReader) -> float:
        """The level below which a pixel of the reader's tensor is dark."""
        levels = (self.bins[place] for place in reader.places.tolist())
        return next((bins.dark_level for bins in levels if bins.feature.measure is Measure.DARK_SHARE), 0.0)

    def watch(self, reader: TensorReader) -> Watch:
        """What looks for flaws in the rows of an input, from its first row on."""
        may_repeat = [_may_repeat(self.bins[place]) for place in reader.places.tolist()]
        return Watch(reader, np.array(may_repeat, np.bool_))

    @functools.cached_property
    def _qualities(self) -> dict[str, str]:
        return {one.tensor: one.name for one in self.features if one.kind is FeatureKind.QUALITY}

    @property
    def _words(self) -> dict[int, tuple[str, ...]]:
        return {place: bins.words for place, bins in enumerate(self.bins) if bins.words}


def encode_schema(schema: Schema) -> bytes:
    """Canonical bytes (MessagePack): equal schemas give equal bytes."""
    return msgspec.msgpack.encode(schema, order="deterministic")


def decode_schema(data: bytes) -> Schema:
    """Parse a schema from the wire. Raises HostileInput on anything but canonical bytes that make sense."""
    if len(data) > MAX_SCHEMA_BYTES:
        raise HostileInput(f"a profile schema has at most {MAX_SCHEMA_BYTES} bytes, this one has {len(data)}")
    try:
        schema = msgspec.msgpack.decode(data, type=Schema)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a profile schema: {error}", field="schema") from error
    if schema.format != FORMAT:
        raise HostileInput(f"profile schema format {schema.format} is not known", field="format")
    if encode_schema(schema) != data:
        raise HostileInput("the profile schema is not in canonical form", field="schema")
    if not 0 < schema.n_ref < 2**53:
        raise HostileInput(f"a reference of {schema.n_ref} rows", field="n_ref")
    if len(schema.bins) > MAX_FEATURES or schema.features != features(schema.contract):
        raise HostileInput("the features are not those of the contract", field="bins")
    for bins in schema.bins:
        _check(bins)
    try:
        _ = schema.input_readers
    except InvalidInput as error:
        raise HostileInput(error.message, field=error.field) from error
    return schema


def _bins(bins: FeatureBins, start: int) -> Bins:
    return Bins(bins.edges, None if bins.feature.kind is FeatureKind.NUMERIC else bins.classes, start)


def _may_repeat(bins: FeatureBins) -> bool:
    """Whether one value fills much of the reference, or nothing is known of it."""
    rows = sum(bins.counts)
    return bins.feature.kind is not FeatureKind.NUMERIC or not rows or max(bins.counts) >= STEADY_SHARE * rows


def _check(bins: FeatureBins) -> None:
    field = f"bins.{bins.feature.name}"
    if len(bins.edges) > MAX_EDGES or max(len(bins.top), len(bins.words)) > TOP_CLASSES:
        raise HostileInput(f"{field} has too many bins", field=field)
    if any(len(word) > MAX_WORD_CHARS for word in bins.words) or (bins.top and bins.words):
        raise HostileInput(f"{field} has no such words", field=field)
    ascends = all(
        (
            all(low < high for low, high in pairwise(bins.edges)),
            all(low < high for low, high in pairwise(bins.top)),
            all(low < high for low, high in pairwise(bins.words)),
        )
    )
    if not ascends or not all(map(math.isfinite, (*bins.edges, bins.dark_level))):
        raise HostileInput(f"the edges of {field} do not ascend", field=field)
    has_reference = bins.feature.kind.has_reference
    if len(bins.counts) != (bins.slots if has_reference else 0):
        raise HostileInput(f"{field} needs {bins.slots if has_reference else 0} counts", field=field)
    _check_embedding(bins, field) if bins.feature.kind is FeatureKind.EMBEDDING else _check_counts(bins, field)


def _check_counts(bins: FeatureBins, field: str) -> None:
    if bins.projection is not None or any(not 0 <= count < 2**53 for count in bins.counts):
        raise HostileInput(f"{field} has a count below zero, or what only an embedding has", field=field)


def _check_embedding(bins: FeatureBins, field: str) -> None:
    one, rows = bins.projection, bins.counts[SUMS:]
    is_sound = one is not None and 0 <= one.seed < 2**32 and 0 < one.length < math.inf and 1 <= one.freedom < math.inf
    if not is_sound or any(not 0 <= count < 2**53 for count in rows):
        raise HostileInput(f"{field} is no embedding that can be projected", field=field)
    if any(abs(count) > UNIT * rows[0] for count in bins.counts[:SUMS]):
        raise HostileInput(f"the sums of {field} are larger than {rows[0]} rows can make them", field=field)
