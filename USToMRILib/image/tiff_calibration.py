"""Lengths that scientific software writes into TIFF files, which those of printing are not."""

from __future__ import annotations

import math
from typing import Any, Optional
from xml.etree import ElementTree

import numpy as np

from .units import millimetres

# The unit of OME's sizes where none is written.
_OME_UNIT = "µm"

# Dots per inch of prints and screens. ImageJ takes those of a file for a calibration, in the file's
# own unit, and writes it on: inches, or centimetres.
_PRINTED = (72, 96, 150, 200, 300, 600, 1200)
_PRINTED_TOLERANCE = 0.005
_INCH, _CENTIMETRE = 25.4, 10.0

# mm; what is beyond is no ultrasound's, and not believed.
_LEAST, _MOST = 0.001, 100.0


def calibration(tiff: Any, page: Any) -> Optional[tuple[float, float]]:
    """Return the width and height of a pixel in mm as it is stored; None where none is stated.

    That of ImageJ or OME counts where its unit is a length; 1 by 1 in any unit states nothing.

    Args:
        tiff: file that is open in tifffile.
        page: of it, whose resolution tags are ImageJ's.
    """
    stated = _imagej(tiff, page) if tiff.is_imagej else _ome(tiff) if tiff.is_ome else None
    if stated is None or not all(_LEAST <= size <= _MOST for size in stated):
        return None
    return stated


def _imagej(tiff: Any, page: Any) -> Optional[tuple[float, float]]:
    unit = str((tiff.imagej_metadata or {}).get("unit", "")).strip()
    tags = [page.tags.get(f"{axis}Resolution") for axis in "XY"]
    if not unit or any(
        tag is None or np.size(tag.value) != 2 or not all(tag.value) for tag in tags
    ):
        return None
    lengths = [tag.value[1] / tag.value[0] for tag in tags]
    one = millimetres(unit)
    if one == _INCH or (one == _CENTIMETRE and _is_printed(lengths[0])):
        return None
    return _sizes(lengths, [one, one])


def _is_printed(centimetres: float) -> bool:
    dots = _INCH / _CENTIMETRE / centimetres
    return any(math.isclose(dots, each, rel_tol=_PRINTED_TOLERANCE) for each in _PRINTED)


def _ome(tiff: Any) -> Optional[tuple[float, float]]:
    try:
        root = ElementTree.fromstring(tiff.ome_metadata)
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
