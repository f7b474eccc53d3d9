"""What is profiled for a contract: the features, named and in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from edgewright.contract.report import Tap as Tap
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

MAX_COLUMNS = 128
"""Of one tensor; columns past these are not profiled."""


class FeatureKind(StrEnum):
    """How a feature is counted."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    EMBEDDING = "embedding"  # sums of random Fourier features
    LATENCY = "latency"  # from here on: fixed slots, which nothing is compared with
    MEMORY = "memory"
    CPU = "cpu"
    TEMPERATURE = "temperature"
    QUALITY = "quality"
    FEEDBACK = "feedback"

    @property
    def has_reference(self) -> bool:
        """Whether a schema may hold training rows for it."""
        return self in (FeatureKind.NUMERIC, FeatureKind.CATEGORICAL, FeatureKind.EMBEDDING)

    @property
    def is_of_rows(self) -> bool:
        """Whether each row is counted in it once, so that its slots (of an embedding: the last two) add up to rows."""
        return self.has_reference or self is FeatureKind.LATENCY


class Measure(StrEnum):
    """How a feature's value is taken from a row of its tensor."""

    COLUMN = "column"
    BRIGHTNESS = "brightness"  # mean of the pixels
    CONTRAST = "contrast"  # their standard deviation
    SHARPNESS = "sharpness"  # mean of the absolute Laplacian
    DARK_SHARE = "dark_share"  # share of pixels in the lowest tenth of the reference's range
    CENTROID_X = "centroid_x"  # centre of the light, 0 (left) to 1 (right)
    CENTROID_Y = "centroid_y"  # 0 (top) to 1 (bottom)
    RMS = "rms"  # root of the mean square of the samples
    PEAK = "peak"  # the largest absolute sample
    ZERO_CROSSINGS = "zero_crossings"  # changes of sign for each sample
    SPECTRAL_CENTROID = "spectral_centroid"  # 0 (low) to 1 (half the sampling rate)
    BAND = "band"  # share of the power in the octave `column`; 0 is the lowest
    EMBEDDING = "embedding"
    SCORE = "score"  # the highest score
    PREDICTED = "predicted"  # the index of the predicted class
    LATENCY = "latency"
    MEMORY = "memory"  # resident bytes of the process
    CPU = "cpu"  # CPU seconds of the process for each second of the window
    TEMPERATURE = "temperature"  # of the hottest zone, degrees Celsius
    QUALITY = "quality"
    FEEDBACK = "feedback"


class Flaw(StrEnum):
    """What is wrong with an input: the slots of its QUALITY feature, in this order."""

    REJECTED = "rejected"  # requests that were refused for it: wrong shape, wrong type, not there
    MISSING = "missing"  # rows with a missing value
    OUT_OF_RANGE = "out_of_range"  # rows with a value outside of the contract's range
    STUCK = "stuck"  # rows in which a column, or the whole picture, has not changed for long


IMAGE_MEASURES = (
    Measure.BRIGHTNESS,
    Measure.CONTRAST,
    Measure.SHARPNESS,
    Measure.DARK_SHARE,
    Measure.CENTROID_X,
    Measure.CENTROID_Y,
)
BANDS = 4
AUDIO_MEASURES = (
    *((measure, 0) for measure in (Measure.RMS, Measure.PEAK, Measure.ZERO_CROSSINGS, Measure.SPECTRAL_CENTROID)),
    *((Measure.BAND, band) for band in range(BANDS)),
)
VITALS = (FeatureKind.MEMORY, FeatureKind.CPU, FeatureKind.TEMPERATURE)


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One profiled quantity: `measure` of `column` of `tensor` (of an input, or else of an output)."""

    name: str
    kind: FeatureKind
    measure: Measure
    tensor: str = ""
    column: int = 0
    is_input: bool = False


def features(contract: Contract) -> tuple[Feature, ...]:
    """The features of `contract`: inputs, outputs, latency, vitals, the inputs' quality, feedback. Names differ."""
    found: dict[str, Feature] = {}
    for feature in _all(contract):
        name = _free_name(feature, found)
        found[name] = msgspec.structs.replace(feature, name=name)
    return tuple(found.values())


