"""PNG, JPEG, TIFF and BMP pictures: one slice without geometry."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import quiet_libraries
from .grid import Grid
from .reading import RawImage, check_bytes, choose_frame, luma, missing_pixel_size

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def is_picture(path: Path) -> bool:
    """Whether the file is a picture, which has no geometry of its own."""
    return path.suffix.lower() in SUFFIXES


_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")


def read(path: Path, pixel_size: float | None, frame: int | None) -> RawImage:
    """Read a picture, or one page of a TIFF, as a slice with square pixels at the origin.

    Pillow does it: SimpleITK returns invented pixels for truncated JPEG and BMP files.

    Raises:
        InputError: damaged, too large, several pages without ``frame``, or no ``pixel_size``.
            The resolution that such files may state is that of a print (72 dpi, 300 dpi), not
            of the ultrasound, so it is never used.
    """
    from PIL import Image

    try:
        with quiet_libraries(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags; what matters is raised
            with Image.open(path, formats=_FORMATS) as picture:
                check_bytes(path, picture.size, 4)
                pages = getattr(picture, "n_frames", 1)
                picture.seek(choose_frame(path, pages, frame, "pages"))
                if pixel_size is None:
                    raise missing_pixel_size(path)
                array = _grey(picture)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has too many pixels for a picture; crop it first.") from error
    except Exception as error:  # Pillow's plugins raise whatever they meet in a damaged file
        raise InputError(
            f"{path} is damaged, incomplete or not a PNG, JPEG, TIFF or BMP picture; "
            "copy or export it again."
        ) from error
    height, width = array.shape
    return array[np.newaxis], Grid((width, height, 1), (pixel_size, pixel_size, 1.0)), {}


def _grey(picture: Image.Image) -> np.ndarray:
    """Return the grey values [j, i] of a picture in any of Pillow's modes."""
    if picture.mode in ("LA", "La", "1"):
        picture = picture.convert("L")
    if picture.mode == "L" or picture.mode[0] in "IF":  # 8 bit; 16 or 32 bit; float
        return np.array(picture)
    return luma(np.array(picture.convert("RGB")))


def write(array: np.ndarray, path: Path, metadata: dict[str, str]) -> None:
    """Write grey values [j, i] as an 8-bit picture; metadata as text where the format has it.

    uint8 is kept, booleans become 0 and 255, floats are taken as 0..255, rounded and clipped.

    Raises:
        InputError: other dtypes, NaN, or the file cannot be written.
    """
    from PIL import Image

    picture = Image.fromarray(_eight_bit(array))
    try:
        with quiet_libraries():
            picture.save(path, **_save_options(path.suffix.lower(), metadata))
    except OSError as error:
        raise InputError(
            f"The picture could not be written into {path.parent} ({error.strerror}); free some "
            "space there or choose another folder."
        ) from error


def _eight_bit(array: np.ndarray) -> np.ndarray:
    """Return the values as uint8, or raise InputError if they are not on a scale of 0..255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(
            f"A picture holds values of 0 to 255, not {array.dtype} or NaN; write .nrrd, .nii.gz "
            "or .mha instead."
        )
    return np.clip(np.rint(array), 0, 255).astype(np.uint8)


def _save_options(suffix: str, metadata: dict[str, str]) -> dict[str, Any]:
    """Return Pillow's options that put the metadata into a picture of this suffix."""
    from PIL.PngImagePlugin import PngInfo

    text = "; ".join(f"{key}={value}" for key, value in metadata.items())
    if suffix == ".png":
        chunks = PngInfo()
        for key, value in metadata.items():
            chunks.add_itxt(key, value)
        return {"pnginfo": chunks}
    if suffix in (".jpg", ".jpeg"):
        return {"quality": 95, "comment": text.encode()[:65000]}  # a JPEG segment ends at 64 KiB
    if suffix in (".tif", ".tiff"):
        return {"compression": "tiff_deflate", "description": text}
    return {}
