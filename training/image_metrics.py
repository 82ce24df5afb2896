"""How close a pseudo-MRI is to the MRI it stands for."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

_DATA_RANGE = 255.0
_SSIM_WINDOW = 7


def similarity(prediction: np.ndarray, target: np.ndarray, cone: np.ndarray) -> dict[str, float]:
    """Compare two volumes where ultrasound reaches, and as a whole.

    Args:
        prediction: float [k, j, i] in 0..255, at least 7 voxels along every axis.
        target: the same.
        cone: bool [k, j, i], the voxels that ultrasound reaches; both are set to 0 elsewhere.

    Returns:
        `ssim` (Wang et al. 2004, uniform 7x7x7 window) and `psnr` in dB over the cone; `ssim_all`
        and `psnr_all` over every voxel, where the empty background flatters; `l1` over the cone.
    """
    prediction, target = (
        np.where(cone, image, 0).astype(np.float64) for image in (prediction, target)
    )
    _, ssim = structural_similarity(
        prediction, target, win_size=_SSIM_WINDOW, data_range=_DATA_RANGE, full=True
    )
    squared = (prediction - target) ** 2
    return {
        "ssim": float(ssim[cone].mean()),
        "psnr": _psnr(float(squared[cone].mean())),
        "l1": float(np.abs(prediction - target)[cone].mean()),
        "ssim_all": float(ssim.mean()),
        "psnr_all": _psnr(float(squared.mean())),
    }


def _psnr(mean_squared_error: float) -> float:
    """Return the peak signal-to-noise ratio in dB, at most 100."""
    return float(10 * np.log10(_DATA_RANGE**2 / max(mean_squared_error, 1e-10 * _DATA_RANGE**2)))
