"""Volumes of larger voxels, made without a copy of all the small ones."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .grid import Grid
from .volume import Volume

# Voxels that are copied at a time, about.
_AT_ONCE = 2**24


def no_finer(volume: Volume, mm: float) -> Volume:
    """A volume whose voxels are means of as many of another one's as make no more than ``mm``.

    What makes no whole voxel at the far faces is left out.

    Args:
        volume: returned as it is where no two of its voxels along an axis make one.
        mm: the longest edge of a voxel that is made of several.
    """
    # With a little on top, for spacings with few digits.
    steps = [
        max(1, min(int(mm / each * 1.001), n))
        for each, n in zip(volume.grid.spacing, volume.grid.size)
    ]
    if max(steps) == 1:
        return volume
    thick = steps[2] * max(1, _AT_ONCE // (steps[2] * volume.array[0].size))
    ends = range(0, volume.grid.size[2] - steps[2] + 1, thick)
    slabs = [_shrunk(volume.array[first : first + thick], steps) for first in ends]
    array = np.concatenate(slabs)
    spacing = np.array(volume.grid.spacing) * steps
    origin = volume.grid.index_to_physical((np.array(steps) - 1) / 2)
    return Volume(array, Grid.of(array.shape[::-1], spacing, origin, volume.grid.axes))


def _shrunk(array: np.ndarray, steps: list[int]) -> np.ndarray:
    """Means of blocks of an array [k, j, i]; steps along i, j and k."""
    image = Volume(array, Grid(array.shape[::-1])).to_sitk()
    return sitk.GetArrayFromImage(sitk.BinShrink(image, steps))
