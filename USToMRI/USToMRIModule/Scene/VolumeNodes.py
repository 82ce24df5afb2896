"""Volume nodes as the library's volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from USToMRILib import Volume

ATTRIBUTE_PREFIX = "USToMRI."

# What networks made has this attribute: a pseudo-MRI, a map of one (residual, uncertainty), or an
# image that shows a pseudo-MRI in part.
SYNTHETIC_ATTRIBUTE = ATTRIBUTE_PREFIX + "synthetic"
PSEUDO_MRI, MAP, IN_PART = "true", "map", "in part"

# That Slicer's DICOM module gives to a volume: the UIDs of its instances, parted by spaces.
DICOM_ATTRIBUTE = "DICOM.instanceUIDs"

# How far axes may be from orthonormal: the tolerance of USToMRILib.image.grid.
_ORTHONORMAL_TOLERANCE = 1e-3


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
    axes = axesOf(node)
    if np.abs(axes.T @ axes - np.eye(3)).max() > _ORTHONORMAL_TOLERANCE:
        return str(_("The axes of the ultrasound are sheared; resample it onto a regular grid."))
    return ""


def isSlice(node: Any) -> bool:
    """Return whether a volume node that holds an image is a single slice."""
    return bool(node.GetImageData().GetDimensions()[2] == 1)


def axesOf(node: Any) -> np.ndarray:
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
