"""MetaImage files (``.mha``, ``.mhd``), as ITK and PLUS write them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from . import plus_fields
from .grid import Grid
from .image_file import COLOUR, GREY, VECTOR, ImageFile
from .reading import BYTE_ORDER_MARK, UnreadableError
from .stored_voxels import RAW, ZLIB, StoredVoxels, numbered
from .units import millimetres

SUFFIXES = (".mha", ".mhd")

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}

_SEQUENCE_KINDS = ("list", "time")

# Fields of the format itself.
_OWN_FIELDS = {
    *("ObjectType", "ObjectSubType", "NDims", "Name", "ID", "ParentID", "Comment", "Color"),
    *("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData"),
    *("CompressedDataSize", "CompressionLevel", "TransformMatrix", "Rotation", "Orientation"),
    *("Offset", "Position", "Origin", "CenterOfRotation", "AnatomicalOrientation", "DistanceUnits"),
    *("ElementSpacing", "ElementSize", "DimSize", "HeaderSize", "SequenceID", "ElementMin"),
    *("ElementMax", "ElementNumberOfChannels", "ElementToIntensityFunctionSlope"),
    *("ElementToIntensityFunctionOffset", "ElementType", "ElementDataFile", "Kinds"),
    *("ElementNBits", "ElementOrigin", "ElementDirection"),
}

_MOST_LINE_BYTES = 2**20
_MOST_LINES = 10**6

_Header = dict[str, str]


def open_meta_image(path: Path) -> ImageFile:
    """Read the header of a MetaImage file.

    Raises:
        InputError: no MetaImage, or more than four dimensions.
    """
    try:
        with open(path, "rb") as file:
            header = _read_header(file)
            size = [int(word) for word in header["DimSize"].split()]
            if len(size) != int(header["NDims"]) or min(size) < 1:
                raise ValueError(f"DimSize {size}")
            stored = _stored(path, file, header)
        if any(kind in _SEQUENCE_KINDS for kind in _kinds(header)[:-1]):
            raise InputError(
                f"{path} does not list its images along the last of its axes (Kinds = "
                f"{header['Kinds']}); save it with the list last."
            )
        sequence = _has_sequence(header, size)
        if len(size) - sequence not in (2, 3):
            raise InputError(f"{path} has {len(size)} dimensions; extract one 3D volume from it.")
        dtype = _dtype(path, header)
        components = int(header.get("ElementNumberOfChannels", 1))
        grid, stated = _grid(header, size, sequence)
    except InputError:
        raise
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        raise UnreadableError(path) from error

    @cache
    def all_values() -> np.ndarray:
        values = _values(header, stored, dtype, int(np.prod(size, dtype=object)) * components)
        return values.reshape(-1, *grid.shape, *([components] if components > 1 else []))

    def load(index: int) -> np.ndarray:
        return all_values()[index]

    several = COLOUR if components in (3, 4) and dtype.kind == "u" else VECTOR
    image = ImageFile(
        path=path,
        grid=grid,
        states_spacing=stated,
        dtype=dtype,
        load=load,
        count=size[-1] if sequence else 1,
        images="frames of a sequence" if _is_list(header) else "time points (4D)",
        components=components,
        meaning=GREY if components == 1 else several,
        seconds=plus_fields.seconds(header, size[-1]) if sequence else (),
        metadata=_metadata(header),
    )
    return plus_fields.shown_upright(image, header)


def write_frames(
    path: Path,
    frames: np.ndarray,
    grid: Grid,
    seconds: Sequence[float],
    fields: dict[str, str],
    compress: bool = True,
) -> None:
    """Write flat images as a sequence of PLUS.

    Args:
        path: ``.mha``; is overwritten.
        frames: [n, j, i], little-endian, of a dtype that MetaImage has.
        grid: of each frame.
        seconds: when each was taken; empty where that is not known.
        fields: header fields, ASCII on one line each.
        compress: whether to.
    """
    kinds = {code: name for name, code in reversed(_TYPES.items())}
    voxels = np.ascontiguousarray(frames).tobytes()
    packed = zlib.compress(voxels, 2) if compress else voxels
    count, rows, columns = frames.shape
    # Of the third nobody asks; but 1 mm all around is what PLUS writes where it does not know.
    depth = 2.0 if grid.spacing[:2] == (1.0, 1.0) else 1.0
    lines = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": str(compress),
        **({"CompressedDataSize": str(len(packed))} if compress else {}),
        "DimSize": f"{columns} {rows} {count}",
        "ElementSpacing": " ".join(repr(step) for step in (*grid.spacing[:2], depth)),
        "Offset": " ".join(repr(place) for place in grid.origin),
        "TransformMatrix": " ".join(repr(float(part)) for part in grid.axes.T.ravel()),
        "Kinds": "domain domain list",
        "ElementType": kinds[frames.dtype.str[1:]],
        **{
            key: value.encode("ascii", "backslashreplace").decode() for key, value in fields.items()
        },
    }
    for number in range(count):
        frame = f"Seq_Frame{number:04d}"
        lines[f"{frame}_FrameNumber"] = str(number)
        if seconds:
            lines[f"{frame}_Timestamp"] = repr(float(seconds[number]))
    lines["ElementDataFile"] = "LOCAL"
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    path.write_bytes(text.encode() + packed)


def _read_header(file: BinaryIO) -> _Header:
    """Return the header's fields, up to the one that says where the voxels are."""
    header: _Header = {}
    for _ in range(_MOST_LINES):
        line = file.readline(_MOST_LINE_BYTES)
        key, equals, value = line.partition(b"=")
        if not line.endswith(b"\n") or not equals:
            if line.strip():
                raise ValueError(line)
            continue
        name = key.strip().decode().removeprefix(BYTE_ORDER_MARK)
        header.setdefault(name, value.strip().decode("utf-8", "replace"))
        if name == "ElementDataFile":
            return header
    raise ValueError("ElementDataFile")


