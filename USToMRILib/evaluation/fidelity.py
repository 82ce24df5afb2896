"""How close an image is to the image that it should be, voxel by voxel."""

from __future__ import annotations

import numpy as np

PEAK = 255.0
SSIM_WINDOW = 7
PSNR_LIMIT_DB = 100.0


def ssim_map(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Structural similarity at every voxel (Wang et al. 2004), float64 [k, j, i] in -1 .. 1.

    Uniform window of 7 voxels, K1 = 0.01, K2 = 0.03, L = 255, borders reflected; a single slice is
    compared in its plane.

    Args:
        reference, image: float64 [k, j, i] in 0 .. 255, at least 7 voxels along every axis.

    Raises:
        InputError: if an axis is shorter than that.
    """
    from skimage.metrics import structural_similarity

    from ..errors import InputError

    planes = [array[0] if array.shape[0] == 1 else array for array in (reference, image)]
    if min(planes[0].shape) < SSIM_WINDOW:
        raise InputError(f"SSIM needs at least {SSIM_WINDOW} voxels along every axis.")
    _, similarity = structural_similarity(*planes, win_size=SSIM_WINDOW, data_range=PEAK, full=True)
    return similarity.reshape(reference.shape)


def psnr(reference: np.ndarray, image: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB with a peak of 255, at most 100.

    Args:
        reference, image: float64 of one shape, in 0 .. 255.
    """
    squared = float(np.square(reference - image).mean())
    if squared == 0:
        return PSNR_LIMIT_DB
    return min(PSNR_LIMIT_DB, float(10 * np.log10(PEAK**2 / squared)))


def mean_absolute_error(reference: np.ndarray, image: np.ndarray) -> float:
    """Mean of the absolute differences, in grey levels."""
    return float(np.abs(reference - image).mean())
