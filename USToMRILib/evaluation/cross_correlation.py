"""Linear correlation of two images, as a whole and in small windows."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

LOCAL_WINDOW = 9
# Below this variance (grey levels squared) a window shows nothing that could correlate.
_LEAST_VARIANCE = 1e-3


def normalised(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation coefficient, -1 .. 1.

    Args:
        x, y: float64 [n].

    Raises:
        InputError: if either is constant.
    """
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise InputError("A constant image correlates with nothing.")
    return float(np.corrcoef(x, y)[0, 1])


def local(reference: np.ndarray, image: np.ndarray, foreground: np.ndarray) -> float:
    """Mean over the foreground of the squared correlation in windows of 9 voxels, 0 .. 1.

    As in registration (Avants et al. 2008): cov^2 / (var var), so that inverted tones count as
    well. A window without variance in either image counts 0.

    Args:
        reference, image: float64 [k, j, i]; a single slice is looked at in its plane.
        foreground: boolean [k, j, i].
    """
    from scipy.ndimage import uniform_filter

    size = [1 if n == 1 else LOCAL_WINDOW for n in reference.shape]

    def mean(array: np.ndarray) -> np.ndarray:
        return uniform_filter(array, size)

    # Around the images' means, or the squares would eat the digits of the variances.
    x, y = reference - reference.mean(), image - image.mean()
    mean_x, mean_y = mean(x), mean(y)
    variances = (mean(x * x) - mean_x**2).clip(0) * (mean(y * y) - mean_y**2).clip(0)
    squared = (mean(x * y) - mean_x * mean_y) ** 2
    known = variances > _LEAST_VARIANCE**2
    correlation = np.divide(squared, variances, out=np.zeros_like(squared), where=known)
    return float(correlation[foreground].clip(0, 1).mean())
