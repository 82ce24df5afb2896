"""DICOM: single images, multi-frame ultrasound with its region calibration, and slice series."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from .dicom_pixels import decode
from .grid import Grid
from .reading import RawImage, check_bytes, choose_frame, missing_pixel_size, needless_pixel_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SUFFIXES = (".dcm", ".dicom", ".ima")

# DICOM PS3.3 C.8.5.5: Region Spatial Format 1 is 2D (B-mode), Physical Units 3 is cm.
_SPATIAL_2D = 1
_CENTIMETRE = 3
_CORNERS = ("MinX0", "MinY0", "MaxX1", "MaxY1")

# From this part on, a region that lies in another is of the same image.
_SAME_IMAGE = 0.5

# Nothing that identifies a patient, a study or a person.
_KEPT = ("Modality", "Manufacturer", "ManufacturerModelName")

# How far, as a part of the slice distance, a slice may lie off the regular grid: room for
# positions rounded in decimal text, none for a missing slice or a tilted gantry.
_POSITION_TOLERANCE = 0.05


class Region(NamedTuple):
    """A B-mode image within a picture, in pixels: its corner, its size, and its pixels' mm."""

    left: int
    top: int
    width: int
    height: int
    spacing: tuple[float, float]


class _Plane(NamedTuple):
    """Where one slice lies: LPS mm of its first pixel, unit vectors of i and j, their spacing."""

    position: tuple[float, ...]
    axes: tuple[float, ...]
    spacing: tuple[float, ...]


