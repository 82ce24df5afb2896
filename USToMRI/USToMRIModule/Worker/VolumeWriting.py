"""Writing image files piece by piece, so that Slicer's event loop never waits for a large one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .Coroutine import Coroutine

if TYPE_CHECKING:
    from USToMRILib import Volume

# Written at once: some milliseconds.
_VOXELS = 2**20


def writeVolume(path: Path, volume: Volume) -> Coroutine:
    """Write an uncompressed MetaImage, which keeps the geometry to the last bit.

    :param path: of the header, ``NAME.mhd``; the voxels lie beside it, in ``NAME.raw``.
    :raises OSError: the disk is full.
    """
    _writeHeader(path, volume)
    k, j, i = volume.array.shape
    slices = max(1, _VOXELS // (i * j))
    with open(path.with_suffix(".raw"), "wb") as stream:
        for start in range(0, k, slices):
            yield
            stream.write(np.ascontiguousarray(volume.array[start : start + slices]).data)


def _writeHeader(path: Path, volume: Volume) -> None:
    """Have ITK write the header of a single voxel, and put the real size into it."""
    import SimpleITK as sitk

    grid = volume.grid
    image = sitk.GetImageFromArray(np.zeros((1, 1, 1), volume.array.dtype))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    sitk.WriteImage(image, str(path))
    size = " ".join(map(str, grid.size))
    path.write_text(path.read_text().replace("DimSize = 1 1 1", f"DimSize = {size}"))
