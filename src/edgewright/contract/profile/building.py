"""Build a schema: choose bins from training data, and count the data in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np

from edgewright.contract.errors import InvalidInput
from edgewright.contract.profile.features import FeatureKind, Measure, column_count, features
from edgewright.contract.profile.measures import embeddings
from edgewright.contract.profile.measures.binning import Binner, Bins
from edgewright.contract.profile.measures.reading import (
    Array,
    Floats,
    TensorReader,
    Words,
    as_contracted,
    readers,
    row_count,
    word_of,
)
from edgewright.contract.profile.schema import BINS, MAX_FEATURES, MAX_WORD_CHARS, TOP_CLASSES, FeatureBins, Schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

SCORE_BINS = 32
MIN_CATEGORY_ROWS = 10
"""Of training: a rarer word or code gets no slot of its own, so no device can ever tell of it by name."""
ATOM_WIDTH = 1e-6  # relative: an atom's bin survives a round trip through float32
DARK_SHARE_OF_RANGE = 0.1


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
    words: dict[int, tuple[str, ...]] = {}
    for reader in readers(contract, found, {}, of_inputs=True):
        words |= _words_of(reader, inputs.get(reader.spec.name))
    bins = [FeatureBins(feature=feature, words=words.get(place, ())) for place, feature in enumerate(found)]
    for is_input, tensors in ((True, inputs), (False, outputs)):
        for reader in readers(contract, found, words, of_inputs=is_input):
            _fill(bins, reader, tensors.get(reader.spec.name))
    profiled = msgspec.structs.replace(contract, preprocessing=())  # what apps pass is counted, not what is made of it
    return Schema(model=model, version=version, n_ref=n_ref, contract=profiled, bins=tuple(bins))


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


def _words_of(reader: TensorReader, tensor: Array | None) -> Words:
    """The most frequent words of each text feature that `reader` reads."""
    if not reader.is_text or tensor is None:
        return {}
    columns = zip(reader.places.tolist(), tensor.reshape(len(tensor), -1).T[: len(reader.places)], strict=True)
    return {place: _top_words(column) for place, column in columns}


def _top_words(column: Array) -> tuple[str, ...]:
    counted = Counter(map(word_of, column.tolist()))
    often = [one for one, count in counted.items() if count >= MIN_CATEGORY_ROWS and 0 < len(one) <= MAX_WORD_CHARS]
    return tuple(sorted(sorted(often, key=lambda one: (-counted[one], one))[:TOP_CLASSES]))


def _fill(bins: list[FeatureBins], reader: TensorReader, tensor: Array | None) -> None:
    """Set edges and counts of the features that `reader` reads."""
    rows = None if tensor is None else reader.rows(as_contracted(tensor, reader.spec))
    if reader.kind is FeatureKind.EMBEDDING:
        place = int(reader.places[0])
        bins[place] = _embedding(bins[place], np.empty((0, 1)) if rows is None else rows)
        return
    dark_level = _dark_level(rows) if rows is not None and reader.spec.kind is Kind.IMAGE else 0.0
    values = np.empty((0, len(reader.places))) if rows is None else reader.values(rows, dark_level).astype(np.float64)
    for place, of_feature in zip(reader.places.tolist(), values.T, strict=True):
        bins[place] = _bins(bins[place], reader.spec, of_feature, dark_level)


def _embedding(empty: FeatureBins, rows: Array) -> FeatureBins:
    projection = embeddings.fit(rows)
    sums = embeddings.sums_of(rows, projection)
    return msgspec.structs.replace(empty, projection=projection, counts=tuple(sums.tolist()))


def _bins(empty: FeatureBins, spec: TensorSpec, values: Floats, dark_level: float) -> FeatureBins:
    edges: tuple[float, ...] = ()
    classes: tuple[int, ...] | None = None
    feature = empty.feature
    if feature.kind is FeatureKind.CATEGORICAL:
        is_text = feature.is_input and spec.dtype is Dtype.STRING
        classes = empty.classes if is_text else _top_classes(spec, values, is_input=feature.is_input)
    elif feature.measure is Measure.SCORE:
        edges = tuple(i / SCORE_BINS for i in range(1, SCORE_BINS))
    else:
        edges = quantile_edges(values)
    top = () if classes is None or empty.words else classes
    level = dark_level if feature.measure is Measure.DARK_SHARE else 0.0
    bins = msgspec.structs.replace(empty, edges=edges, top=top, dark_level=level)
    counts = Binner([Bins(edges, classes, 0)]).count(values[None], bins.slots, np.isnan(values[None]))
    return msgspec.structs.replace(bins, counts=tuple(counts.tolist()))


def _top_classes(spec: TensorSpec, values: Floats, *, is_input: bool) -> tuple[int, ...]:
    """The classes that get slots: those of the contract where they are few, else the most frequent ones."""
    known = 0 if is_input else len(spec.names) or (column_count(spec) or 1 if spec.kind is Kind.SCORES else 0)
    if 1 < known <= TOP_CLASSES:
        return tuple(range(known))
    finite = values[np.isfinite(values)]
    classes, counts = np.unique(finite[np.abs(finite) < 2**53].astype(np.int64), return_counts=True)
    often = counts >= MIN_CATEGORY_ROWS
    classes, counts = classes[often], counts[often]
    return tuple(sorted(classes[np.argsort(-counts, kind="stable")[:TOP_CLASSES]].tolist()))


def _dark_level(pixels: Array) -> float:
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        return 0.0
    low, high = float(finite.min()), float(finite.max())
    return low + DARK_SHARE_OF_RANGE * (high - low)
