"""The schema: bins and reference counts of one model version, in canonical bytes that travel in its packages."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from itertools import accumulate, pairwise

import msgspec
import numpy as np

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.manifest import digest
from edgewright.contract.profile.binning import Binner
from edgewright.contract.profile.features import Feature, FeatureKind, Measure, column_count, features
from edgewright.contract.profile.measure import Array, Floats, TensorReader, as_contracted, readers, row_count
from edgewright.contract.tensors import Contract, Kind, TensorSpec

FORMAT = 2
BINS = 20
SCORE_BINS = 32
TOP_CLASSES = 20
LATENCY_BUCKETS_PER_OCTAVE = 8
LATENCY_OCTAVES = (-20, 6)  # 2**-20 s is about a microsecond, 2**6 s about a minute
LATENCY_SLOTS = (LATENCY_OCTAVES[1] - LATENCY_OCTAVES[0]) * LATENCY_BUCKETS_PER_OCTAVE + 1
MAX_SCHEMA_BYTES = 1024 * 1024
MAX_FEATURES = 1024
MAX_EDGES = 4 * BINS
ATOM_WIDTH = 1e-6  # relative: an atom's bin survives a round trip through float32
DARK_SHARE_OF_RANGE = 0.1


class FeatureBins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bins of one feature and the reference's counts in them.

    NUMERIC: `edges` ascend; slot i holds edges[i-1] <= value < edges[i], so the two end bins are open.
    CATEGORICAL: one slot for each class of `top`, then one for all others. LATENCY: fixed buckets, no reference.
    The last slot is always for what is missing (NaN). `dark_level` serves 'dark_share' alone.
    """

    feature: Feature
    edges: tuple[float, ...] = ()
    top: tuple[int, ...] = ()
    dark_level: float = 0.0
    counts: tuple[int, ...] = ()

    @property
    def slots(self) -> int:
        """How many counts a profile keeps for this feature."""
        if self.feature.kind is FeatureKind.LATENCY:
            return LATENCY_SLOTS
        return (len(self.edges) + 2) if self.feature.kind is FeatureKind.NUMERIC else len(self.top) + 2


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
    def binner(self) -> Binner:
        """Puts measured values into slots."""
        return Binner([(bins.edges, bins.top, bins.feature.kind) for bins in self.bins[:-1]], self.offsets[:-1])

    @functools.cached_property
    def input_readers(self) -> list[TensorReader]:
        """Readers of the profiled inputs."""
        return readers(self.contract, self.features, of_inputs=True)

    @functools.cached_property
    def output_readers(self) -> list[TensorReader]:
        """Readers of the profiled outputs."""
        return readers(self.contract, self.features, of_inputs=False)

    def dark_level(self, reader: TensorReader) -> float:
        """The level below which a pixel of the reader's tensor is dark."""
        levels = (self.bins[column] for column in reader.columns.tolist())
        return next((bins.dark_level for bins in levels if bins.feature.measure is Measure.DARK_SHARE), 0.0)


