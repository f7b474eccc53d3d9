"""Turns the arrays that apps pass into those that the model takes, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.dtype import Dtype
from edgewright.contract.errors import InvalidInput
from edgewright.contract.preprocessing.axes import Pad, Reshape, Transpose
from edgewright.contract.preprocessing.chain import Step, Steps, follow
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.picture import Crop, Resize
from edgewright.contract.preprocessing.running import arithmetic, layout, resizing, spectrum
from edgewright.contract.preprocessing.running.tokeniser import Tokeniser
from edgewright.contract.preprocessing.running.vocabulary import read_vocabulary
from edgewright.contract.preprocessing.signal import Fft, Window
from edgewright.contract.preprocessing.tensor import Tensor

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Act = Callable[[Array], Array]
ReadTable = Callable[[str], bytes]
"""The bytes of one of the package's files, by its name."""


class Preparation:
    """Does the steps of one contract, for which it makes ready: tables are read, windows computed. Thread-safe.

    Raises InvalidInput for steps that do not fit, HostileInput for a table that is none.
    """

    def __init__(self, inputs: Mapping[str, Tensor], steps: Steps, read_table: ReadTable) -> None:
        self.results = follow(inputs, steps)
        """Every tensor that comes out, with what is known of it beforehand."""
        self._steps = steps
        self._acts = [_act(step, read_table) for step in steps]
        self._is_free = any(None in tensor.shape[1:] for tensor in (*inputs.values(), *self.results.values()))

    def __call__(self, arrays: Arrays) -> dict[str, Array]:
        """Every tensor after the last step, each in one piece of memory.

        `arrays` fit the contract's inputs. Raises InvalidInput where a free axis has a length that the steps cannot
        take, or the text is none.
        """
        if self._is_free:
            follow({name: _seen(array) for name, array in arrays.items()}, self._steps)
        now = dict(arrays)
        for step, act in zip(self._steps, self._acts, strict=True):
            made = act(now[step.input])
            now |= zip(step.outputs, made, strict=True) if isinstance(made, tuple) else {step.outputs[0]: made}
        return {name: np.ascontiguousarray(array) for name, array in now.items()}


def _act(step: Step, read_table: ReadTable) -> Callable[[Array], Array | tuple[Array, ...]]:
    """The function that does one step."""
    match step:
        case Resize():
            return resizing.resize(step)
        case Crop():
            return layout.crop(step)
        case Pad():
            return layout.pad(step)
        case Transpose():
            return layout.transpose(step)
        case Reshape():
            return layout.reshape(step)
        case Cast():
            return arithmetic.cast(step)
        case Normalise():
            return arithmetic.normalise(step)
        case Window():
            return spectrum.window(step)
        case Fft():
            return spectrum.fft(step)
    return Tokeniser(step, read_vocabulary(read_table(step.table), step))


def _seen(array: Array) -> Tensor:
    """What a step's rule must know of a real array."""
    if array.dtype.kind in "OU":
        return Tensor(Dtype.STRING, array.shape)
    try:
        return Tensor(Dtype(array.dtype.name), array.shape)
    except ValueError as error:
        raise InvalidInput(f"no step takes arrays of {array.dtype}", field="preprocessing") from error
