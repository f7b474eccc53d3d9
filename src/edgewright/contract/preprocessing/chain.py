"""The steps one after the other: which tensors come out, found out from types and shapes alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.contract.preprocessing.axes import Pad, Reshape, Transpose
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.picture import Crop, Resize
from edgewright.contract.preprocessing.signal import Fft, Window
from edgewright.contract.preprocessing.tensor import MAX_AXES, MAX_ROW_ELEMENTS, Tensor, row_elements
from edgewright.contract.preprocessing.text import Tokenise

MAX_STEPS = 32
FIELD = "contract.preprocessing"

Step = Cast | Crop | Fft | Normalise | Pad | Reshape | Resize | Tokenise | Transpose | Window
Steps = Annotated[tuple[Step, ...], msgspec.Meta(max_length=MAX_STEPS)]


def follow(inputs: Mapping[str, Tensor], steps: Iterable[Step]) -> dict[str, Tensor]:
    """Every tensor that there is after the last step: what was passed, unless written anew, and what was made.

    Raises InvalidInput, which names the step and its field, for steps that do not fit one another or the inputs.
    """
    made: dict[str, Tensor] = {}
    for place, step in enumerate(steps):
        made |= _take(place, step, inputs, made)
    return {**inputs, **made}


def tables(steps: Iterable[Step]) -> frozenset[str]:
    """The names of the package's files that the steps need."""
    return frozenset(name for step in steps for name in step.tables)


def name_of(step: Step) -> str:
    """What a manifest calls that kind of step."""
    return str(step.__struct_config__.tag)


def _take(place: int, step: Step, inputs: Mapping[str, Tensor], made: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the step at `place` makes of `inputs` and of what was `made` before it."""
    tensors = {**inputs, **made}
    if step.input not in tensors:
        have = ", ".join(sorted(tensors)) or "none"
        raise _misfit(place, step, "input", f"there is no tensor '{step.input[:80]}' before it; there is {have}")
    given = tensors[step.input]
    if not given.shape or 0 in given.shape[1:]:
        raise _misfit(place, step, "input", f"'{step.input[:80]}' has no rows, or no elements in a row")
    try:
        results = dict(zip(step.outputs, step.results(given), strict=True))
    except InvalidInput as error:
        raise _misfit(place, step, error.field, error.message) from error
    if why := _excess({**made, **results}):
        raise _misfit(place, step, "output", why)
    return results


def _excess(made: Mapping[str, Tensor]) -> str:
    """In what the tensors that were made are beyond all bounds; '' where they are not."""
    if any(len(tensor.shape) > MAX_AXES for tensor in made.values()):
        return f"it would have more than {MAX_AXES} axes"
    elements = sum(map(row_elements, made.values()))
    if elements <= MAX_ROW_ELEMENTS:
        return ""
    return f"a row of what is made would have {elements} elements by now, the most is {MAX_ROW_ELEMENTS}"


def _misfit(place: int, step: Step, field: str, why: str) -> InvalidInput:
    return InvalidInput(f"step {place + 1}, {name_of(step)}: {why}", field=f"{FIELD}[{place}].{field}")