def build_schema(
    contract: Contract, model: str, version: int, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> Schema:
    """Choose bins from training data and count it in them.

    `inputs` and `outputs` may have different numbers of rows, and should: a model is surer of rows that it was
    trained on, so give the *hold-out's* outputs as the reference for scores and predictions. Tensors that are
    not given leave their features without a reference; such features are profiled but never alarm.
    """
    found = features(contract)
    inputs = {name: np.asarray(tensor) for name, tensor in inputs.items()}
    outputs = {name: np.asarray(tensor) for name, tensor in outputs.items()}
    n_ref = row_count(inputs)
    if n_ref == 0:
        raise InvalidInput("a reference needs at least one row of inputs", field="inputs")
    if len(found) > MAX_FEATURES:
        raise InvalidInput(f"at most {MAX_FEATURES} features are profiled, this has {len(found)}", field="contract")
    row_count(outputs)
    bins = [FeatureBins(feature=feature) for feature in found]
    for is_input, tensors in ((True, inputs), (False, outputs)):
        for reader in readers(contract, found, of_inputs=is_input):
            _fill(bins, reader, tensors.get(reader.spec.name))
    profiled = msgspec.structs.replace(contract, preprocessing=())  # what apps pass is counted, not what is made of it
    return Schema(model=model, version=version, n_ref=n_ref, contract=profiled, bins=tuple(bins))


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
    return schema


def _fill(bins: list[FeatureBins], reader: TensorReader, tensor: Array | None) -> None:
    """Set edges and counts of the features that `reader` reads."""
    rows = None if tensor is None else reader.rows(as_contracted(tensor, reader.spec))
    if rows is not None:
        rows = rows.astype(reader.dtype)
    dark_level = _dark_level(rows) if rows is not None and reader.spec.kind is Kind.IMAGE else 0.0
    width = len(reader.columns)
    values = np.empty((0, width)) if rows is None else reader.values(rows, dark_level)
    for column, of_feature in zip(reader.columns.tolist(), values.T, strict=True):
        bins[column] = _bins(bins[column].feature, reader.spec, of_feature, dark_level)


def _bins(feature: Feature, spec: TensorSpec, values: Floats, dark_level: float) -> FeatureBins:
    edges: tuple[float, ...] = ()
    top: tuple[int, ...] = ()
    if feature.kind is FeatureKind.CATEGORICAL:
        top = _top_classes(spec, values)
    elif feature.measure is Measure.SCORE:
        edges = tuple(i / SCORE_BINS for i in range(1, SCORE_BINS))
    else:
        edges = quantile_edges(values)
    level = dark_level if feature.measure is Measure.DARK_SHARE else 0.0
    bins = FeatureBins(feature=feature, edges=edges, top=top, dark_level=level)
    counts = Binner([(edges, top, feature.kind)], (0,)).count(values[:, None], bins.slots)
    return msgspec.structs.replace(bins, counts=tuple(counts.tolist()))


def quantile_edges(values: Floats, bins: int = BINS) -> tuple[float, ...]:
    """Edges at the quantiles of `values`; a value that fills a whole bin by itself gets one of its own (an atom)."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return ()
    cuts = np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1]))
    repeated, counts = np.unique(finite, return_counts=True)
    often = np.flatnonzero(counts >= max(2.0, finite.size / bins))
    atoms = repeated[often[np.argsort(-counts[often], kind="stable")][:bins]]
    half = np.maximum(np.abs(atoms) * ATOM_WIDTH, 1e-30)
    in_atom = (np.abs(cuts[:, None] - atoms[None, :]) <= 2 * half[None, :]).any(axis=1)
    edges = np.unique(np.concatenate([cuts[~in_atom], atoms - half, atoms + half]))
    return tuple(edges[np.isfinite(edges)].tolist())


def _top_classes(spec: TensorSpec, values: Floats) -> tuple[int, ...]:
    known = len(spec.names) or (column_count(spec) or 1 if spec.kind is Kind.SCORES else 0)
    if 1 < known <= TOP_CLASSES:
        return tuple(range(known))
    classes, counts = np.unique(values[np.isfinite(values)].astype(np.int64), return_counts=True)
    return tuple(sorted(classes[np.argsort(-counts, kind="stable")[:TOP_CLASSES]].tolist()))


def _dark_level(pixels: Array) -> float:
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        return 0.0
    low, high = float(finite.min()), float(finite.max())
    return low + DARK_SHARE_OF_RANGE * (high - low)


def _check(bins: FeatureBins) -> None:
    field = f"bins.{bins.feature.name}"
    if len(bins.edges) > MAX_EDGES or len(bins.top) > TOP_CLASSES:
        raise HostileInput(f"{field} has too many bins", field=field)
    ascends = all(low < high for low, high in pairwise(bins.edges)) and all(
        low < high for low, high in pairwise(bins.top)
    )
    if not ascends or not all(map(math.isfinite, (*bins.edges, bins.dark_level))):
        raise HostileInput(f"the edges of {field} do not ascend", field=field)
    wanted = 0 if bins.feature.kind is FeatureKind.LATENCY else bins.slots
    if len(bins.counts) != wanted or any(not 0 <= count < 2**53 for count in bins.counts):
        raise HostileInput(f"{field} needs {wanted} counts, none below zero", field=field)
