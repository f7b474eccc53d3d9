"""Eight statistics of windows of sound: how loud, how rough, and how the power lies over the octaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile.features import BANDS

SPECTRUM_SAMPLES = 4096
"""Of a longer window, so many in its middle make the spectrum."""
Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def sound_statistics(rows: Array) -> Floats:
    """The statistics of each window of `rows` (n, samples), in the order of AUDIO_MEASURES; NaN where one is missing.

    Silence has no spectrum: its centroid is 0, and its power lies in the lowest band.
    """
    samples = rows.astype(np.float64)
    count, length = samples.shape
    if length == 0:
        return np.full((count, 4 + BANDS), np.nan)
    rms = np.sqrt((samples * samples).mean(axis=1))
    peak = np.abs(samples).max(axis=1)
    turns = np.count_nonzero(np.diff(np.signbit(samples), axis=1), axis=1) / max(1, length - 1)
    return np.column_stack([rms, peak, np.where(np.isnan(rms), np.nan, turns), _spectrum(samples, rms)])


def _spectrum(samples: Floats, rms: Floats) -> Floats:
    """(n, 1 + BANDS): the centroid, then the share of the power in each octave up to half the sampling rate."""
    start = max(0, (samples.shape[1] - SPECTRUM_SAMPLES) // 2)
    middle = samples[:, start : start + SPECTRUM_SAMPLES]
    power = np.abs(np.fft.rfft(middle * np.hanning(middle.shape[1] + 2)[1:-1], axis=1)) ** 2
    frequency = np.linspace(0.0, 1.0, power.shape[1])
    total = power.sum(axis=1, keepdims=True)
    shares = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    band = np.clip(BANDS - 1 + np.floor(np.log2(np.maximum(frequency, 1e-9))) + 1, 0, BANDS - 1).astype(np.int64)
    band = np.minimum(band, BANDS - 1)
    in_bands = np.column_stack([shares[:, band == one].sum(axis=1) for one in range(BANDS)])
    in_bands[:, 0] += np.where(total[:, 0] > 0, 0.0, 1.0)
    found = np.column_stack([shares @ frequency, in_bands])
    found[~np.isfinite(rms)] = np.nan
    return found
