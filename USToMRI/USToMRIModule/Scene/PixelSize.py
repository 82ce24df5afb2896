"""How large the pixels of a single image are, and images that do not say it."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import slicer

from .FileSpacing import inventedSpacings, overlookedSpacing
from .VolumeNodes import ATTRIBUTE_PREFIX, holdsImage, isSlice
from .WorldSpace import worldSpacing

# Marks a volume whose spacing the user gave with this module.
_GIVEN_ATTRIBUTE = ATTRIBUTE_PREFIX + "pixelSizeGiven"


def lacksPixelSize(node: Any) -> bool:
    """Return whether a volume node holds a single image that does not say how large a pixel is.

    Slicer then takes 1 mm, or the resolution of a print. It is so of pictures; of files that state
    no spacing, as long as they are there; and of DICOM, where 1 mm stands for an image without
    calibration: that a scanner's pixel measures 1 mm to the last digit is not believed. Somebody
    who has typed in another spacing is believed, and so is a transform above the volume that
    scales it. What was sent by OpenIGTLink or a script does not tell, and is believed.
    """
    return _isInvented(node) and overlookedSpacing(node) is None


def filePixelSize(node: Any) -> Optional[tuple[float, float]]:
    """Return the size of a pixel (mm) of a single image that its file states, not its node.

    Slicer's readers overlook the calibration of DICOM's ultrasound regions and of TIFF. It counts
    as long as the volume has the spacing that they took instead.
    """
    return overlookedSpacing(node) if _isInvented(node) else None


def spacingOf(node: Any, pixelSize: float = 0.0) -> tuple[float, float, float]:
    """Return how large the voxels of a volume node are for the library, in mm.

    :param pixelSize: width of a pixel in mm, in the plane of a single slice, in the place of the
        file's or the node's own, of which only the shape of the pixels is kept; 0: their own.
    """
    from USToMRILib.image.reading import pixel_aspect

    spacing = worldSpacing(node)
    stated = filePixelSize(node)
    if stated:
        spacing = (*stated, spacing[2])
    if not (pixelSize and isSlice(node)):
        return spacing
    across, down = (1 / distance for distance in spacing[:2])
    return pixelSize, pixelSize * pixel_aspect(across, down), spacing[2]


def writePixelSize(node: Any, pixelSize: float) -> None:
    """Give a volume of a single slice pixels of a width in mm, as seen in the world.

    Their shape is kept: files tell it that do not tell their size. What is to be saved with the
    volume, and to be measured with Slicer's own tools.
    """
    own, world = np.array(node.GetSpacing()), np.array(worldSpacing(node))
    spacing = own * np.array(spacingOf(node, pixelSize)) / world
    with slicer.util.NodeModify(node):
        node.SetSpacing(*spacing)
        node.SetAttribute(_GIVEN_ATTRIBUTE, "true")


def _isInvented(node: Any) -> bool:
    """Return whether a node holds a single image with a spacing that a reader has taken for it."""
    if not holdsImage(node) or not isSlice(node) or node.GetAttribute(_GIVEN_ATTRIBUTE):
        return False
    spacing = worldSpacing(node)[:2]
    return any(np.allclose(spacing, invented, rtol=1e-3) for invented in inventedSpacings(node))
