"""Example rows of a model: what it takes, as arrays by name, and whether what it became answers as it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.client.sources.model import FIELD, CannotConvert
from edgewright.contract.errors import InvalidInput

Arrays = dict[str, npt.NDArray[Any]]

ROWS = 2
"""How many rows an example needs so that an exporter leaves the number of rows free."""
RELATIVE = 1e-3
"""How far answers may lie apart, as a share of the largest."""


def arrays_of(example: object, names: Sequence[str]) -> Arrays:
    """An example as arrays by name: one array, several in order, or a mapping. float64 becomes float32.

    Raises InvalidInput where there is none, for other names than the model's, and for inputs without rows.
    """
    if example is None:
        raise InvalidInput(
            "an example of what the model takes is missing", field="example", hint="Pass a few rows: example=X[:2]."
        )
    if isinstance(example, Mapping):
        given = {str(name): _array(value) for name, value in example.items()}
    else:
        values = list(example) if isinstance(example, tuple) else [example]
        if len(values) > len(names):
            raise InvalidInput(
                f"the example has {len(values)} inputs, the model takes {len(names)}",
                field="example",
                hint="Pass a tuple for several inputs, in order, or a dict by name.",
            )
        given = {name: _array(value) for name, value in zip(names, values, strict=False)}
    for name, array in given.items():
        if array.ndim == 0 or len(array) == 0:
            raise InvalidInput(f"input '{name}' of the example has no rows", field=f"example.{name}")
    return given


def repeated(arrays: Arrays) -> Arrays:
    """At least ROWS rows of each."""
    return {name: array if len(array) >= ROWS else np.repeat(array, ROWS, axis=0) for name, array in arrays.items()}


def confirm(path: Path, example: Arrays, expected: Sequence[npt.NDArray[Any]], least_equal: float = 1.0) -> None:
    """Run the model that came out on the example, row by row too, and compare.

    Raises CannotConvert where it does not run, or answers otherwise: numbers must agree within RELATIVE, whole numbers
    be the same for a share `least_equal` of the rows.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        answers = session.run(None, example)
        first = session.run(None, {name: array[:1] for name, array in example.items()})
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        raise CannotConvert(
            f"the ONNX file that came out does not run on the example: {str(error).splitlines()[0]}", field=FIELD
        ) from error
    names = [value.name for value in session.get_outputs()]
    for name, answer, one, wanted in zip(names, answers, first, expected, strict=False):
        if not _agree(answer, wanted, least_equal) or one.shape[:1] != (1,):
            raise CannotConvert(
                f"the ONNX file that came out answers otherwise than the model: see its output '{name}'",
                field=FIELD,
                hint="Is there anything random in the model, or anything that depends on the number of rows?",
            )


def _agree(answer: npt.NDArray[Any], wanted: npt.NDArray[Any], least_equal: float) -> bool:
    if answer.size != wanted.size:
        return False
    wanted = wanted.reshape(answer.shape)
    if not np.issubdtype(wanted.dtype, np.floating):
        return bool(np.mean(answer == wanted) >= least_equal)
    close = np.isclose(answer, wanted, rtol=RELATIVE, atol=RELATIVE * float(np.max(np.abs(wanted), initial=1e-6)))
    return bool(np.mean(close) >= least_equal)


def _array(value: Any) -> npt.NDArray[Any]:
    detached = value.detach().cpu() if hasattr(value, "detach") else value
    array = np.ascontiguousarray(np.asarray(detached))
    return array.astype(np.float32) if array.dtype == np.float64 else array
