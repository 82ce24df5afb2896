"""A head of nested half spheres, and how it is scanned."""

from __future__ import annotations

import numpy as np

from training.simulation.adult_anatomy import (
    Head,
    MriPriors,
    find_tissue,
)
from training.simulation.adult_domain import Domain
from training.simulation.ultrasound import (
    Scan,
    ScanRanges,
    TissueMaps,
)

SHAPE = (32, 64, 64)


SCAN = Scan(
    face=(15.5, 2.0, 31.5),
    depth_mm=55.0,
    radius_mm=20.0,
    half_angle_deg=28.0,
    half_sweep_deg=12.0,
    frequency_mhz=5.0,
    axial_fwhm_mm=1.0,
    lateral_fwhm_mm=1.5,
    lateral_spread=0.0,
    elevation_factor=1.5,
    focus_mm=30.0,
    specular_db=45.0,
    specular_exponent=4.0,
    gain_error=0.0,
    noise_db=-200.0,
    white_db=30.0,
    dynamic_range_db=80.0,
    looks=1,
)


def uniform(attenuation: float = 0.5, shape: tuple[int, int, int] = SHAPE) -> TissueMaps:
    """White matter everywhere."""
    ones = np.ones(shape, np.float32)
    return TissueMaps(ones, 0.48 * ones, attenuation * ones)


def phantom(radius: float = 36.0, size: int = 97) -> Head:
    """Half spheres of white matter in cortex, CSF and bone, with a ventricle in the middle."""
    k, j, i = (axis - (size - 1) / 2 for axis in np.ogrid[:size, :size, :size])
    r = np.sqrt(k**2 + j**2 + i**2)
    labels = np.zeros((size,) * 3, np.uint16)
    fissure = np.broadcast_to(np.abs(i) < 1.5, labels.shape)
    left = np.broadcast_to(i < 0, labels.shape)
    for limit, left_label, right_label in (
        (radius + 8, 515, 515),
        (radius + 3, 24, 24),
        (radius, 3, 42),
        (radius - 4, 2, 41),
        (radius / 3, 4, 43),
    ):
        labels[(r < limit) & left] = left_label
        labels[(r < limit) & ~left] = right_label
    labels[fissure & np.isin(labels, (3, 42))] = 24
    return Head(labels, find_tissue(labels))


def priors() -> MriPriors:
    """Means of 5, 40 (CSF), 160 (white matter), 100 (grey matter), 90 for the rest."""
    means = np.full((2, 25), 90.0)
    means[0, :4] = 5, 40, 160, 100
    means[1] = 5
    return MriPriors(means, np.full((2, 25), 8.0))


SMALL = Domain(
    "small",
    (ScanRanges(depth_mm=(55.0, 60.0), half_angle_deg=(30.0, 35.0), half_sweep_deg=(15.0, 20.0)),),
)
