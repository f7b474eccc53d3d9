"""Fitted estimators of scikit-learn, and of libraries that look like it, as ONNX (skl2onnx)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.client.sources.examples import Arrays, arrays_of, confirm
from edgewright.client.sources.model import FIELD, CannotConvert, MissingExtra, Source, versions
from edgewright.contract.errors import InvalidInput

INPUT = "X"
OPSETS = {"": 17, "ai.onnx.ml": 3}
OTHERWISE = "Use another estimator, or a command of your own that writes ONNX: --export 'python export.py'."
LEAST_EQUAL = 0.99
"""Trees compare in float64 and ONNX in float32: a row on a threshold may fall to the other side."""


def is_estimator(model: object) -> bool:
    """Whether it is made of scikit-learn's classes, without importing them."""
    return any(kind.__module__.partition(".")[0] == "sklearn" for kind in type(model).__mro__)


def convert_estimator(model: Any, example: object, folder: Path) -> Source:
    """Write a fitted estimator as ONNX: any number of rows, scores as one tensor.

    Raises MissingExtra, InvalidInput (not fitted, or no fitting example) and CannotConvert, which names the part.
    """
    try:
        import skl2onnx  # noqa: F401 (with scikit-learn)
    except ImportError as error:
        raise MissingExtra("sklearn", error) from error
    rows = arrays_of(example, (INPUT,))
    _check_fitted(model)
    try:
        made = _made(model, _types(rows))
    except Exception as error:  # converters raise whatever they meet
        raise _refusal(model, error) from error
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    if len(rows) == 1:
        confirm(path, rows, _answers(model, rows), LEAST_EQUAL)
    return Source(path, environment=versions("scikit-learn", "skl2onnx"))


def _made(model: Any, types: list[tuple[str, Any]]) -> Any:
    from skl2onnx import to_onnx

    try:
        return to_onnx(model, initial_types=types, options={"zipmap": False}, target_opset=OPSETS)
    except NameError:  # it has no scores that a map could hold
        return to_onnx(model, initial_types=types, target_opset=OPSETS)


def _check_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError as error:
        name = type(model).__name__
        raise InvalidInput(f"{name} is not fitted", field=FIELD, hint="Call its fit(X, y) first.") from error


def _types(rows: Arrays) -> list[tuple[str, Any]]:
    """What each input is, with any number of rows."""
    from skl2onnx.common import data_types

    kinds = {
        "f": data_types.FloatTensorType,
        "i": data_types.Int64TensorType,
        "u": data_types.Int64TensorType,
        "b": data_types.BooleanTensorType,
        "U": data_types.StringTensorType,
        "O": data_types.StringTensorType,
    }
    found = []
    for name, array in rows.items():
        if array.dtype.kind not in kinds:
            raise InvalidInput(f"input '{name}' is of {array.dtype}, which no model takes", field=f"example.{name}")
        found.append((name, kinds[array.dtype.kind]([None, *array.shape[1:]])))
    return found


def _answers(model: Any, rows: Arrays) -> list[Any]:
    """What the estimator itself says, in the order of the ONNX file's outputs."""
    data = next(iter(rows.values()))
    if hasattr(model, "predict_proba"):
        return [np.asarray(model.predict(data)), np.asarray(model.predict_proba(data), np.float32)]
    if hasattr(model, "predict"):
        return [np.asarray(model.predict(data))]
    return [np.asarray(model.transform(data), np.float32)]


def _refusal(model: Any, error: Exception) -> CannotConvert:
    """Which part has no converter, and where it stands."""
    found = re.search(r"type '<class '([\w.]+)'>'", str(error))
    if found is None:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return CannotConvert(
            f"skl2onnx cannot convert {type(model).__name__}: {first[:200]}", field=FIELD, hint=OTHERWISE
        )
    name = found[1].rpartition(".")[2]
    place = next((path for path, part in _parts(model) if type(part).__name__ == name), "")
    return CannotConvert(
        f"{name}{f', step {place!r} of the model,' if place else ''} has no converter to ONNX",
        field=FIELD,
        hint=OTHERWISE,
    )


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    """Steps of pipelines and the like, at any depth, with their names."""
    for attribute in ("steps", "transformers", "estimators"):
        for part in getattr(model, attribute, None) or ():
            if isinstance(part, tuple) and len(part) >= 2:
                yield str(part[0]), part[1]
                yield from ((f"{part[0]}.{path}", inner) for path, inner in _parts(part[1]))
