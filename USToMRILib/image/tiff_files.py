"""TIFF pictures and stacks of them, read by tifffile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .grid import Grid
from .image_file import COLOUR, GREY, VECTOR, ImageFile
from .orientation import is_turned, upright
from .reading import UnreadableError, pixel_aspect
from .tiff_calibration import calibration

SUFFIXES = (".tif", ".tiff")

# Of the samples beyond a pixel's own: an alpha that they were multiplied with, and one they
# were not.
_ASSOCIATED, _UNASSOCIATED = 1, 2

_GREY, _RGB, _PALETTE = ("MINISBLACK", "MINISWHITE"), "RGB", "PALETTE"
_CMYK, _YCBCR = "SEPARATED", "YCBCR"
_COLOUR_SAMPLES = {_RGB: 3, _YCBCR: 3, _CMYK: 4}
_JPEG = (6, 7)


def open_tiff(path: Path) -> ImageFile:
    """Read the directories of a TIFF file, whose pictures lie at the origin as viewers show them.

    Its frames are its pages, or the planes of a stack that has one directory for all of them, as
    ImageJ writes. The size of its pixels is that of :func:`.tiff_calibration.calibration`. Any
    other resolution is that of a print: of it only the shape of the pixels is used.

    Raises:
        InputError: damaged, or its colours are of a kind that is not read.
    """
    with _opened(path) as tiff:
        one_directory = _is_stack(tiff)
        count = _plane_count(tiff.series[0]) if one_directory else len(tiff.pages)
        alike = one_directory or (len(tiff.series) == 1 and _are_turned_alike(tiff))
        first = _picture(path, tiff, 0)
    each = None if alike else lambda index: _open_page(path, index)
    return replace(first, count=count, each=each)


def _open_page(path: Path, index: int) -> ImageFile:
    with _opened(path) as tiff:
        return _picture(path, tiff, index)


def _picture(path: Path, tiff: Any, index: int) -> ImageFile:
    """Return one page, or the plane of a stack and all that are like it."""
    page = tiff.pages[0 if _is_stack(tiff) else index].aspage()
    photometric = page.photometric.name
    if photometric not in (*_GREY, _PALETTE, *_COLOUR_SAMPLES):
        raise InputError(
            f"{path} stores its colours as {photometric}, which is not read; save it as a grey or "
            "RGB picture."
        )
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise InputError(f"{path} holds values that are no real numbers; save it as grey.")
    components, meaning = _components(page)
    height, width, aspect = page.imagelength, page.imagewidth, _aspect(page)
    sizes = calibration(tiff.pages[0].aspage().description, _resolution(page))
    if is_turned(_orientation(page)):
        height, width, aspect = width, height, 1 / aspect
        sizes = sizes and sizes[::-1]

    def load(frame: int) -> np.ndarray:
        with _opened(path) as tiff:
            stored, page = _plane(path, tiff, frame or index)
            return upright(_voxels(path, stored, page), _orientation(page))[np.newaxis]

    return ImageFile(
        path=path,
        grid=Grid((width, height, 1), (*(sizes or (1.0, 1.0)), 1.0)),
        states_spacing=sizes is not None,
        aspect=aspect,
        dtype=np.dtype(np.uint8) if photometric == _PALETTE or page.dtype == bool else page.dtype,
        load=load,
        images="pages",
        components=components,
        meaning=meaning,
        metadata={"description": page.description} if page.description else {},
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file in tifffile, whose log stays silent: what matters is raised.

    Raises:
        InputError: tifffile cannot read it, with what it is missing where that is a package.
    """
    from tifffile import TiffFile

    log = logging.getLogger("tifffile")
    was = log.disabled
    log.disabled = True
    try:
        with TiffFile(path) as tiff:
            yield tiff
    except (InputError, MemoryError):
        raise
    except Exception as error:  # tifffile raises whatever it meets in a damaged file
        if "imagecodecs" in str(error):
            raise InputError(
                f"{path} is compressed in a way that needs the Python package imagecodecs; install "
                "it, or save the picture without compression."
            ) from error
        raise UnreadableError(path) from error
    finally:
        log.disabled = was


def _is_stack(tiff: Any) -> bool:
    """Whether one directory stands for several planes, none of which is a colour of the picture."""
    if len(tiff.series) != 1 or _plane_count(tiff.series[0]) == len(tiff.pages):
        return False
    return tiff.pages[0].samplesperpixel == 1 or "S" in tiff.series[0].axes


def _plane_count(series: Any) -> int:
    sizes = [size for axis, size in zip(series.axes, series.shape) if axis not in "YXS"]
    return int(np.prod(sizes, dtype=int))


def _plane(path: Path, tiff: Any, index: int) -> tuple[np.ndarray, Any]:
    """Return a page or plane as it is stored, [row, column(, sample)], and its directory.

    Raises:
        UnreadableError: the file ends before it.
    """
    size = tiff.filehandle.size
    if not _is_stack(tiff):
        page = tiff.pages[index].aspage()
        stored = list(zip(page.dataoffsets, page.databytecounts))
        if not stored or any(not 0 < start < start + n <= size for start, n in stored):
            raise UnreadableError(path)
        return _samples_last(page.asarray(), page.axes), page
    series = tiff.series[0]
    start = series.dataoffset
    if start is not None and start + series.nbytes > size:
        raise UnreadableError(path)
    planes = tiff.asarray(series=0, out=None if start is None else "memmap")
    axes = series.axes
    order = [n for n, axis in enumerate(axes) if axis not in "YXS"]
    order += [axes.index(axis) for axis in "YXS" if axis in axes]
    planes = planes.transpose(order)
    page = tiff.pages[0]
    shape = (page.imagelength, page.imagewidth, *planes.shape[planes.ndim - axes.count("S") :])
    return np.array(planes.reshape(-1, *shape)[index]), page