def column_count(spec: TensorSpec) -> int | None:
    """How many values one row of the tensor has; None if an axis besides the first is of free length."""
    axes = spec.shape[1:]
    return math.prod(size for size in axes if size is not None) if None not in axes else None


def _all(contract: Contract) -> Iterator[Feature]:
    for spec in contract.inputs:
        yield from _of_tensor(spec, is_input=True)
    yield from _outputs(contract)
    yield Feature(name="latency", kind=FeatureKind.LATENCY, measure=Measure.LATENCY)
    for kind in VITALS:
        yield Feature(name=kind.value, kind=kind, measure=Measure(kind.value))
    for spec in contract.inputs:
        name = f"{spec.name}.quality"
        measure = Measure.QUALITY
        yield Feature(name=name, kind=FeatureKind.QUALITY, measure=measure, tensor=spec.name, is_input=True)
    yield Feature(name="feedback", kind=FeatureKind.FEEDBACK, measure=Measure.FEEDBACK)


def _of_tensor(spec: TensorSpec, *, is_input: bool) -> Iterator[Feature]:
    has_columns = column_count(spec) is not None
    if spec.kind is Kind.IMAGE and has_columns and is_input:
        yield from (_measured(spec, measure, 0) for measure in IMAGE_MEASURES)
    elif spec.kind is Kind.AUDIO and is_input:
        yield from (_measured(spec, measure, band) for measure, band in AUDIO_MEASURES)
    elif spec.kind is Kind.EMBEDDING and has_columns and spec.dtype is not Dtype.STRING:
        kind, measure = FeatureKind.EMBEDDING, Measure.EMBEDDING
        yield Feature(name=spec.name, kind=kind, measure=measure, tensor=spec.name, is_input=is_input)
    else:
        yield from _columns(spec, is_input=is_input)


def _measured(spec: TensorSpec, measure: Measure, column: int) -> Feature:
    name = f"{spec.name}.{measure}" + (f"_{column}" if measure is Measure.BAND else "")
    kind = FeatureKind.NUMERIC
    return Feature(name=name, kind=kind, measure=measure, tensor=spec.name, column=column, is_input=True)


def _columns(spec: TensorSpec, *, is_input: bool) -> Iterator[Feature]:
    is_categorical = spec.dtype is Dtype.STRING or spec.kind is Kind.CATEGORICAL
    count = column_count(spec) or 0
    for column in range(min(count, MAX_COLUMNS)):
        yield Feature(
            name=_column_name(spec, column, count),
            kind=FeatureKind.CATEGORICAL if is_categorical else FeatureKind.NUMERIC,
            measure=Measure.COLUMN,
            tensor=spec.name,
            column=column,
            is_input=is_input,
        )


def _column_name(spec: TensorSpec, column: int, count: int) -> str:
    if len(spec.names) == count:
        return spec.names[column]
    return spec.name if count == 1 else f"{spec.name}[{column}]"


def _outputs(contract: Contract) -> Iterator[Feature]:
    scores, label = contract.output_of(Kind.SCORES), contract.output_of(Kind.LABEL)
    if scores is not None:
        yield Feature(name="score", kind=FeatureKind.NUMERIC, measure=Measure.SCORE, tensor=scores.name)
    predicted = label or scores
    if predicted is not None:
        yield Feature(name="predicted", kind=FeatureKind.CATEGORICAL, measure=Measure.PREDICTED, tensor=predicted.name)
    for spec in contract.outputs:
        if spec.kind in (Kind.VALUE, Kind.EMBEDDING) and spec.dtype is not Dtype.STRING:
            yield from _of_tensor(spec, is_input=False)


def _free_name(feature: Feature, taken: dict[str, Feature]) -> str:
    name = feature.name
    if name in taken:
        name = f"{feature.tensor}.{name}"
    return name if name not in taken else f"{name}[{feature.column}]#{len(taken)}"
