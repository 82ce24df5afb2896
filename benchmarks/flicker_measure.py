"""How much a volume changes from slice to slice, fine texture and large patches apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

# Of the blur in the plane before slices are compared, sigma in mm.
SCALES_MM = (0.0, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Flicker:
    """What :func:`measure` finds, all in standard deviations of the voxels inside.

    Attributes:
        across: mean absolute difference of neighbouring slices, blurred in the plane by each of
            :data:`SCALES_MM`; last that of the slices' means.
        within: the same between voxels as far apart in the plane, not blurred: its detail.
        deviation: the standard deviation itself.
    """

    across: tuple[float, ...]
    within: float
    deviation: float


def measure(array: np.ndarray, inside: np.ndarray, spacing: tuple[float, float, float]) -> Flicker:
    """Measure the change from slice to slice along k.

    The mean absolute difference at a distance is the first-order variogram (madogram) of
    geostatistics (Cressie, Statistics for Spatial Data, 1993). Anatomy changes from slice to slice
    too: what is flicker shows only beside real volumes at the same distance. Blurred in the plane,
    texture goes, and what is left is whole regions that jump.

    Args:
        array: [k, j, i].
        inside: bool of the same shape, the voxels that count.
        spacing: (i, j, k) in mm; that of i and j is the same.
    """
    values = array.astype(np.float64)
    deviation = float(values[inside].std())
    both = inside[1:] & inside[:-1]
    across = []
    for scale in SCALES_MM:
        blurred = _blurred(values, inside, scale / spacing[0])
        across.append(float(np.abs(np.diff(blurred, axis=0))[both].mean()))
    across.append(float(np.abs(mean_steps(array, inside)).mean()))
    pixels = max(1, round(spacing[2] / spacing[0]))
    within = np.mean([_difference(values, inside, axis, pixels) for axis in (1, 2)])
    relative = tuple(change / deviation for change in across)
    return Flicker(relative, float(within) / deviation, deviation)


def mean_steps(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """How the slices' means change from slice to slice, of the slices that have voxels inside."""
    return np.diff([plane[within].mean() for plane, within in zip(array, inside) if within.any()])


def _blurred(values: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    """Blur every slice, as if there were nothing outside."""
    if sigma == 0:
        return values
    weight = gaussian_filter(inside.astype(np.float64), (0, sigma, sigma))
    total = gaussian_filter(np.where(inside, values, 0), (0, sigma, sigma))
    return np.divide(total, weight, out=np.zeros_like(values), where=inside)


def _difference(values: np.ndarray, inside: np.ndarray, axis: int, pixels: int) -> float:
    """Mean absolute difference of voxels so far apart along an axis."""
    first, second = (np.moveaxis(array, axis, 0) for array in (values, inside))
    both = second[pixels:] & second[:-pixels]
    return float(np.abs(first[pixels:] - first[:-pixels])[both].mean())
