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


def to_mri_values(pixels: np.ndarray) -> np.ndarray:
    """Values of a pseudo-MRI, 0 .. 255, of what a network made in [-1, 1]."""
    return (pixels + 1) * 127.5
