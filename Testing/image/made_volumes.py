"""Volumes whose voxels all differ from their neighbours, and where they lie."""

from __future__ import annotations

import numpy as np

from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume

OBLIQUE = Grid(
    (7, 5, 4), (0.3, 0.7, 1.9), (-12.5, 1 / 3, 800.1), (0, 0.6, 0.8, 0, -0.8, 0.6, 1, 0, 0)
)
PICTURES = ("png", "jpg", "tif", "bmp")


def numbered(grid: Grid = OBLIQUE, dtype: type = np.uint8) -> Volume:
    """A volume on a grid; its voxels count in steps of 13, modulo 250."""
    count = int(np.prod(grid.size))
    return Volume((np.arange(count) * 13 % 250).astype(dtype).reshape(grid.shape), grid)