def _is_true(header: _Header, name: str, default: str) -> bool:
    return header.get(name, default)[:1].lower() in ("t", "y", "1")


def _dtype(path: Path, header: _Header) -> np.dtype:
    """Return the type of the values.

    Raises:
        InputError: it is none of numbers.
    """
    name = header["ElementType"].upper().removesuffix("_ARRAY")
    if name not in _TYPES:
        raise InputError(
            f"{path} holds values of the type {name}, which is not read; save them as whole "
            "numbers, MET_FLOAT or MET_DOUBLE."
        )
    return np.dtype(_byte_order(header) + _TYPES[name])


def _byte_order(header: _Header) -> str:
    other = header.get("ElementByteOrderMSB", "False")
    return ">" if _is_true(header, "BinaryDataByteOrderMSB", other) else "<"


def _stored(path: Path, file: BinaryIO, header: _Header) -> StoredVoxels:
    """Return where the voxels are; the file has been read up to the end of its header."""
    named, start = header["ElementDataFile"], int(header.get("HeaderSize", 0))
    compressed = _is_true(header, "CompressedData", "False")
    packed = int(float(header.get("CompressedDataSize", 0))) if compressed else 0
    words = named.split()
    files: tuple[Path, ...]
    if named.upper() == "LOCAL":
        files, start = (path,), file.tell()
    elif words[0] == "LIST":
        names = [line.decode("utf-8", "surrogateescape").strip() for line in file]
        files, packed = tuple(path.parent / name for name in names if name), 0
    elif "%" in words[0] and len(words) >= 2:
        first, last, step = ([int(word) for word in words[1:4]] + [1, 1])[:3]
        files, packed = numbered(path.parent, words[0], first, last, step), 0
    else:
        files = (path.parent / named,)
    if start < StoredVoxels.LAST or packed < 0 or not files:
        raise ValueError(f"HeaderSize {start}, CompressedDataSize {packed}")
    stored = StoredVoxels(path, files, ZLIB if compressed else RAW, start, stored=packed)
    stored.check_there()
    return stored


def _values(header: _Header, stored: StoredVoxels, dtype: np.dtype, count: int) -> np.ndarray:
    """Return all values in native byte order."""
    if not _is_true(header, "BinaryData", "True"):
        return stored.numbers(dtype, count)
    values = np.frombuffer(stored.read(count * dtype.itemsize), dtype)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _kinds(header: _Header) -> list[str]:
    return header.get("Kinds", "").lower().split()


def _is_list(header: _Header) -> bool:
    return bool(_kinds(header)) or plus_fields.is_plus(header)


def _has_sequence(header: _Header, size: list[int]) -> bool:
    """Whether images follow each other along the last axis."""
    if _kinds(header):
        return _kinds(header)[-1] in _SEQUENCE_KINDS or len(size) == 4
    return len(size) == 4 or (len(size) == 3 and plus_fields.frame_count(header) > 1)


def _grid(header: _Header, size: list[int], sequence: bool) -> tuple[Grid, bool]:
    """Return where the voxels lie, and whether the file says how far apart they are."""
    count = len(size)
    spacing = _numbers(header, ("ElementSpacing", "ElementSize"), count, np.ones(count))
    origin = _numbers(header, ("Offset", "Position", "Origin"), count, np.zeros(count))
    names = ("TransformMatrix", "Rotation", "Orientation")
    axes = _numbers(header, names, count * count, np.eye(count).ravel()).reshape(count, count).T
    flat = min(count - sequence, 3)  # the third number of flat frames is not about space
    steps = np.ones(3)
    steps[:flat] = spacing[:flat] * _unit(header)
    stated = "ElementSpacing" in header or "ElementSize" in header
    stated = stated and not math.isnan(millimetres(header.get("DistanceUnits", "")))
    if not plus_fields.states_spacing(header, spacing):
        scales = plus_fields.transform_spacing(header)
        stated = scales is not None
        steps[:flat] = steps[:flat] if scales is None else scales[:flat]
    axes3, start = np.eye(3), np.zeros(3)
    placed = min(count, 3)
    axes3[:placed, :placed] = axes[:placed, :placed]
    start[:placed] = origin[:placed] * _unit(header)
    known = np.isfinite(steps) & (steps != 0)
    if not known[:2].all():
        stated, steps = False, np.ones(3)
    return Grid.of([*size[:flat], 1][:3], steps, start, axes3), stated


def _unit(header: _Header) -> float:
    """Return how many mm the unit of lengths is."""
    mm = millimetres(header.get("DistanceUnits", ""))
    return 1.0 if math.isnan(mm) else mm


def _numbers(
    header: _Header, names: tuple[str, ...], count: int, default: np.ndarray
) -> np.ndarray:
    """Return that many numbers of the first of the fields that is there."""
    value = next((header[name] for name in names if name in header), None)
    if value is None:
        return default
    numbers = np.array(value.split(), float)
    if len(numbers) != count:
        raise ValueError(f"{names[0]} {value}")
    return numbers


def _metadata(header: _Header) -> dict[str, str]:
    """Return the fields that people or programs put there, not those of the format."""
    kept = {
        name: value
        for name, value in header.items()
        if name not in _OWN_FIELDS and not plus_fields.is_frame_field(name)
    }
    return {k: v for k, v in kept.items() if k.isprintable() and v not in ("", "MET_MOD_UNKNOWN")}
