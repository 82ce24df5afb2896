"""Pictures: PNG, JPEG, BMP, GIF and WebP are read by Pillow; three of these and TIFF written."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import quiet_libraries
from .grid import Grid
from .image_file import COLOUR, GREY, ImageFile
from .jpeg_streams import is_whole
from .orientation import is_turned
from .reading import UnreadableError, check_bytes, pixel_aspect

if TYPE_CHECKING:
    from PIL import Image

WRITE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
SUFFIXES = (*WRITE_SUFFIXES, ".jpe", ".jfif", ".gif", ".webp")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_ANIMATED = ("PNG", "GIF", "WEBP")
# The ends of a PNG, its checksum included, and of a GIF.
_PNG_END, _GIF_END = b"IEND\xaeB`\x82", b"\0;"
_ORIENTATION = 0x0112  # EXIF's tag
_KEYWORD_BYTES = 79  # of a PNG's text


def open_picture(path: Path) -> ImageFile:
    """Decode a picture, which lies at the origin, turned as viewers show it.

    Pillow does it: SimpleITK returns invented pixels for truncated JPEG and BMP files. The
    resolution that such files may state is that of a print (72 dpi, 300 dpi), not of the
    ultrasound: of it only the shape of the pixels is used.

    Raises:
        InputError: damaged, or too many pixels.
    """
    with _opened(path) as picture:
        count = getattr(picture, "n_frames", 1) if picture.format in _ANIMATED else 1
        seconds = _seconds(picture, count)
        picture.seek(0)
        text, aspect = _text(picture), _aspect(picture)
        array = _pixels(picture)

    def load(index: int) -> np.ndarray:
        if not index:
            return array[np.newaxis]
        with _opened(path) as picture:
            picture.seek(index)
            return _pixels(picture)[np.newaxis]

    def load_all() -> np.ndarray:
        with _opened(path) as picture:
            frames = []
            for number in range(count):
                picture.seek(number)
                frames.append(_pixels(picture))
        return np.stack(frames)[:, np.newaxis]

    height, width = array.shape[:2]
    components = array.shape[2] if array.ndim == 3 else 1
    return ImageFile(
        path=path,
        grid=Grid((width, height, 1)),
        states_spacing=False,
        aspect=aspect,
        dtype=array.dtype,
        load=load,
        load_all=load_all,
        count=count,
        seconds=seconds,
        images="frames of an animation",
        components=components,
        meaning=GREY if components == 1 else COLOUR,
        metadata=text,
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture in Pillow, whose warnings about odd tags stay silent: what matters is raised.

    Raises:
        InputError: damaged, or too many pixels.
    """
    from PIL import Image

    try:
        with quiet_libraries(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                check_bytes(path, picture.size, 4)
                if not _is_whole(str(picture.format), path.read_bytes()):
                    raise UnreadableError(path)
                yield picture
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} has too many pixels for a picture; crop it first.") from error
    except Exception as error:  # Pillow's plugins raise whatever they meet in a damaged file
        raise UnreadableError(path) from error


def _is_whole(format: str, content: bytes) -> bool:
    """Whether a file that Pillow reads to its end, and beyond where it has none, has one."""
    if format in ("JPEG", "MPO"):
        return is_whole(content)
    if format == "GIF":
        return content.rstrip(b"\0\r\n").endswith(_GIF_END)
    return format != "PNG" or _PNG_END in content


def _seconds(picture: Image.Image, count: int) -> tuple[float, ...]:
    """Return when each frame of an animation is shown, empty where that is not stated."""
    steps = []
    for number in range(count if count > 1 else 0):
        picture.seek(number)
        picture.load()  # before which WebP does not say it
        steps.append(float(picture.info.get("duration") or 0) / 1000)
    if not steps or min(steps) <= 0:
        return ()
    return tuple(np.cumsum([0.0, *steps[:-1]]).tolist())


def _pixels(picture: Image.Image) -> np.ndarray:
    """Return a picture [row, column(, value)] turned as viewers show it."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    array = np.array(upright.convert(_mode(upright)))
    clear = upright.info.get("transparency")
    if upright.mode[0] == "I" and isinstance(clear, int):  # one of 16 bits means that it is
        array[array == clear] = 0
    return array


def _aspect(picture: Image.Image) -> float:
    """Return the height of a pixel as a part of its width, as the picture is shown."""
    names = ("jfif_density", "dpi", "aspect")  # the last is PNG's where it states no unit
    density = next((picture.info[name] for name in names if name in picture.info), (1, 1))
    aspect = pixel_aspect(*map(float, density))
    return 1 / aspect if is_turned(picture.getexif().get(_ORIENTATION, 1)) else aspect


def _mode(picture: Image.Image) -> str:
    """Return the one of Pillow's modes in which the picture is looked at."""
    clear = "transparency" in picture.info
    if picture.mode[0] in "IF":  # 16 or 32 bit; float
        return picture.mode
    if picture.mode in ("L", "1", "LA", "La"):
        return "LA" if clear or picture.mode in ("LA", "La") else "L"
    return "RGBA" if clear or picture.mode in ("RGBA", "RGBa", "PA") else "RGB"


def _text(picture: Image.Image) -> dict[str, str]:
    """Return the text that a PNG or JPEG carries."""
    found = {k: v for k, v in getattr(picture, "text", {}).items() if isinstance(v, str)}
    comment = picture.info.get("comment", b"")
    if isinstance(comment, bytes) and comment:
        found["description"] = comment.decode("utf-8", "replace")
    return {key: str(value) for key, value in found.items()}


def write(array: np.ndarray, path: Path, metadata: dict[str, str]) -> None:
    """Write grey values [j, i] as an 8-bit picture; metadata as text where the format has it.

    uint8 is kept, booleans become 0 and 255, floats are taken as 0..255, rounded and clipped.

    Raises:
        InputError: other dtypes, or NaN.
        OSError: the file cannot be written.
    """
    from PIL import Image

    suffix = path.suffix.lower()
    picture = Image.fromarray(as_bytes(array))
    stream = io.BytesIO()  # on a full disk Pillow leaves half a file without a word
    with quiet_libraries():
        picture.save(
            stream, Image.registered_extensions()[suffix], **_save_options(suffix, metadata)
        )
    path.write_bytes(stream.getvalue())


def as_bytes(array: np.ndarray) -> np.ndarray:
    """Return the values as uint8, or raise InputError if they are not on a scale of 0..255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(
            f"Such a file holds values of 0 to 255, not {array.dtype} or NaN; write .nrrd, .nii.gz "
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
            keyword = key.encode("latin-1", "backslashreplace")[:_KEYWORD_BYTES]
            if keyword.strip():
                chunks.add_itxt(keyword.decode("latin-1"), value)
        return {"pnginfo": chunks}
    if suffix in (".jpg", ".jpeg"):
        return {"quality": 95, "comment": text.encode()[:65000]}  # a JPEG segment ends at 64 KiB
    if suffix in (".tif", ".tiff"):
        return {"compression": "tiff_deflate", "description": text}
    return {}
