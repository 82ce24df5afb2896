"""Volume translation with the 3D pix2pix generator: overlapping windows, blended."""

from __future__ import annotations

import numpy as np

_HIGH_PERCENTILE = 99.5


def ultrasound_range(array: np.ndarray) -> tuple[float, float]:
    """Return the values that normalisation maps to -1 and 1.

    The low end is the smallest value (the background of an ultrasound volume), the high end the
    99.5th percentile of what lies above it, so that neither the gain nor a few bright echoes nor
    the size of the background decide. Training and inference use this one function.

    Args:
        array: ultrasound voxels of any shape and real dtype, all finite.
    """
    low = float(array.min())
    above = array[array > low]
    high = float(np.percentile(above, _HIGH_PERCENTILE)) if above.size else low
    return low, high


def normalise_ultrasound(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map `low`..`high` (see `ultrasound_range`) to -1..1, clipped, float32 of the same shape."""
    if high <= low:
        return np.full(array.shape, -1, np.float32)
    scaled = (array.astype(np.float32) - np.float32(low)) * np.float32(2 / (high - low)) - 1
    return np.clip(scaled, -1, 1)
