"""Windows and Fourier transforms of the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.preprocessing.signal import Fft, Shape, Spectrum, Window

Array = npt.NDArray[Any]
_COSINES = {Shape.HANN: (0.5, 0.5), Shape.HAMMING: (0.54, 0.46), Shape.RECTANGULAR: (1.0, 0.0)}


def window(step: Window) -> Callable[[Array], Array]:
    """Frames, each a copy multiplied by the window."""
    factors = shape_of(step)

    def act(array: Array) -> Array:
        samples = array.shape[-1]
        if samples < step.frame:
            short = [(0, 0)] * (array.ndim - 1) + [(0, step.frame - samples)]
            array = np.pad(array, short)
        frames = np.lib.stride_tricks.sliding_window_view(array, step.frame, axis=-1)[..., :: step.hop, :]
        result: Array = frames * factors.astype(array.dtype)
        return result

    return act


def fft(step: Fft) -> Callable[[Array], Array]:
    """Computed in float64, so that machines agree; given back in the element type that came."""

    def act(array: Array) -> Array:
        with np.errstate(all="ignore"):
            bins = np.fft.rfft(array.astype(np.float64, copy=False), n=step.length or None, axis=-1)
            values = np.abs(bins) if step.spectrum is Spectrum.MAGNITUDE else bins.real**2 + bins.imag**2
            if step.log:
                values = np.log(np.maximum(values, step.floor))
            result: Array = values.astype(array.dtype, copy=False)
        return result

    return act


def shape_of(step: Window) -> Array:
    """The window's factors: a - b cos(2 pi n / N), N the frame's length, or that less one where it is symmetric."""
    a, b = _COSINES[step.window]
    turns = max(1, step.frame - 1 if step.symmetric else step.frame)
    if step.frame == 1:
        return np.ones(1)
    return np.asarray(a - b * np.cos(2 * np.pi * np.arange(step.frame) / turns))
