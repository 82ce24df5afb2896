"""DICOM: single images, multi-frame ultrasound with its region calibration, and slice series."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from .dicom_header import frame_count, items, numbers, read_header
from .dicom_pixels import decode
from .dicom_regions import Region, choose_region, cut, region_spacing
from .grid import Grid
from .reading import RawImage, check_bytes, choose_frame, missing_pixel_size, needless_pixel_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SUFFIXES = (".dcm", ".dicom", ".ima")

# Nothing that identifies a patient, a study or a person.
_KEPT = ("Modality", "Manufacturer", "ManufacturerModelName")

# How far, as a part of the slice distance, a slice may lie off the regular grid: room for
# positions rounded in decimal text, none for a missing slice or a tilted gantry.
_POSITION_TOLERANCE = 0.05


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
    chosen = choose_region(path, header, region)
    array, grid, fields = _read_picture(path, header, pixel_size, frame, chosen)
    if chosen is None:
        return array, grid, fields
    return (*cut(array, grid, chosen), fields)


def pixel_size(path: Path) -> tuple[float, float] | None:
    """Return the (i, j) size of a pixel in mm that a file states; None where it does not.

    Raises:
        InputError: not an image, or one that shows B-mode images of different pixel size.
    """
    header = read_header(path)
    measures = _functional_group(header, 0, "PixelMeasuresSequence")
    across, down = _stated_spacing(path, header, measures, None) or (0.0, 0.0)
    return (across, down) if across and down else None


def read_cine(
    path: Path, pixel_size: float | None, region: int | None = None
) -> tuple[np.ndarray, Grid, tuple[float, ...], dict[str, str]]:
    """Read all frames of a DICOM file that is no volume.

    Returns:
        Grey values [n, 1, j, i], where each frame lies, the seconds of each from the first if the
        file states them, and header fields.

    Raises:
        InputError: as :func:`read_file`; or its frames have positions and are a volume.
    """
    header = read_header(path)
    count = frame_count(header)
    if count > 1 and any(_placement(header, n)[0] for n in range(count)):
        raise InputError(f"The frames of {path} are a volume, not a sequence; leave --frame out.")
    chosen = choose_region(path, header, region)
    plane = _plane(path, header, 0, pixel_size, chosen)
    grid = _grid(plane, (header.Columns, header.Rows, 1), _slice_distance(header))
    check_bytes(path, (*grid.size, count), int(header.get("BitsAllocated") or 8) // 8)
    frames = decode(path, header)
    if chosen is not None:
        frames, grid = cut(frames, grid, chosen)
    return frames[:, np.newaxis], grid, _seconds(header, count), _kept_fields(header)


def _seconds(header: Dataset, count: int) -> tuple[float, ...]:
    """Return when the frames of a cine were taken, from the first; empty where it is not stated."""
    steps = numbers(header, "FrameTimeVector", count)
    if steps and min(steps[1:], default=0.0) > 0:
        return tuple((np.cumsum([0.0, *steps[1:]]) / 1000).tolist())
    (step,) = numbers(header, "FrameTime", 1) or (0.0,)
    (lasting,) = numbers(header, "ActualFrameDuration", 1) or (0.0,)
    step = step or lasting
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        (rate,) = numbers(header, keyword, 1) or (0.0,)
        step = step or (1000 / rate if rate > 0 else 0.0)
    return tuple(n * step / 1000 for n in range(count)) if step > 0 else ()


def _read_picture(
    path: Path,
    header: Dataset,
    pixel_size: float | None,
    frame: int | None,
    region: Region | None,
) -> RawImage:
    """Read the whole picture, with the pixel size of the region if one was chosen."""
    count = frame_count(header)
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
    return frame_count(header) == 1 and bool(_placement(header, 0)[0])


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


def _placement(header: Dataset, n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return position and axes of frame n in the patient or, Enhanced US, the volume's frame."""
    for volume, frame_of_reference in (("", "Patient"), ("Volume", "Volume")):
        where = _functional_group(header, n, f"PlanePosition{volume}Sequence")
        turned = _functional_group(header, n, f"PlaneOrientation{volume}Sequence")
        position = numbers(where, f"ImagePosition{frame_of_reference}", 3)
        axes = numbers(turned, f"ImageOrientation{frame_of_reference}", 6)
        if position and axes:
            return position, axes
    return (), ()


def _functional_group(header: Dataset, n: int, keyword: str) -> Dataset:
    """Return the attributes of frame n in one functional group, else the file's own.

    What a multi-frame file states outside its functional groups is about the whole file, not
    about each frame: an empty dataset stands for "not stated" there.
    """
    from pydicom.dataset import Dataset

    per_frame = items(header, "PerFrameFunctionalGroupsSequence")
    shared = items(header, "SharedFunctionalGroupsSequence")
    for group in (*per_frame[n : n + 1], *shared[:1]):
        for item in items(group, keyword):
            return item
    return header if frame_count(header) == 1 else Dataset()


def _pixel_spacing(
    path: Path,
    header: Dataset,
    measures: Dataset,
    pixel_size: float | None,
    region: Region | None,
) -> tuple[float, ...]:
    """Return the distance in mm between pixel centres along (i, j)."""
    spacing = _stated_spacing(path, header, measures, region)
    if spacing and pixel_size is not None:
        raise needless_pixel_size(path)
    if spacing:
        return spacing
    if pixel_size is None:
        raise missing_pixel_size(path)
    rows, columns = numbers(header, "PixelAspectRatio", 2) or (1.0, 1.0)
    ratio = rows / columns if rows > 0 and columns > 0 else 1.0
    return pixel_size, pixel_size * ratio


def _stated_spacing(
    path: Path, header: Dataset, measures: Dataset, region: Region | None
) -> tuple[float, ...]:
    """Return the same as the file states it, or nothing."""
    spacing = region_spacing(path, header, region)
    for source, keyword in (
        (measures, "PixelSpacing"),
        (header, "PixelSpacing"),
        (header, "ImagerPixelSpacing"),
    ):
        if not spacing:
            spacing = numbers(source, keyword, 2)[::-1]  # DICOM gives rows first: j, i
            spacing = spacing if all(mm > 0 for mm in spacing) else ()
    return spacing


def _slice_distance(header: Dataset) -> float:
    """Return the mm that a single slice takes up along k; 1 if the file states none or 0."""
    stated = [numbers(header, key, 1) for key in ("SpacingBetweenSlices", "SliceThickness")]
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
