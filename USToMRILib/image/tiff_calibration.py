"""Lengths that scientific software writes into TIFF files, which those of printing are not."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Optional
from xml.etree import ElementTree

from .units import millimetres

# What both programs write at the beginning of the picture's description.
_IMAGEJ, _OME = "ImageJ=", "OME>"

# Numbers of TIFF's tags, as Pillow has them.
_DESCRIPTION, _RESOLUTION = 270, (282, 283)

# The unit of OME's sizes where none is written.
_OME_UNIT = "µm"

# Dots per inch of prints and screens. ImageJ takes those of a file for a calibration, in the file's
# own unit, and writes it on: inches, or centimetres.
_PRINTED = (72, 96, 150, 200, 300, 600, 1200)
_PRINTED_TOLERANCE = 0.005
_INCH, _CENTIMETRE = 25.4, 10.0

# mm; what is beyond is no ultrasound's, and not believed.
_LEAST, _MOST = 0.001, 100.0


def calibration(
    description: str, resolution: Optional[tuple[float, float]]
) -> Optional[tuple[float, float]]:
    """Return the width and height of a pixel in mm as it is stored; None where none is stated.

    That of ImageJ or OME counts where its unit is a length; 1 by 1 in any unit states nothing.

    Args:
        description: of the first picture in the file.
        resolution: pixels in a unit along both axes; None where it is not written.
    """
    stated = None
    if description.startswith(_IMAGEJ):
        stated = _imagej(description, resolution)
    elif description.rstrip().endswith(_OME):
        stated = _ome(description)
    if stated is None or not all(_LEAST <= size <= _MOST for size in stated):
        return None
    return stated


def read_calibration(path: Path) -> Optional[tuple[float, float]]:
    """Return the calibration of a file without tifffile; None too where Pillow cannot tell."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damage, which is an error or does not matter
            with Image.open(path) as picture:
                tags = picture.tag_v2
    except (OSError, ValueError, SyntaxError, AttributeError):
        return None
    # Pillow takes text for Latin-1, OME writes UTF-8.
    stored = str(tags.get(_DESCRIPTION, "")).encode("latin-1", "replace")
    across, down = (float(tags.get(tag) or 0) for tag in _RESOLUTION)
    resolution = (across, down) if across and down else None
    return calibration(stored.decode("utf-8", "replace"), resolution)


def _imagej(
    description: str, resolution: Optional[tuple[float, float]]
) -> Optional[tuple[float, float]]:
    unit = re.search(r"^unit=(.*\S)\s*$", description, re.MULTILINE)
    if not unit or not resolution:
        return None
    lengths = [1 / number for number in resolution]
    one = millimetres(unit.group(1))
    if one == _INCH or (one == _CENTIMETRE and _is_printed(lengths[0])):
        return None
    return _sizes(lengths, [one, one])


def _is_printed(centimetres: float) -> bool:
    dots = _INCH / _CENTIMETRE / centimetres
    return any(math.isclose(dots, each, rel_tol=_PRINTED_TOLERANCE) for each in _PRINTED)


def _ome(description: str) -> Optional[tuple[float, float]]:
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return None
    try:
        lengths = [float(pixels.get(f"PhysicalSize{axis}", "nan")) for axis in "XY"]
    except ValueError:
        return None
    units = [pixels.get(f"PhysicalSize{axis}Unit") or _OME_UNIT for axis in "XY"]
    return _sizes(lengths, [millimetres(unit) for unit in units])


def _sizes(lengths: list[float], units: list[float]) -> Optional[tuple[float, float]]:
    if lengths == [1.0, 1.0]:
        return None
    return lengths[0] * units[0], lengths[1] * units[1]
