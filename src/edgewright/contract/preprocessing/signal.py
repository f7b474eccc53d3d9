"""Steps for signals, on the last axis: windows and their spectra."""

from __future__ import annotations

import math
from enum import StrEnum

from edgewright.contract.dtype import Dtype
from edgewright.contract.preprocessing.tensor import Declared, MaybeSide, Side, Tensor, check_axis, require_dtype, unfit

FLOATS = (Dtype.FLOAT32, Dtype.FLOAT64)


class Shape(StrEnum):
    """By what the samples of a frame are multiplied."""

    HANN = "hann"
    HAMMING = "hamming"
    RECTANGULAR = "rectangular"


class Spectrum(StrEnum):
    """What is kept of a complex amplitude."""

    MAGNITUDE = "magnitude"
    POWER = "power"


class Window(Declared, frozen=True, kw_only=True, tag="window"):
    """Frames of `frame` samples, each `hop` after the one before, multiplied by a window: [.., frames, samples].

    A tail that fills no frame is left out; a signal that fills none is filled up with zeros to one.
    """

    frame: Side
    hop: Side
    window: Shape = Shape.HANN
    symmetric: bool = False  # as numpy.hanning; else periodic, as scipy.signal.get_window and torch.hann_window

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """The same element type, with one axis more."""
        require_dtype(given, FLOATS)
        samples = given.shape[check_axis(given, -1)]
        frames = None if samples is None else self.frames(samples)
        return (Tensor(given.dtype, (*given.shape[:-1], frames, self.frame)),)

    def frames(self, samples: int) -> int:
        """How many frames a signal of that length gives."""
        return 1 + max(0, samples - self.frame) // self.hop


class Fft(Declared, frozen=True, kw_only=True, tag="fft"):
    """Half the spectrum of a real signal, bins 0 to length / 2.

    `length` 0 is that of the axis; a shorter signal is filled up with zeros, a longer one cut. With `log`, the
    natural logarithm of what is at least `floor`.
    """

    length: MaybeSide = 0
    spectrum: Spectrum = Spectrum.MAGNITUDE
    log: bool = False
    floor: float = 1e-10

    def results(self, given: Tensor) -> tuple[Tensor, ...]:
        """The same element type; the last axis counts frequencies."""
        require_dtype(given, FLOATS)
        samples = self.length or given.shape[check_axis(given, -1)]
        if not (math.isfinite(self.floor) and self.floor >= 1e-30):
            raise unfit("floor", "it must be at least 1e-30")
        bins = None if samples is None else samples // 2 + 1
        return (Tensor(given.dtype, (*given.shape[:-1], bins)),)
