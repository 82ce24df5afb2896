"""Reading image files piece by piece, so that Slicer's event loop never waits for a large one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .Coroutine import Coroutine

if TYPE_CHECKING:
    from USToMRILib import Volume

# Read at once: some milliseconds.
_VOXELS = 2**20


class ReadVolume(NamedTuple):
    """A volume whose voxels lie in the memory that a node will show.

    image - the ``vtkImageData`` whose voxels these are
    """

    volume: Volume
    image: Any


def readVolume(path: Path) -> Coroutine:
    """Read a MetaImage; return a :class:`ReadVolume`, of bytes or else of float32.

    :raises USToMRILib.InputError: it is no image.
    :raises RuntimeError: the file is damaged.
    """
    import SimpleITK as sitk

    from USToMRILib import Grid, Volume
    from USToMRILib.image.itk_files import open_header

    reader = open_header(path)
    grid = Grid.from_sitk(reader)
    image = vtk.vtkImageData()
    image.SetDimensions(*grid.size)
    isBytes = reader.GetPixelID() == sitk.sitkUInt8
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR if isBytes else vtk.VTK_FLOAT, 1)
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(grid.shape)
    i, j, k = grid.size
    slices = max(1, _VOXELS // (i * j))
    for start in range(0, k, slices):
        yield
        end = min(start + slices, k)
        reader.SetExtractIndex([0, 0, start])
        reader.SetExtractSize([i, j, end - start])
        piece = reader.Execute()  # the view below does not keep it alive
        array[start:end] = sitk.GetArrayViewFromImage(piece)
    return ReadVolume(Volume(array, grid), image)
