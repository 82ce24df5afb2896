"""Intensities on the networks' scale, -1 to 1."""

from __future__ import annotations

import numpy as np


def rescale(array: np.ndarray, black: float, white: float) -> np.ndarray:
    """Map ``black`` .. ``white`` to -1 .. 1, clipped, float32 of the same shape.

    Where ``white`` is not above ``black`` there is no contrast, and everything becomes -1.
    """
    if white <= black:
        return np.full(array.shape, -1, np.float32)
    scaled = (array.astype(np.float32) - np.float32(black)) * np.float32(2 / (white - black)) - 1
    return np.clip(scaled, -1, 1)


def percentile(pixels: np.ndarray, percent: float) -> float:
    """:func:`numpy.percentile`; of bytes, as most ultrasound is, by counting: without sorting."""
    if pixels.dtype != np.uint8:
        return float(np.percentile(pixels, percent))
    place = (pixels.size - 1) * percent / 100
    first = int(place)
    up_to = np.bincount(pixels.ravel(), minlength=256).cumsum()
    low, high = np.searchsorted(up_to, [first, min(first + 1, pixels.size - 1)], side="right")
    return float(low + (high - low) * (place - first))


def to_mri_values(pixels: np.ndarray) -> np.ndarray:
    """Values of a pseudo-MRI, 0 .. 255, of what a network made in [-1, 1]."""
    return (pixels + 1) * 127.5