def is_dicom(path: Path) -> bool:
    """Return whether the file is marked as DICOM by its suffix or by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_file(
    path: Path, pixel_size: float | None, frame: int | None, region: int | None = None
) -> RawImage:
    """Read one DICOM file: a 2D image, one frame of a cine, or a volume of positioned frames.

    The pixel size is that of the B-mode region's calibration (PhysicalDeltaX/Y in cm), else
    PixelSpacing, else ImagerPixelSpacing, else ``pixel_size``. The whole picture is kept, not
    only its B-mode region, so that the volume lies where other programs show the file; of
    several B-mode images side by side it is one, in its place.

    Raises:
        InputError: not an image, several frames that are not a volume and no ``frame``, several
            B-mode images and no ``region``, no or needless pixel size, unevenly placed frames,
            undecodable or too large pixels.
    """
    header = read_header(path)
    chosen = _choose_region(path, header, region)
    array, grid, fields = _read_picture(path, header, pixel_size, frame, chosen)
    if chosen is None:
        return array, grid, fields
    rows = slice(chosen.top, chosen.top + chosen.height)
    columns = slice(chosen.left, chosen.left + chosen.width)
    origin = grid.index_to_physical(np.array([chosen.left, chosen.top, 0]))
    part = np.ascontiguousarray(array[:, rows, columns])
    return part, replace(grid, size=part.shape[::-1], origin=tuple(origin)), fields


def _choose_region(path: Path, header: Dataset, region: int | None) -> Region | None:
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
        told = "; ".join(
            f"{n}: {r.width} x {r.height} pixels from column {r.left}, row {r.top}"
            for n, r in enumerate(regions)
        )
        raise InputError(
            f"{path} shows {len(regions)} B-mode images side by side ({told}); pick one with "
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


def _bmode_regions(header: Dataset) -> list[Region]:
    """Return the calibrated B-mode regions; of size 0 where a file does not say where they lie."""
    found = []
    for item in _items(header, "SequenceOfUltrasoundRegions"):
        kind = [item.get(f"PhysicalUnits{axis}Direction") for axis in "XY"]
        deltas = [abs((_numbers(item, f"PhysicalDelta{axis}", 1) or (0.0,))[0]) for axis in "XY"]
        is_bmode = item.get("RegionSpatialFormat") == _SPATIAL_2D
        if not (is_bmode and kind == [_CENTIMETRE, _CENTIMETRE] and min(deltas) > 0):
            continue
        corners = [_numbers(item, f"RegionLocation{corner}", 1) for corner in _CORNERS]
        left, top, right, bottom = (int(c[0]) if c else 0 for c in corners)
        right, bottom = min(right, header.Columns - 1), min(bottom, header.Rows - 1)
        known = all(corners) and 0 <= left < right and 0 <= top < bottom
        width, height = (right + 1 - left, bottom + 1 - top) if known else (0, 0)
        found.append(Region(left, top, width, height, (10 * deltas[0], 10 * deltas[1])))
    return found


def _read_picture(
    path: Path,
    header: Dataset,
    pixel_size: float | None,
    frame: int | None,
    region: Region | None,
) -> RawImage:
    """Read the whole picture, with the pixel size of the region if one was chosen."""
    count = _frame_count(header)
    if frame is None and count > 1:
        if not all(_placement(header, n)[0] for n in range(count)):
            choose_frame(path, count, frame, "frames without positions (a cine)")
        planes = [_plane(path, header, n, pixel_size, region) for n in range(count)]
        grid, order = _stack(path, planes, (header.Columns, header.Rows))
        return decode(path, header)[order], grid, _kept_fields(header)
    chosen = choose_frame(path, count, frame)
    plane = _plane(path, header, chosen, pixel_size, region)
    grid = _grid(plane, (header.Columns, header.Rows, 1), _slice_distance(header))
    return decode(path, header, chosen), grid, _kept_fields(header)


def read_folder(
    path: Path, pixel_size: float | None, frame: int | None, region: int | None = None
) -> RawImage:
    """Read the one DICOM series in a folder, its slices sorted by position; not its subfolders.

    Reports and the like, which hold no image, may lie beside it.

    Raises:
        InputError: no DICOM image, several series, slices that are not an evenly spaced stack,
            and all that ``read_file`` refuses.
    """
    slices = _find_series(path)
    if len(slices) == 1:
        return read_file(slices[0][0], pixel_size, frame, region)
    choose_frame(path, 1, frame)
    planes = [_plane(file, header, 0, pixel_size) for file, header in slices]
    if not all(plane.position for plane in planes):
        raise InputError(
            f"{path} holds {len(slices)} images without positions, which are not a volume; "
            "give one of its files."
        )
    if len({(header.Rows, header.Columns) for _, header in slices}) > 1:
        raise InputError(
            f"The slices in {path} differ in size; keep only the slices of one stack there."
        )
    header = slices[0][1]
    grid, order = _stack(path, planes, (header.Columns, header.Rows))
    first = decode(*slices[order[0]])
    check_bytes(path, grid.size, first.itemsize)
    rest = [decode(*slices[n]) for n in order[1:]]
    return np.concatenate([first, *rest]), grid, _kept_fields(header)


def split_stack(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Part the DICOM files of a folder into images by themselves and the slices of a stack.

    A stack is made of two or more positioned images of one frame each, which ``read_folder``
    reads as one. Everything else, damaged files too, is to be read by itself, but for what is no
    image (reports, presentation states): that is in neither.
    """
    files = list(filterfalse(_is_report, files))
    stacked = [file for file in files if _is_positioned_slice(file)]
    if len(stacked) < 2:
        return files, []
    return [file for file in files if file not in set(stacked)], stacked


def _is_positioned_slice(path: Path) -> bool:
    try:
        header = read_header(path)
    except InputError:
        return False
    return _frame_count(header) == 1 and bool(_placement(header, 0)[0])


def _is_report(path: Path) -> bool:
    """Whether a file is an undamaged DICOM object of a kind that holds no image."""
    import pydicom
    from pydicom.uid import UID_dictionary

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, specific_tags=["SOPClassUID", "Rows"])
            kind = UID_dictionary.get(header.get("SOPClassUID"), ("",))[0]
            is_image = any(word in kind for word in ("Image", "Volume Storage"))
            return "Rows" not in header and bool(kind) and not is_image
    except Exception:  # the reader will say what is wrong with a damaged file
        return False


