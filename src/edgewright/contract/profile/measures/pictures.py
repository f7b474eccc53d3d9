"""Six statistics of pictures: light, contrast, sharpness, and where the light is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def image_statistics(images: Array, dark_level: float) -> Floats:
    """Six statistics of each of `images` (n, height, width), in the order of IMAGE_MEASURES."""
    count, height, width = images.shape
    pixels = images.reshape(count, -1)
    brightness = pixels.mean(axis=1)
    light = pixels - pixels.min(axis=1, keepdims=True)
    sums = light @ _moments(height, width).astype(light.dtype)
    total = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    centroids = np.where(np.isnan(total[:, None]) & ~np.isnan(brightness[:, None]), 0.5, sums[:, 1:] / total[:, None])
    dark = np.where(np.isnan(brightness), np.nan, (pixels <= dark_level).mean(axis=1))
    statistics = [brightness, pixels.std(axis=1), _sharpness(images), dark, centroids[:, 0], centroids[:, 1]]
    return np.column_stack(statistics).astype(np.float64)


def _sharpness(images: Array) -> Array:
    if min(images.shape[1:]) < 3:
        return np.zeros(images.shape[0])
    middle = images[:, 1:-1, 1:-1]
    sides = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return np.asarray(np.abs(sides - 4 * middle).mean(axis=(1, 2)))


def _moments(height: int, width: int) -> Floats:
    """(pixels, 3): one, x and y of each pixel, x and y between 0 and 1."""
    y, x = np.mgrid[0:height, 0:width]
    return np.column_stack([np.ones(height * width), x.ravel() / max(1, width - 1), y.ravel() / max(1, height - 1)])
