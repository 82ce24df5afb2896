"""Volume nodes as the library's volumes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from .WorldSpace import worldSpacing

if TYPE_CHECKING:
    from USToMRILib import Volume
    from USToMRILib.image.grid import Grid

ATTRIBUTE_PREFIX = "USToMRI."

# What networks made has this attribute: a pseudo-MRI, a map of one (residual, uncertainty), or an
# image that shows a pseudo-MRI in part.
SYNTHETIC_ATTRIBUTE = ATTRIBUTE_PREFIX + "synthetic"
PSEUDO_MRI, MAP, IN_PART = "true", "map", "in part"

# That Slicer's DICOM module gives to a volume: the UIDs of its instances, parted by spaces.
DICOM_ATTRIBUTE = "DICOM.instanceUIDs"

# How far axes may be from orthonormal: the tolerance of USToMRILib.image.grid.
_ORTHONORMAL_TOLERANCE = 1e-3

# MRML stores positions in RAS, the library in LPS.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


class Result(NamedTuple):
    """What a translation gives, on the input's grid.

    maps - what else was asked for, by its name in ``USToMRILib.result.MAPS``
    image - the ``vtkImageData`` whose voxels are those of the volume, where there is one
    samples - that the method drew; the volume is their mean
    """

    volume: Volume
    provenance: dict[str, Any]
    maps: dict[str, Volume] = {}  # noqa: RUF012 - never changed
    image: Any = None
    samples: tuple[Volume, ...] = ()


def isSynthetic(node: Any) -> bool:
    """Return whether a volume was made by this module: a pseudo-MRI or what goes with one."""
    return node.GetAttribute(SYNTHETIC_ATTRIBUTE) is not None


def reasonSynthetic(node: Any) -> str:
    """Return why a volume is no ultrasound, in words, if it is synthetic; empty where it is not."""
    if not isSynthetic(node):
        return ""
    text = _(
        "{name} is itself synthetic, a pseudo-MRI or a map of one, not ultrasound; choose the "
        "ultrasound, or insist in the Python console with allowSynthetic=True."
    )
    return str(text.format(name=node.GetName()))


def isPseudoMri(node: Any) -> bool:
    """Return whether a volume is a pseudo-MRI."""
    return bool(node.GetAttribute(SYNTHETIC_ATTRIBUTE) == PSEUDO_MRI)


def newestUltrasound() -> Optional[Any]:
    """Return the scene's last volume that may be an ultrasound.

    That is no label map, nothing synthetic, and nothing that DICOM calls MR or CT.
    """
    for node in reversed(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")):
        isImage = holdsImage(node) and not node.IsA("vtkMRMLLabelMapVolumeNode")
        isOffered = not isSynthetic(node) and not node.GetHideFromEditors()
        if isImage and isOffered and _modalityOf(node) in ("", "US"):
            return node
    return None


def _modalityOf(node: Any) -> str:
    """Return the modality that Slicer's DICOM module has noted; nothing of other volumes."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return str(hierarchy.GetItemAttribute(item, name)) if item else ""


def holdsImage(node: Any) -> bool:
    """Return whether a volume node has voxels."""
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        return False
    return image.GetPointData().GetScalars() is not None


def reasonNotAnInput(node: Any) -> str:
    """Return why a volume node cannot be translated, in words; empty where it can."""
    if not holdsImage(node):
        return str(_("The ultrasound volume holds no image; choose one that does."))
    reason = _reasonNotGrey(node.GetImageData().GetNumberOfScalarComponents())
    if reason:
        return reason
    axes = _axes(node)
    if np.abs(axes.T @ axes - np.eye(3)).max() > _ORTHONORMAL_TOLERANCE:
        return str(_("The axes of the ultrasound are sheared; resample it onto a regular grid."))
    return ""


def isSlice(node: Any) -> bool:
    """Return whether a volume node that holds an image is a single slice."""
    return bool(node.GetImageData().GetDimensions()[2] == 1)


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

    directions = _RAS_TO_LPS @ _axes(node)
    origin = _RAS_TO_LPS @ np.array(node.GetOrigin())
    size = node.GetImageData().GetDimensions()
    return Grid(size, node.GetSpacing(), tuple(origin), tuple(directions.ravel()))


def spacingOf(node: Any, pixelSize: float = 0.0) -> tuple[float, float, float]:
    """Return how large the voxels of a volume node are for the library, in mm.

    :param pixelSize: see :meth:`HeldImage.of`.
    """
    from USToMRILib.image.reading import pixel_aspect

    spacing = worldSpacing(node)
    if not (pixelSize and isSlice(node)):
        return spacing
    across, down = (1 / distance for distance in spacing[:2])
    return pixelSize, pixelSize * pixel_aspect(across, down), spacing[2]


def _axes(node: Any) -> np.ndarray:
    """Return the axes of a volume node's voxels as columns (RAS), [3, 3]."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix)[:3, :3])


def greyOf(array: np.ndarray) -> np.ndarray:
    """Return the grey values [k, j, i] of a volume's array, [k, j, i] or [k, j, i, components]."""
    from USToMRILib import InputError
    from USToMRILib.image.reading import luma

    if array.ndim == 3:
        return array
    reason = _reasonNotGrey(array.shape[-1])
    if reason:
        raise InputError(reason)
    return luma(array)


def _reasonNotGrey(components: int) -> str:
    if components in (1, 3, 4):
        return ""
    text = _("The volume has {n} values a voxel; choose a grey or colour image.")
    return str(text.format(n=components))
