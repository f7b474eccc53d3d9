"""What is profiled for a contract: the features, named and in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

MAX_COLUMNS = 128
"""Of one tensor; columns past these are not profiled."""


class FeatureKind(StrEnum):
    """How a feature is binned."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    LATENCY = "latency"  # fixed logarithmic buckets, not compared with a reference


class Measure(StrEnum):
    """How a feature's value is taken from a row of its tensor."""

    COLUMN = "column"
    BRIGHTNESS = "brightness"  # mean of the pixels
    CONTRAST = "contrast"  # their standard deviation
    SHARPNESS = "sharpness"  # mean of the absolute Laplacian
    DARK_SHARE = "dark_share"  # share of pixels in the lowest tenth of the reference's range
    CENTROID_X = "centroid_x"  # centre of the light, 0 (left) to 1 (right)
    CENTROID_Y = "centroid_y"  # 0 (top) to 1 (bottom)
    SCORE = "score"  # the highest score
    PREDICTED = "predicted"  # the index of the predicted class
    LATENCY = "latency"


IMAGE_MEASURES = (
    Measure.BRIGHTNESS,
    Measure.CONTRAST,
    Measure.SHARPNESS,
    Measure.DARK_SHARE,
    Measure.CENTROID_X,
    Measure.CENTROID_Y,
)


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One profiled quantity: `measure` of `column` of `tensor` (of an input, or else of an output)."""

    name: str
    kind: FeatureKind
    measure: Measure
    tensor: str = ""
    column: int = 0
    is_input: bool = False


def features(contract: Contract) -> tuple[Feature, ...]:
    """The features of `contract`: inputs first, then outputs, latency last. Their names differ."""
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
        if spec.kind is Kind.IMAGE and column_count(spec) is not None:
            yield from _image(spec)
        else:
            yield from _columns(spec, is_input=True)
    yield from _outputs(contract)
    yield Feature(name="latency", kind=FeatureKind.LATENCY, measure=Measure.LATENCY)


def _image(spec: TensorSpec) -> Iterator[Feature]:
    for measure in IMAGE_MEASURES:
        name = f"{spec.name}.{measure}"
        yield Feature(name=name, kind=FeatureKind.NUMERIC, measure=measure, tensor=spec.name, is_input=True)


def _columns(spec: TensorSpec, *, is_input: bool) -> Iterator[Feature]:
    if spec.dtype is Dtype.STRING:
        return
    count = column_count(spec) or 0
    for column in range(min(count, MAX_COLUMNS)):
        yield Feature(
            name=_column_name(spec, column, count),
            kind=FeatureKind.NUMERIC,
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
        if spec.kind is Kind.VALUE:
            yield from _columns(spec, is_input=False)


def _free_name(feature: Feature, taken: dict[str, Feature]) -> str:
    name = feature.name
    if name in taken:
        name = f"{feature.tensor}.{name}"
    return name if name not in taken else f"{name}[{feature.column}]#{len(taken)}"