def read_header(path: Path) -> Dataset:
    """Return the attributes of a DICOM image without its pixels."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values that break the standard, which are many
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            for part in (header.file_meta, header):
                list(part.iterall())  # decodes every value now, where a damaged one is caught
            extent = [header.get(keyword) for keyword in ("Rows", "Columns")]
            is_image = all(isinstance(n, int) and n > 0 for n in [*extent, _frame_count(header)])
    except Exception as error:  # pydicom raises whatever it meets in a damaged file
        raise InputError(
            f"{path} is damaged or not a DICOM file; copy or export it again."
        ) from error
    if not is_image:
        raise InputError(
            f"{path} is DICOM without an image (a report or a directory) or damaged; "
            "give a DICOM image."
        )
    return header


def _find_series(path: Path) -> list[tuple[Path, Dataset]]:
    """Return the image files of the one series in a folder with their headers."""
    series: dict[str, list[tuple[Path, Dataset]]] = {}
    try:
        visible = [f for f in sorted(path.iterdir()) if f.is_file() and f.name[0] != "."]
        candidates = [f for f in visible if f.name != "DICOMDIR" and is_dicom(f)]
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); check its permissions."
        ) from error
    for file in filterfalse(_is_report, candidates):
        header = read_header(file)
        series.setdefault(str(header.get("SeriesInstanceUID")), []).append((file, header))
    if not series:
        raise InputError(
            f"{path} is a folder without DICOM images; give an image file, or the folder that "
            "holds the slices themselves."
        )
    if len(series) > 1:
        names = [f"{_series_name(s[0][1])}: {len(s)} images" for s in series.values()]
        raise InputError(
            f"{path} holds {len(series)} DICOM series ({'; '.join(names[:5])}"
            f"{'; ...' if len(names) > 5 else ''}); move the one to read to a folder of its own."
        )
    return next(iter(series.values()))


def _series_name(header: Dataset) -> str:
    """Return words by which a user recognises a series."""
    return f"{header.get('SeriesNumber', '?')} {header.get('SeriesDescription', '')}".strip()


def _plane(
    path: Path,
    header: Dataset,
    n: int,
    pixel_size: float | None,
    region: Region | None = None,
) -> _Plane:
    """Return where frame n of a file lies; position and axes are empty where it does not say."""
    measures = _functional_group(header, n, "PixelMeasuresSequence")
    spacing = _pixel_spacing(path, header, measures, pixel_size, region)
    return _Plane(*_placement(header, n), spacing)


def _frame_count(header: Dataset) -> int:
    """Return the number of frames in a file."""
    return int(header.get("NumberOfFrames") or 1)


def _placement(header: Dataset, n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return position and axes of frame n in the patient or, Enhanced US, the volume's frame."""
    for volume, frame_of_reference in (("", "Patient"), ("Volume", "Volume")):
        where = _functional_group(header, n, f"PlanePosition{volume}Sequence")
        turned = _functional_group(header, n, f"PlaneOrientation{volume}Sequence")
        position = _numbers(where, f"ImagePosition{frame_of_reference}", 3)
        axes = _numbers(turned, f"ImageOrientation{frame_of_reference}", 6)
        if position and axes:
            return position, axes
    return (), ()


def _functional_group(header: Dataset, n: int, keyword: str) -> Dataset:
    """Return the attributes of frame n in one functional group, else the file's own.

    What a multi-frame file states outside its functional groups is about the whole file, not
    about each frame: an empty dataset stands for "not stated" there.
    """
    from pydicom.dataset import Dataset

    per_frame = _items(header, "PerFrameFunctionalGroupsSequence")
    shared = _items(header, "SharedFunctionalGroupsSequence")
    for group in (*per_frame[n : n + 1], *shared[:1]):
        for item in _items(group, keyword):
            return item
    return header if _frame_count(header) == 1 else Dataset()


def _pixel_spacing(
    path: Path,
    header: Dataset,
    measures: Dataset,
    pixel_size: float | None,
    region: Region | None,
) -> tuple[float, ...]:
    """Return the distance in mm between pixel centres along (i, j)."""
    spacing = _region_spacing(path, header, region)
    for source, keyword in (
        (measures, "PixelSpacing"),
        (header, "PixelSpacing"),
        (header, "ImagerPixelSpacing"),
    ):
        if not spacing:
            spacing = _numbers(source, keyword, 2)[::-1]  # DICOM gives rows first: j, i
            spacing = spacing if all(mm > 0 for mm in spacing) else ()
    if spacing and pixel_size is not None:
        raise needless_pixel_size(path)
    if spacing:
        return spacing
    if pixel_size is None:
        raise missing_pixel_size(path)
    rows, columns = _numbers(header, "PixelAspectRatio", 2) or (1.0, 1.0)
    ratio = rows / columns if rows > 0 and columns > 0 else 1.0
    return pixel_size, pixel_size * ratio


