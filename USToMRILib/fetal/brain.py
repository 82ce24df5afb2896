"""One brightness for the ultrasound of a brain within its skull."""

from __future__ import annotations

import numpy as np

from ..image.smoothing import smoothed
from .frame import BACKGROUND

# Local gain: the mean over this part of the frame's width is brought to this brightness of 0..1.
_MEAN_WIDTH = 0.14
_MEAN = 0.30
_GAIN_RANGE = (0.6, 5.0)
# The rim, where the skull's echo reaches in, is left out of the mean.
_RIM_PIXELS = 3
_BLACK_PERCENTILE, _WHITE_PERCENTILE = 1.0, 98.0


def normalise_brain(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Scale the ultrasound of a brain to [-1, 1] with an even gain.

    Behind the nearer half of the skull and to the sides an image is darker by the way that sound
    has gone. A local gain, as a sonographer sets with the time gain compensation, takes out what
    changes over centimetres; the contrast of a structure with what lies beside it stays.

    Args:
        pixels: [rows, columns], a frame of any range of grey levels.
        mask: bool, the same shape, inside the brain.

    Returns:
        float32 [rows, columns] in [-1, 1], -1 outside the brain.
    """
    from scipy.ndimage import binary_erosion

    light = np.clip(pixels - np.percentile(pixels[mask], _BLACK_PERCENTILE), 0, None)
    light = np.minimum(light / max(float(np.percentile(light[mask], _WHITE_PERCENTILE)), 1e-3), 1.5)
    sigma = _MEAN_WIDTH * pixels.shape[1]
    core = binary_erosion(mask, iterations=_RIM_PIXELS).astype(float)
    mean = smoothed(light * core, sigma) / np.maximum(smoothed(core, sigma), 1e-3)
    even = light * np.clip(_MEAN / np.maximum(mean, 1e-3), *_GAIN_RANGE)
    return np.where(mask, np.clip(even, 0, 1) * 2 - 1, BACKGROUND).astype(np.float32)
