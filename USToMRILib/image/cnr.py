"""Contrast-to-noise ratio of two regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

LEAST_VOXELS = 10


@dataclass(frozen=True)
class RegionStatistics:
    """Mean, standard deviation and number of the voxels of a region.

    The standard deviation is the population's (divisor n), as numpy's.
    """

    mean: float
    standard_deviation: float
    voxels: int


@dataclass(frozen=True)
class Cnr:
    """The contrast-to-noise ratio of a region against a background.

    Attributes:
        cnr: |mean_ROI - mean_bg| / sqrt(var_ROI + var_bg), the ratio of the DDIC paper.
    """

    roi: RegionStatistics
    background: RegionStatistics
    cnr: float


def contrast_to_noise(image: np.ndarray, roi: np.ndarray, background: np.ndarray) -> Cnr:
    """Measure the contrast-to-noise ratio of two regions.

    Args:
        image: intensities [k, j, i], real numbers in any units; or the part of an image that
            holds both regions.
        roi: the region of interest, boolean [k, j, i], of the image's shape.
        background: what it is compared with, likewise.

    Raises:
        InputError: if a region has fewer than 10 voxels in the image, if the two overlap, if
            intensities are NaN or infinite, or if both are uniform.
    """
    for name, region in (("region of interest", roi), ("background", background)):
        count = int(region.sum())
        if count == 0:
            raise InputError(f"The {name} holds no voxel of the image; move it onto the image.")
        if count < LEAST_VOXELS:
            raise InputError(
                f"The {name} holds {count} voxels; enlarge it to at least {LEAST_VOXELS}."
            )
    shared = int((roi & background).sum())
    if shared:
        raise InputError(
            f"The region of interest and the background share {shared} voxels; move them apart."
        )
    inside, outside = (_statistics(image[region]) for region in (roi, background))
    if not np.isfinite([inside.mean, outside.mean]).all():
        raise InputError("A region holds NaN or infinite values; move it to where the image is.")
    noise = float(np.hypot(inside.standard_deviation, outside.standard_deviation))
    if noise == 0:
        raise InputError(
            "Both regions are uniform, so that there is no noise to measure contrast against; "
            "choose regions that show tissue."
        )
    return Cnr(inside, outside, abs(inside.mean - outside.mean) / noise)


def _statistics(values: np.ndarray) -> RegionStatistics:
    values = values.astype(np.float64)
    return RegionStatistics(float(values.mean()), float(values.std()), values.size)
