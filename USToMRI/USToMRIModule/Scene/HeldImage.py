"""Images of volume nodes as the library's volumes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from .PixelSize import spacingOf
from .VolumeNodes import axesOf, greyOf, reasonNotAnInput

if TYPE_CHECKING:
    from USToMRILib import Volume
    from USToMRILib.image.grid import Grid

# MRML stores positions in RAS, the library in LPS.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


class HeldImage(NamedTuple):
    """The image that a volume node holds now, whatever becomes of the node.

    The voxels are the node's own, not copied: what is painted into them later is seen.
    """

    image: Any
    grid: Grid

    @classmethod
    def of(cls, node: Any, pixelSize: float = 0.0) -> HeldImage:
        """Take hold of a node's image.

        The parent transform is part of it only where it scales: the voxels are as large as in the
        world. Else it is kept by placing the output under the same one.

        :param node: ``vtkMRMLScalarVolumeNode``, or ``vtkMRMLVectorVolumeNode`` for colour.
        :param pixelSize: width of a pixel in mm, in the plane of a single slice, in the place of
            the node's own, of which only the shape of the pixels is kept; 0: its own.
        :raises InputError: the node has no image, no grey or colour image, or sheared axes.
        """
        from USToMRILib import InputError

        if node is None:
            raise InputError(_("Choose the ultrasound volume to translate."))
        reason = reasonNotAnInput(node)
        if reason:
            raise InputError(reason)
        grid = gridFromNode(node)
        grid = dataclasses.replace(grid, spacing=spacingOf(node, pixelSize))
        held = vtk.vtkImageData()
        held.ShallowCopy(node.GetImageData())
        return cls(held, grid)

    def volume(self) -> Volume:
        """Return the image as a volume; colour is turned to grey."""
        from USToMRILib import Volume

        voxels = vtk_to_numpy(self.image.GetPointData().GetScalars())
        components = self.image.GetNumberOfScalarComponents()
        shape = (*self.grid.shape, components) if components > 1 else self.grid.shape
        return Volume(greyOf(voxels.reshape(shape)), self.grid)


def volumeFromNode(node: Any, pixelSize: float = 0.0) -> Volume:
    """Return a volume with a copy of a node's voxels, on the node's own grid.

    For parameters and errors see :meth:`HeldImage.of`.
    """
    volume = HeldImage.of(node, pixelSize).volume()
    return volume.with_array(volume.array.copy())


def gridFromNode(node: Any) -> Grid:
    """Return where the voxels of a volume node lie (LPS, mm), its parent transform left out.

    :raises InputError: the axes are not orthonormal.
    """
    from USToMRILib.image.grid import Grid

    directions = _RAS_TO_LPS @ axesOf(node)
    origin = _RAS_TO_LPS @ np.array(node.GetOrigin())
    size = node.GetImageData().GetDimensions()
    return Grid(size, node.GetSpacing(), tuple(origin), tuple(directions.ravel()))