def _region_spacing(path: Path, header: Dataset, region: Region | None) -> tuple[float, ...]:
    """Return the (i, j) pixel spacing in mm that the B-mode regions state, or nothing."""
    spacings = [each.spacing for each in ([region] if region else _bmode_regions(header))]
    if spacings and not np.allclose(spacings, spacings[0], rtol=1e-3, atol=0):
        raise InputError(
            f"{path} shows {len(spacings)} B-mode images of different pixel size; crop it to one "
            "of them."
        )
    return spacings[0] if spacings else ()


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence attribute, none if it is absent or damaged."""
    element = dataset.get_item(keyword) if keyword in dataset else None
    return element.value if element is not None and element.VR == "SQ" else ()


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Return that many finite numbers of an attribute, or nothing if it does not hold them."""
    stated = dataset.get(keyword)
    try:
        values = tuple(map(float, stated if isinstance(stated, Sequence) else (stated,)))
    except (TypeError, ValueError):
        return ()
    return values if len(values) == count and all(map(math.isfinite, values)) else ()


def _slice_distance(header: Dataset) -> float:
    """Return the mm that a single slice takes up along k; 1 if the file states none or 0."""
    stated = [_numbers(header, key, 1) for key in ("SpacingBetweenSlices", "SliceThickness")]
    return next((value[0] for value in stated if value and value[0] > 0), 1.0)


def _grid(plane: _Plane, size: tuple[int, int, int], gap: float) -> Grid:
    """Return the grid whose first slice lies in a plane; without a position, at the origin."""
    (dx, dy), (x, y, z) = plane.spacing, plane.position or (0.0, 0.0, 0.0)
    return Grid(size, (dx, dy, gap), (x, y, z), tuple(_axes(plane).ravel()))


def _axes(plane: _Plane) -> np.ndarray:
    """Return the 3x3 matrix whose columns are the plane's i and j axes and their normal."""
    i, j = np.reshape(plane.axes or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (2, 3))
    return np.stack([i, j, np.cross(i, j)], axis=1)


def _stack(path: Path, planes: list[_Plane], size: tuple[int, int]) -> tuple[Grid, list[int]]:
    """Return the grid of parallel slices of (columns, rows) and the order of the slices along k.

    Raises:
        InputError: the slices do not make one evenly spaced, unsheared stack.
    """
    first = planes[0]
    same = all(
        np.allclose(p.axes + p.spacing, first.axes + first.spacing, rtol=0, atol=1e-3)
        for p in planes
    )
    if not same:
        raise InputError(
            f"The slices of {path} differ in orientation or pixel size; give one parallel stack."
        )
    normal = _axes(first)[:, 2]
    positions = np.array([plane.position for plane in planes])
    order = np.argsort(positions @ normal, kind="stable").tolist()
    positions = positions[order]
    gap = float((positions[-1] - positions[0]) @ normal) / (len(planes) - 1)
    if np.diff(positions @ normal).min() <= _POSITION_TOLERANCE * gap:
        raise InputError(
            f"{path} holds several images at the same position (a time series or several "
            "echoes); keep only those of one volume."
        )
    ideal = positions[0] + gap * np.arange(len(planes))[:, np.newaxis] * normal
    if np.linalg.norm(positions - ideal, axis=1).max() > _POSITION_TOLERANCE * gap:
        raise InputError(
            f"The slices of {path} are unevenly spaced, tilted, or some are missing; complete the "
            "series, or resample it onto a regular grid first."
        )
    return _grid(planes[order[0]], (*size, len(planes)), gap), order


def _kept_fields(header: Dataset) -> dict[str, str]:
    """Return the attributes worth keeping as text, and the description of what we computed."""
    comments = str(header.get("ImageComments") or "")
    computed = header.get("ConversionType") == "SYN" and comments
    fields = {keyword: str(header.get(keyword)) for keyword in _KEPT if header.get(keyword)}
    return {**fields, "description": comments} if computed else fields
