"""Writing image files piece by piece, so that Slicer's event loop never waits for a large one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
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
    _writeHeader(path, volume, volume.grid.size, volume.grid.spacing)
    k, j, i = volume.array.shape
    slices = max(1, _VOXELS // (i * j))
    with open(path.with_suffix(".raw"), "wb") as stream:
        for start in range(0, k, slices):
            yield
            stream.write(np.ascontiguousarray(volume.array[start : start + slices]).data)


def writeFrames(path: Path, volumes: Iterable[Volume], seconds: Sequence[float]) -> Coroutine:
    """Write flat volumes on one grid, of one type, as a sequence, likewise.

    :param seconds: when each was taken; empty where that is not known.
    """
    count = 0
    with open(path.with_suffix(".voxels"), "wb") as stream:
        for volume in volumes:
            yield
            stream.write(np.ascontiguousarray(volume.array).data)
            count += 1
    # ITK writes the voxel of its header, too. The third spacing means nothing; but 1 mm all around
    # is what PLUS writes where it does not know.
    spacing = (*volume.grid.spacing[:2], 2.0)
    _writeHeader(path, volume, (*volume.grid.size[:2], count), spacing)
    os.replace(path.with_suffix(".voxels"), path.with_suffix(".raw"))
    times = [f"Seq_Frame{n:04d}_Timestamp = {time!r}" for n, time in enumerate(seconds)]
    *header, data = path.read_text().splitlines()
    path.write_text("\n".join([*header, "Kinds = domain domain list", *times, data, ""]))


def _writeHeader(
    path: Path,
    volume: Volume,
    size: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> None:
    """Have ITK write the header of a single voxel, and put the real size into it."""
    import SimpleITK as sitk

    grid = volume.grid
    image = sitk.GetImageFromArray(np.zeros((1, 1, 1), volume.array.dtype))
    image.SetSpacing(spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    sitk.WriteImage(image, str(path))
    words = " ".join(map(str, size))
    path.write_text(path.read_text().replace("DimSize = 1 1 1", f"DimSize = {words}"))
