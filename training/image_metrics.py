"""How close a pseudo-MRI is to the MRI it stands for."""

from __future__ import annotations

import numpy as np

from USToMRILib.evaluation.fidelity import mean_absolute_error, psnr, ssim_map


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
    ssim = ssim_map(target, prediction)
    inside = target[cone], prediction[cone]
    return {
        "ssim": float(ssim[cone].mean()),
        "psnr": psnr(*inside),
        "l1": mean_absolute_error(*inside),
        "ssim_all": float(ssim.mean()),
        "psnr_all": psnr(target, prediction),
    }
