"""Where in a DICOM picture of an ultrasound screen the B-mode images are (PS3.3 C.8.5.5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from .dicom_header import items, numbers
from .grid import Grid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# DICOM PS3.3 C.8.5.5: Region Spatial Format 1 is 2D (B-mode), Physical Units 3 is cm, Region Data
# Types 1 and 2 are tissue and colour flow.
_SPATIAL_2D = 1
_CENTIMETRE = 3
_ANATOMY = (1, 2)
_CORNERS = ("MinX0", "MinY0", "MaxX1", "MaxY1")

# From this part on, a region that lies in another is of the same image.
_SAME_IMAGE = 0.5


class Region(NamedTuple):
    """A B-mode image within a picture, in pixels: its corner, its size, and its pixels' mm.

    The size is 0 where the file does not say where it lies, the spacing empty where it is not
    calibrated.
    """

    left: int
    top: int
    width: int
    height: int
    spacing: tuple[float, ...]


def choose_region(path: Path, header: Dataset, region: int | None) -> Region | None:
    """Return the B-mode image to read where a picture shows several side by side, else None.

    Raises:
        InputError: there are several and none was chosen, or there is no such image.
    """
    regions = side_by_side(header)
    if not regions and region is None:
        return None
    if not regions or (region is not None and not 0 <= region < len(regions)):
        raise InputError(
            f"{path} has no region {region}; "
            + (f"choose from 0 to {len(regions) - 1}." if regions else "leave --region out.")
        )
    if region is None:
        listed = "; ".join(
            f"{n}: {r.width} x {r.height} pixels from column {r.left}, row {r.top}"
            for n, r in enumerate(regions)
        )
        raise InputError(
            f"{path} shows {len(regions)} B-mode images side by side ({listed}); pick one with "
            f"--region N (region=N)."
        )
    return regions[region]


def side_by_side(header: Dataset) -> list[Region]:
    """Return the B-mode images of a picture from left to right if it shows several.

    Regions that lie in each other, as a colour box does in its image, are one image.
    """
    apart: list[Region] = []
    for region in sorted(_bmode_regions(header), key=lambda r: -r.width * r.height):
        if region.width > 0 and all(_share(region, other) < _SAME_IMAGE for other in apart):
            apart.append(region)
    return sorted(apart, key=lambda r: (r.left, r.top)) if len(apart) > 1 else []


def _share(region: Region, other: Region) -> float:
    """Return which part of a region lies in another, larger one."""
    across = min(region.left + region.width, other.left + other.width)
    down = min(region.top + region.height, other.top + other.height)
    common = max(0, across - max(region.left, other.left)) * max(
        0, down - max(region.top, other.top)
    )
    return common / (region.width * region.height)


def cut(array: np.ndarray, grid: Grid, region: Region) -> tuple[np.ndarray, Grid]:
    """Return the part of pictures [n, j, i] that a region is, in its place."""
    rows = slice(region.top, region.top + region.height)
    columns = slice(region.left, region.left + region.width)
    origin = grid.index_to_physical(np.array([region.left, region.top, 0]))
    size = (region.width, region.height, grid.size[2])
    part = np.ascontiguousarray(array[:, rows, columns])
    return part, replace(grid, size=size, origin=tuple(origin))


def region_spacing(path: Path, header: Dataset, region: Region | None) -> tuple[float, ...]:
    """Return the (i, j) pixel spacing in mm that the B-mode regions state, or nothing."""
    regions = [region] if region else _bmode_regions(header)
    spacings = [each.spacing for each in regions if each.spacing]
    if spacings and not np.allclose(spacings, spacings[0], rtol=1e-3, atol=0):
        raise InputError(
            f"{path} shows {len(spacings)} B-mode images of different pixel size; crop it to one "
            "of them."
        )
    return spacings[0] if spacings else ()


def _bmode_regions(header: Dataset) -> list[Region]:
    """Return the B-mode regions that are calibrated, and those of anatomy that have a place."""
    found = []
    for item in items(header, "SequenceOfUltrasoundRegions"):
        if item.get("RegionSpatialFormat") != _SPATIAL_2D:
            continue
        kind = [item.get(f"PhysicalUnits{axis}Direction") for axis in "XY"]
        deltas = [abs((numbers(item, f"PhysicalDelta{axis}", 1) or (0.0,))[0]) for axis in "XY"]
        calibrated = kind == [_CENTIMETRE, _CENTIMETRE] and min(deltas) > 0
        corners = [numbers(item, f"RegionLocation{corner}", 1) for corner in _CORNERS]
        left, top, right, bottom = (int(c[0]) if c else 0 for c in corners)
        right, bottom = min(right, header.Columns - 1), min(bottom, header.Rows - 1)
        known = all(corners) and 0 <= left < right and 0 <= top < bottom
        width, height = (right + 1 - left, bottom + 1 - top) if known else (0, 0)
        spacing = (10 * deltas[0], 10 * deltas[1]) if calibrated else ()
        if calibrated or (known and item.get("RegionDataType") in _ANATOMY):
            found.append(Region(left, top, width, height, spacing))
    return found