def _samples_last(array: np.ndarray, axes: str) -> np.ndarray:
    if "S" not in axes or array.ndim == 2:
        return array
    return np.moveaxis(array, axes.index("S"), -1)


def _components(page: Any) -> tuple[int, str]:
    """Return how many values a voxel has once it is read, and what they mean."""
    name = page.photometric.name
    own = 1 if name == _PALETTE else page.samplesperpixel
    alpha = _alpha(page) is not None
    if name == _PALETTE:
        return 3, COLOUR
    if name in _COLOUR_SAMPLES:
        return (4 if alpha else 3), COLOUR
    if own == 1 or (own == 2 and (alpha or len(page.extrasamples) == 1)):
        return (2, COLOUR) if alpha else (1, GREY)
    return own, VECTOR


def _alpha(page: Any) -> int | None:
    """Return which sample is an alpha, if one is."""
    kinds = [int(kind) for kind in page.extrasamples]
    first = page.samplesperpixel - len(kinds)
    found = [n for n, kind in enumerate(kinds) if kind in (_ASSOCIATED, _UNASSOCIATED)]
    return first + found[0] if found else None


def _voxels(path: Path, stored: np.ndarray, page: Any) -> np.ndarray:
    """Return grey values [row, column], or colours or vectors with their values last."""
    name = page.photometric.name
    if name == _PALETTE:
        table = page.colormap if page.colormap.max() < 256 else page.colormap >> 8
        return np.moveaxis(table.astype(np.uint8)[:, stored], 0, -1)
    if name in _GREY:
        return _grey(stored, page)
    colours = stored[..., : _COLOUR_SAMPLES[name]]
    if name == _CMYK:
        full = _full(stored)
        paper = full - colours
        colours = (paper[..., :3] * (paper[..., 3:] / full)).astype(stored.dtype)
    elif name == _YCBCR and page.compression not in _JPEG:
        colours = _rgb_of_ycbcr(path, colours, page)
    alpha = _alpha(page)
    return colours if alpha is None else _with_alpha(colours, stored[..., alpha], page)


def _grey(stored: np.ndarray, page: Any) -> np.ndarray:
    alpha = _alpha(page)
    several = stored.ndim == 3
    if several and (alpha is None and len(page.extrasamples) + 1 != page.samplesperpixel):
        return stored
    values = stored[..., 0] if several else stored
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    elif bits < 8 and values.dtype == np.uint8:
        values = values * np.uint8(255 // (2**bits - 1))
    if page.photometric.name == "MINISWHITE":
        values = _inverted(values, max(bits, 8))
    return values if alpha is None else _with_alpha(values[..., None], stored[..., alpha], page)


def _inverted(values: np.ndarray, bits: int) -> np.ndarray:
    """Return the values with black and white exchanged, in the same range."""
    if values.dtype.kind == "u":
        return (2**bits - 1 - values.astype(np.uint64)).astype(values.dtype)
    if values.dtype.kind == "i":
        return ~values
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return (high + low - values).astype(values.dtype)


def _full(values: np.ndarray) -> float:
    """Return what white is stored as, and an alpha that hides nothing."""
    return float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0


def _with_alpha(values: np.ndarray, alpha: np.ndarray, page: Any) -> np.ndarray:
    """Return values [row, column, n] that are not multiplied with their alpha, and it last."""
    if _ASSOCIATED in [int(kind) for kind in page.extrasamples]:
        share = alpha[..., None] / _full(alpha)
        plain = np.divide(values, share, out=np.zeros(values.shape), where=share > 0)
        values = plain.clip(0, _full(values)).astype(values.dtype)
    return np.concatenate([values, alpha[..., None]], axis=-1)


def _rgb_of_ycbcr(path: Path, colours: np.ndarray, page: Any) -> np.ndarray:
    from PIL import Image

    if colours.dtype != np.uint8 or tuple(page.subsampling or (1, 1)) != (1, 1):
        raise InputError(
            f"{path} stores its colours as YCbCr of a kind that is not read; save it as a grey or "
            "RGB picture."
        )
    return np.array(Image.fromarray(np.ascontiguousarray(colours), "YCbCr").convert("RGB"))


def _are_turned_alike(tiff: Any) -> bool:
    """Whether all pages have one size as they are shown, if they have one as they are stored."""
    return len({is_turned(_orientation(page.aspage())) for page in tiff.pages}) == 1


def _aspect(page: Any) -> float:
    """Return the height of a pixel as a part of its width, as the picture is stored."""
    return pixel_aspect(*(_resolution(page) or (1.0, 1.0)))


def _resolution(page: Any) -> tuple[float, float] | None:
    """Return the pixels in a length along both axes; None where that is not written."""
    tags = [page.tags.get(f"{axis}Resolution") for axis in "XY"]
    if any(tag is None or np.size(tag.value) != 2 or not all(tag.value) for tag in tags):
        return None
    across, down = (tag.value[0] / tag.value[1] for tag in tags)
    return across, down


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else 1
