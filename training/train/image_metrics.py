"""How close a pseudo-MRI is to the MRI it stands for."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.measure import block_reduce

from USToMRILib.evaluation.distribution import offline_extractor
from USToMRILib.evaluation.fidelity import mean_absolute_error, psnr, ssim_map

# Of the slices; neighbours look alike.
_EVERY = 4
# Of Xue et al. 2014, for grey levels of 0..255.
_GRADIENT_CONSTANT = 170.0


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


def perceptual_distances(
    prediction: np.ndarray, target: np.ndarray, cone: np.ndarray
) -> dict[str, float]:
    """Compare two volumes slice by slice in what the eye sees, without a trained network.

    Args:
        prediction: float [k, j, i] in 0..255.
        target: the same.
        cone: bool [k, j, i], the voxels that ultrasound reaches; both are set to 0 elsewhere.

    Returns:
        Means over every fourth slice that the cone fills at least half as well as the fullest:
        `texture_feature_distance`, Euclidean, of the features of :func:`offline_extractor`, of the
        slice cut to the cone's box; `gradient_magnitude_similarity_deviation` inside the cone (Xue
        et al. 2014, doi:10.1109/TIP.2013.2293423). Both 0 for equal images. Neither is LPIPS.
    """
    filled = cone.sum(axis=(1, 2))
    chosen = np.flatnonzero(filled >= max(1, filled.max() / 2))[::_EVERY]
    features = offline_extractor().features
    textures, deviations = [], []
    for k in chosen:
        rows, columns = (np.flatnonzero(cone[k].any(axis)) for axis in (1, 0))
        box = (k, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        inside = cone[box]
        images = [
            np.where(inside, image[box], 0).astype(np.float64) for image in (prediction, target)
        ]
        textures.append(np.linalg.norm(np.subtract(*features(np.stack(images)))))
        deviations.append(_gradient_deviation(images[0], images[1], inside))
    return {
        "texture_feature_distance": float(np.mean(textures)),
        "gradient_magnitude_similarity_deviation": float(np.mean(deviations)),
    }


def _gradient_deviation(image: np.ndarray, other: np.ndarray, inside: np.ndarray) -> float:
    """Return the standard deviation of the gradient magnitudes' similarity, of slices [j, i]."""
    # Libraries have it for whole images: the empty background would count as alike.
    halves = [block_reduce(plane, 2, np.mean) for plane in (image, other)]
    first, second = (
        np.hypot(*(ndimage.prewitt(half, axis) / 3 for axis in (0, 1))) for half in halves
    )
    alike = (2 * first * second + _GRADIENT_CONSTANT) / (first**2 + second**2 + _GRADIENT_CONSTANT)
    return float(alike[block_reduce(inside, 2, np.min)].std())
