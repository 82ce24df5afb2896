"""Volumes with voxels of the size that a generator knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..image.grid import Grid
from ..image.volume import Volume

# Voxels within this part of the wanted size stay as they are.
_TOLERANCE = 0.25


def grid_of_spacing(grid: Grid, spacing: Sequence[float]) -> Grid:
    """Return the grid over the same extent with voxels of about `spacing` mm along (i, j, k).

    An axis whose voxels are within a quarter of it, or that has one voxel, is left as it is.
    """
    size, new_spacing, shift = [], [], []
    for n, old, wanted in zip(grid.size, grid.spacing, spacing):
        keep = n == 1 or abs(old / wanted - 1) <= _TOLERANCE
        number = n if keep else max(1, round(n * old / wanted))
        size.append(number)
        new_spacing.append(old * n / number)
        shift.append((n / number - 1) / 2)
    if tuple(size) == grid.size:
        return grid
    return Grid.of(size, new_spacing, grid.index_to_physical(np.array(shift)), grid.axes)


def smoothing_variances(old: Sequence[float], new: Sequence[float]) -> list[float]:
    """Of the Gaussian, in mm2, before voxels of some edges become coarser ones: none for finer.

    Its sigma is half the new edge, less half the old one.
    """
    return [max((to / 2) ** 2 - (mm / 2) ** 2, 0.0) for mm, to in zip(old, new)]


def resampled(volume: Volume, grid: Grid, smooth: bool) -> Volume:
    """Interpolate linearly on a grid of the same extent, after smoothing for coarser voxels."""
    import SimpleITK as sitk

    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    if smooth:
        variances = smoothing_variances(volume.grid.spacing, grid.spacing)
        image = sitk.DiscreteGaussian(image, variances)
    return Volume(grid.resample(image), grid)
