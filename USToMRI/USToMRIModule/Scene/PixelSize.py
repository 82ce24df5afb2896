"""How large the pixels of a single image are, and images that do not say it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer

from .VolumeNodes import ATTRIBUTE_PREFIX, holdsImage, isSlice
from .WorldSpace import worldSpacing

# Formats of pictures. Some state a resolution: that of a print (96 dpi), not of the ultrasound.
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")

# What Slicer takes where a file says nothing, in mm.
_UNSTATED = (1.0, 1.0)

# Marks a volume whose spacing the user gave with this module.
_GIVEN_ATTRIBUTE = ATTRIBUTE_PREFIX + "pixelSizeGiven"

_MM_PER_INCH = 25.4


def lacksPixelSize(node: Any) -> bool:
    """Return whether a volume node comes from a picture that does not say how large a pixel is.

    Slicer then takes 1 mm, or the resolution of a print. Somebody who has typed in another
    spacing is believed, and so is a transform above the volume that scales it.
    """
    storage = node.GetStorageNode()
    path = (storage.GetFileName() or "") if storage else ""
    if not path.lower().endswith(_PICTURE_SUFFIXES) or not holdsImage(node) or not isSlice(node):
        return False
    if node.GetAttribute(_GIVEN_ATTRIBUTE):
        return False
    spacing = worldSpacing(node)[:2]
    return any(np.allclose(spacing, invented, rtol=1e-3) for invented in _inventedFor(path))


def writePixelSize(node: Any, pixelSize: float) -> None:
    """Give a volume of a single slice square pixels of a size in mm, as seen in the world.

    What is to be saved with the volume, and to be measured with Slicer's own tools.
    """
    own, world = np.array(node.GetSpacing()), np.array(worldSpacing(node))
    spacing = own * np.array([pixelSize, pixelSize, world[2]]) / world
    with slicer.util.NodeModify(node):
        node.SetSpacing(*spacing)
        node.SetAttribute(_GIVEN_ATTRIBUTE, "true")


def _inventedFor(path: str) -> list[tuple[float, float]]:
    """Return the spacings (mm) that a reader may have taken for a picture."""
    file = Path(path)
    changed = file.stat().st_mtime_ns if file.is_file() else 0
    printed = _printed(path, changed)
    return [_UNSTATED, printed] if printed else [_UNSTATED]


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
