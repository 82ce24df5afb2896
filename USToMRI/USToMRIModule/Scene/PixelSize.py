"""How large the pixels of a single image are, and images that do not say it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer

from .Sequences import sequenceOf
from .VolumeNodes import ATTRIBUTE_PREFIX, DICOM_ATTRIBUTE, holdsImage, isSlice, spacingOf
from .WorldSpace import worldSpacing

# Formats of pictures. Some state a resolution: that of a print (96 dpi), not of the ultrasound.
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")

# What Slicer takes where a file says nothing, in mm.
_UNSTATED = (1.0, 1.0)

# DICOM files that Slicer reads without its DICOM module.
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

# Marks a volume whose spacing the user gave with this module.
_GIVEN_ATTRIBUTE = ATTRIBUTE_PREFIX + "pixelSizeGiven"

_MM_PER_INCH = 25.4


def lacksPixelSize(node: Any) -> bool:
    """Return whether a volume node holds a single image that does not say how large a pixel is.

    Slicer then takes 1 mm, or the resolution of a print. It is so of pictures; of files that state
    no spacing, as long as they are there; and of DICOM, where 1 mm stands for an image without
    calibration: that a scanner's pixel measures 1 mm to the last digit is not believed. Somebody
    who has typed in another spacing is believed, and so is a transform above the volume that
    scales it. What was sent by OpenIGTLink or a script does not tell, and is believed.
    """
    if not holdsImage(node) or not isSlice(node) or node.GetAttribute(_GIVEN_ATTRIBUTE):
        return False
    spacing = worldSpacing(node)[:2]
    return any(np.allclose(spacing, invented, rtol=1e-3) for invented in _inventedFor(node))


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


def _inventedFor(node: Any) -> list[tuple[float, float]]:
    """Return the spacings (mm) that a reader may have taken for an image."""
    path = _fileOf(node)
    file = Path(path)
    changed = file.stat().st_mtime_ns if file.is_file() else 0
    if path.lower().endswith(_PICTURE_SUFFIXES):
        printed = _printed(path, changed)
        return [_UNSTATED, printed] if printed else [_UNSTATED]
    isUnstated = _isFromDicom(node) or (changed and _lacksStatement(path, changed))
    return [_UNSTATED] if isUnstated else []


def _fileOf(node: Any) -> str:
    """Return the file that a volume, or the sequence that it shows, was read from; or nothing."""
    sequence = sequenceOf(node)
    storages = [each.GetStorageNode() for each in (node, *([sequence.node] if sequence else []))]
    names = [storage.GetFullNameFromFileName() or "" for storage in storages if storage]
    return next(filter(None, names), "")


def _isFromDicom(node: Any) -> bool:
    """Return whether a volume was read from DICOM files: by the DICOM module, or one by itself."""
    isFile = _fileOf(node).lower().endswith(_DICOM_SUFFIXES)
    return isFile or bool(node.GetAttribute(DICOM_ATTRIBUTE))


def _lacksStatement(path: str, changed: int) -> bool:
    """Return whether a file is known not to say how large its pixels are."""
    from USToMRILib import InputError

    try:
        return not _statesPixelSize(path, changed)
    except InputError:  # for example, as long as a package is not installed
        return False


@functools.lru_cache(maxsize=64)
def _statesPixelSize(path: str, changed: int) -> bool:
    from USToMRILib.image.formats import states_pixel_size

    return states_pixel_size(Path(path))


@functools.lru_cache(maxsize=64)
def _printed(path: str, changed: int) -> Optional[tuple[float, float]]:
    """Return the spacing (mm) of a picture at its printing resolution, where it states one."""
    if not changed:
        return None
    from PIL import Image

    try:
        with Image.open(path) as picture:
            dots = picture.info.get("dpi")
    except (OSError, ValueError, SyntaxError):
        return None
    if not dots or min(dots) <= 0:
        return None
    return _MM_PER_INCH / float(dots[0]), _MM_PER_INCH / float(dots[1])
