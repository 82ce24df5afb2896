"""Even gain: parts of a head that ultrasound leaves dark, brought to the brightness of the others.

The nearer skull and the sides of a large head leave little sound for what lies behind them. The
ultrasound network has seen few such heads, and the bridge takes darkness for the emptiness around a
brain: what is dark is left out of the pseudo-MRI. A local gain, as a sonographer sets with the
time gain compensation, brings those parts back among the heads that the network knows. It changes
over centimetres, so that the contrast of structures with what is beside them stays.
"""

from __future__ import annotations

import numpy as np

from ..image.smoothing import smoothed
from .frame import BACKGROUND

# Chosen on heads of the validation part of HC18, by how much of the head the pseudo-MRI fills
# (`python -m benchmarks.bridge`) and by looking.
MEAN = 0.2
GREATEST = 4.0
_SIGMA_MM = 17.5
# The skull is left out of the mean: it is bright where the brain behind it is dark.
_SKULL_MM = 4.4

# What "ddic" and "ddib" see: heads with even gain, or as recorded, as published.
EVEN = "even"
GAINS = (EVEN, "recorded")

# A head of which more than this is raised by more than a factor of two is dark.
_MUCH, _LARGE_PART = 2.0, 0.25


def even_gain(pixels: np.ndarray, mask: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Raise the gain where the mean of an ultrasound frame over some 2 cm is below :data:`MEAN`.

    Args:
        pixels: float [rows, columns] in [-1, 1], a frame of :func:`.frame.normalise_head`.
        mask: bool of the same shape, inside the head.
        pixel_mm: edge of its pixels.

    Returns:
        float32 of the same shape in [-1, 1], -1 outside the head; no pixel is darker than before.
    """
    raised = (pixels + 1) / 2 * _gains(pixels, mask, pixel_mm)
    return np.where(mask, raised.clip(0, 1) * 2 - 1, BACKGROUND).astype(np.float32)


def is_dark(pixels: np.ndarray, mask: np.ndarray, pixel_mm: float) -> bool:
    """Whether :func:`even_gain` has to raise a large part of the head by much."""
    return bool((_gains(pixels, mask, pixel_mm)[mask] > _MUCH).mean() > _LARGE_PART)


def _gains(pixels: np.ndarray, mask: np.ndarray, pixel_mm: float) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    brain = binary_erosion(mask, iterations=round(_SKULL_MM / pixel_mm)).astype(float)
    sigma = _SIGMA_MM / pixel_mm
    light = smoothed((pixels + 1) / 2 * brain, sigma)
    mean = light / np.maximum(smoothed(brain, sigma), 1e-3)
    return (MEAN / np.maximum(mean, 1e-3)).clip(1.0, GREATEST)
