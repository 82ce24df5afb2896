"""NRRD files. pynrrd understands the header; numbers mean the same in every locale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from . import plus_fields
from .grid import Grid
from .image_file import COLOUR, GREY, VECTOR, ImageFile
from .reading import BYTE_ORDER_MARK, UnreadableError
from .stored_voxels import BZIP2, GZIP, RAW, StoredVoxels, numbered
from .units import millimetres

SUFFIXES = (".nrrd", ".nhdr")

# Signs that bring positions to LPS, of all spaces that there are; one that is not a patient's is
# taken as it is.
_TO_LPS = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
    "scanner-xyz": (1, 1, 1),
    "3d-right-handed": (1, 1, 1),
    "3d-left-handed": (1, 1, 1),
    "": (1, 1, 1),
}
_WITH_TIME = {"rast": "ras", "last": "las", "lpst": "lps"}

_UNKNOWN_KINDS = ("none", "???", "")
_SPACE_KINDS = ("domain", "space", *_UNKNOWN_KINDS)
_SEQUENCE_KINDS = ("list", "time")
_SINGLE_KINDS = ("stub", "scalar")
_COLOUR_KINDS = ("rgb-color", "3-color", "rgba-color", "4-color")

# NumPy's name of a type by NRRD's; the first of them is written.
NRRD_TYPES = {
    name: code
    for code, names in {
        "u1": "unsigned char,uchar,uint8,uint8_t",
        "i1": "signed char,int8,int8_t",
        "i2": "short,short int,signed short,signed short int,int16,int16_t",
        "u2": "unsigned short,ushort,unsigned short int,uint16,uint16_t",
        "i4": "int,signed int,int32,int32_t",
        "u4": "unsigned int,uint,uint32,uint32_t",
        "i8": "long long,longlong,long long int,signed long long,int64,int64_t",
        "u8": "unsigned long long,ulonglong,unsigned long long int,uint64,uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split(",")
}
_ENCODINGS = {"raw": RAW, "gzip": GZIP, "gz": GZIP, "bzip2": BZIP2, "bz2": BZIP2}
_BYTE_ORDERS = {"little": "<", "big": ">"}
_NUMBERS, _HEX = ("ascii", "text", "txt"), "hex"

# The fields that are looked at; others may be malformed without harm.
_FIELDS = {
    *("type", "dimension", "space", "sizes", "spacings", "kinds", "units", "labels"),
    *("centerings", "endian", "encoding", "space dimension", "axis mins", "axis maxs"),
    *("space units", "space directions", "space origin", "line skip", "byte skip", "data file"),
}
_OTHER_NAMES = {
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "datafile": "data file",
    "axismins": "axis mins",
    "axismaxs": "axis maxs",
    "centers": "centerings",
}
_QUOTED = ("labels", "units", "space units")

_Header = dict[str, Any]


@dataclass(frozen=True)
class _Axes:
    """Which axes of the file, counted from the fastest, are what.

    Attributes:
        space: two or three, along i, j and k.
        sequence: along which images follow each other, if any.
        values: along which the values of a voxel lie, if any.
        others: of length 1 that stand for nothing.
    """

    space: tuple[int, ...]
    sequence: int | None
    values: int | None
    others: tuple[int, ...]


def open_nrrd(path: Path) -> ImageFile:
    """Read the header of an NRRD file.

    Raises:
        InputError: no NRRD file, or more axes than an image or a sequence of images has.
    """
    try:
        with open(path, "rb") as file:
            header, fields = _read_header(file)
            stored = _stored(path, file, header)
        sizes = [int(size) for size in header["sizes"]]
        if len(sizes) != header["dimension"] or min(sizes) < 1:
            raise ValueError(f"sizes {sizes}")
        dtype = _dtype(path, header)
        axes = _axes(path, header, sizes)
        grid, stated = _grid(path, header, fields, axes, sizes)
    except InputError:
        raise
    except Exception as error:  # pynrrd raises whatever it meets in a damaged header
        raise UnreadableError(path) from error

    @cache
    def values_of_all() -> np.ndarray:
        return _values(header, stored, dtype, sizes)

    def load(index: int) -> np.ndarray:
        values = values_of_all()
        order = (*axes.others, axes.sequence, *axes.space[::-1], axes.values)
        voxels = values.transpose([len(sizes) - 1 - axis for axis in order if axis is not None])
        voxels = voxels[(0,) * len(axes.others)]
        voxels = voxels if axes.sequence is None else voxels[index]
        return np.ascontiguousarray(voxels).reshape(*grid.shape, *voxels.shape[len(axes.space) :])

    listed = _kind(header, axes.sequence) == "list"
    image = ImageFile(
        path=path,
        grid=grid,
        states_spacing=stated,
        dtype=dtype,
        load=load,
        count=1 if axes.sequence is None else sizes[axes.sequence],
        images="frames of a sequence" if listed else "time points (4D)",
        components=1 if axes.values is None else sizes[axes.values],
        meaning=_meaning(header, axes.values),
        seconds=_seconds(header, fields, axes.sequence, sizes),
        metadata=_metadata(fields, axes.sequence),
    )
    return plus_fields.shown_upright(image, fields)


def _unescaped(value: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in value.split("\\\\"))


def _read_header(file: BinaryIO) -> tuple[_Header, dict[str, str]]:
    """Return the fields that describe the image, parsed, and the key/value pairs."""
    import nrrd

    lines = [_text(file.readline(2**10)).removeprefix(BYTE_ORDER_MARK)]
    fields: dict[str, str] = {}
    while stored := file.readline(2**26):
        line = _text(stored)
        if not line:
            break
        if line.startswith("#"):
            continue
        name, _, value = line.partition(":")
        name = _OTHER_NAMES.get(name.strip().lower(), name.strip().lower())
        if value.startswith("="):
            fields.setdefault(line.partition(":=")[0], _unescaped(value[1:]))
        elif name in _FIELDS and not any(known.startswith(f"{name}:") for known in lines):
            value = value.strip()
            if name == "space origin" and value.lower() == "none":
                continue
            lines.append(f"{name}: {_requoted(value) if name in _QUOTED else value}")
            if name == "data file":
                break  # names of files may follow
    else:
        raise ValueError("The header has no end.")
    return dict(nrrd.read_header(lines)), fields


def _text(line: bytes) -> str:
    try:
        return line.decode().rstrip()
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip()


def _requoted(value: str) -> str:
    """Return a list of quoted words as pynrrd can split it, apostrophes and all."""
    words = value.split('"')[1::2] if '"' in value else value.split()
    return " ".join('"' + word.replace("\\", "\\\\") + '"' for word in words)


def _stored(path: Path, file: BinaryIO, header: _Header) -> StoredVoxels:
    """Return where the voxels are; the file has been read up to the end of its header."""
    encoding = header["encoding"].lower()
    if encoding not in (*_ENCODINGS, *_NUMBERS, _HEX):
        raise InputError(
            f"{path} stores its voxels in the encoding {encoding!r}, which is not read; save it "
            "with raw or gzip."
        )
    lines, skipped = (int(header.get(f"{what} skip", 0)) for what in ("line", "byte"))
    if lines < 0 or skipped < -1 or (skipped == -1 and encoding != "raw"):
        raise ValueError(f"skips {lines} lines and {skipped} bytes")
    named = header.get("data file")
    start = StoredVoxels.LAST if skipped == -1 else file.tell() if named is None else 0
    files = (path,) if named is None else _data_files(path.parent, named, file)
    kind = _ENCODINGS.get(encoding, RAW)
    stored = StoredVoxels(path, files, kind, start, lines, max(0, skipped))
    stored.check_there()
    return stored


def _data_files(folder: Path, named: str, file: BinaryIO) -> tuple[Path, ...]:
    """Return the files of a detached header: one, those that it lists, or those of a pattern."""
    words = named.split()
    if words[0] == "LIST":
        names = [_text(line) for line in file]
        return tuple(folder / name for name in names if name)
    if "%" in words[0] and len(words) in (4, 5):
        return numbered(folder, words[0], *(int(word) for word in words[1:4]))
    return (folder / named,)


def _dtype(path: Path, header: _Header) -> np.dtype:
    """Return the type of the values.

    Raises:
        InputError: it is none of numbers, or of an unknown byte order.
    """
    name = " ".join(header["type"].lower().split())
    if name not in NRRD_TYPES:
        raise InputError(
            f"{path} holds values of the type {name!r}, which is not read; save them as whole "
            "numbers, float or double."
        )
    dtype = np.dtype(NRRD_TYPES[name])
    if dtype.itemsize == 1 or header["encoding"].lower() in _NUMBERS:
        return dtype
    order = str(header.get("endian", "")).lower()
    if order not in _BYTE_ORDERS:
        raise InputError(
            f"{path} does not say in which order the bytes of its values are; add 'endian: little' "
            "or 'endian: big' to its header."
        )
    return np.dtype(_BYTE_ORDERS[order] + dtype.str[1:])


def _values(header: _Header, stored: StoredVoxels, dtype: np.dtype, sizes: list[int]) -> np.ndarray:
    """Return the values of the whole file with its slowest axis first, in native byte order."""
    count = int(np.prod(sizes, dtype=object))
    encoding = header["encoding"].lower()
    if encoding in _NUMBERS:
        values = stored.numbers(dtype, count)
    elif encoding == _HEX:
        values = np.frombuffer(_bytes_of_hex(stored, count * dtype.itemsize), dtype)
    else:
        values = np.frombuffer(stored.read(count * dtype.itemsize), dtype)
    return values.reshape(sizes[::-1]).astype(dtype.newbyteorder("="), copy=False)


def _bytes_of_hex(stored: StoredVoxels, size: int) -> bytes:
    try:
        found = bytes.fromhex(stored.text())
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise UnreadableError(stored.header) from error
    if len(found) != size:
        raise UnreadableError(stored.header)
    return found


def _kind(header: _Header, axis: int | None) -> str:
    kinds = header.get("kinds", [])
    return kinds[axis].lower() if axis is not None and axis < len(kinds) else ""


def _directions(header: _Header) -> np.ndarray | None:
    """Return the space directions, one row an axis, NaN where an axis has none."""
    stated = header.get("space directions")
    if stated is None or all(row is None or np.isnan(row).all() for row in stated):
        return None
    rows = [row if row is not None else np.array([np.nan]) for row in stated]
    width = max(len(row) for row in rows)
    return np.array([row if len(row) == width else np.full(width, np.nan) for row in rows], float)


def _axes(path: Path, header: _Header, sizes: list[int]) -> _Axes:
    """Tell the axes of space from those of a sequence and of a voxel's values.

    Raises:
        InputError: there are others, or more than three of space.
    """
    space: list[int] = []
    sequence: list[int] = []
    values: list[int] = []
    others: list[int] = []
    directed = _directions(header) is not None
    for axis, size in enumerate(sizes):
        kind = _kind(header, axis)
        nowhere = _is_nowhere(header, axis)
        spare = len(sizes) > 3 and kind in _UNKNOWN_KINDS and nowhere
        if size == 1 and (kind in _SINGLE_KINDS or spare):
            others.append(axis)
        elif kind in _SEQUENCE_KINDS or (
            kind in _UNKNOWN_KINDS and directed and nowhere and size > 1
        ):
            sequence.append(axis)
        elif kind in _SPACE_KINDS:
            space.append(axis)
        else:
            values.append(axis)
    if len(space) > 3:
        elsewhere = [axis for axis in space if _is_nowhere(header, axis)]
        sequence.append(elsewhere[0] if elsewhere else space[-1])
        space.remove(sequence[-1])
    if len(space) not in (2, 3) or len(sequence) > 1 or len(values) > 1:
        raise InputError(f"{path} has {len(sizes)} dimensions; extract one 3D volume from it.")
    one_each = [found[0] if found else None for found in (sequence, values)]
    return _Axes(tuple(space), one_each[0], one_each[1], tuple(others))


def _is_nowhere(header: _Header, axis: int) -> bool:
    """Whether an axis has no direction in space, or no spacing where there are no directions."""
    directions = _directions(header)
    if directions is not None:
        place, time = directions[axis, :3], directions[axis, 3:]
        return bool(np.isnan(place).all() or (time.any() and not place.any()))
    return bool(np.isnan([*header.get("spacings", []), *[0.0] * 16][axis]))


def _meaning(header: _Header, axis: int | None) -> str:
    if axis is None:
        return GREY
    return COLOUR if _kind(header, axis) in _COLOUR_KINDS else VECTOR


def _grid(
    path: Path, header: _Header, fields: dict[str, str], axes: _Axes, sizes: list[int]
) -> tuple[Grid, bool]:
    """Return where the voxels lie, and whether the file says how far apart they are.

    Raises:
        InputError: in a space that NRRD does not have.
    """
    directions = _directions(header)
    columns = np.full((3, 3), np.nan)
    if directions is None:
        steps, origin = _scalar_geometry(header, axes, sizes)
        columns[:, : len(steps)] = np.eye(3)[:, : len(steps)] * steps
    else:
        signs, scales = _to_lps_mm(path, header, directions.shape[1])
        width = len(signs)
        columns[:, : len(axes.space)] = 0.0
        rows = directions[list(axes.space), :width] * signs * scales
        columns[:width, : len(axes.space)] = rows.T
        origin = np.zeros(3)
        stated_origin = np.asarray(header.get("space origin", np.zeros(width)), float)
        origin[:width] = stated_origin[:width] * signs * scales
    if not np.isfinite(origin).all():
        origin = np.zeros(3)
    size = [*(sizes[axis] for axis in axes.space), 1][:3]
    lengths = np.linalg.norm(columns, axis=0)
    columns[:, (lengths == 0) & ([True, True, size[2] == 1])] = np.nan
    stated = bool(np.isfinite(columns[:, :2]).all())
    spacing, direction = _split(columns)
    if stated and not plus_fields.states_spacing(fields, lengths[: len(axes.space)]):
        by_transform = plus_fields.transform_spacing(fields)
        stated = by_transform is not None
        if by_transform is not None:
            spacing[: len(axes.space)] = by_transform[: len(axes.space)]
    return Grid.of(size, spacing, origin, direction), stated


def _split(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return spacing and direction of three axes [3, 3]; 1 mm for those that are NaN."""
    stated = np.isfinite(columns).all(axis=0)
    if not stated[:2].all():
        return np.ones(3), np.eye(3)
    spacing = np.linalg.norm(columns, axis=0)
    axes = columns / np.where(spacing > 0, spacing, 1.0)
    if not stated[2]:
        spacing[2], axes[:, 2] = 1.0, np.cross(axes[:, 0], axes[:, 1])
    return spacing, axes


def _to_lps_mm(path: Path, header: _Header, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sign and the mm of each coordinate of space, two or three of them.

    Raises:
        InputError: nobody knows such a space.
    """
    stated = str(header.get("space", "")).strip()
    space, _, _ = stated.lower().partition("-time")
    space = _WITH_TIME.get(space, space)
    if space not in _TO_LPS:
        raise InputError(
            f"{path} lies in the space {stated!r}, which NRRD does not have; write "
            "left-posterior-superior, right-anterior-superior or left-anterior-superior there, "
            "whichever it is."
        )
    width = min(width, 3)  # the fourth is time
    units = [*header.get("space units", []), "", "", ""][:width]
    scales = np.array([millimetres(unit) for unit in units])
    return np.array(_TO_LPS[space][:width]), scales


def _scalar_geometry(
    header: _Header, axes: _Axes, sizes: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return spacing along the axes of space and origin where they have no directions."""
    chosen = list(axes.space)
    missing = [np.nan] * len(sizes)
    spacings, least, most = (
        np.array([*header.get(name, missing), *missing][: len(sizes)], float)[chosen]
        for name in ("spacings", "axis mins", "axis maxs")
    )
    units = [*header.get("units", []), *[""] * len(sizes)]
    scales = np.array([millimetres(units[axis]) for axis in chosen])
    centerings = [*header.get("centerings", []), *["cell"] * len(sizes)]
    nodes = [centerings[axis] == "node" for axis in chosen]
    steps = np.array([max(1, sizes[axis] - node) for axis, node in zip(chosen, nodes)])
    spacings = np.where(np.isfinite(spacings), spacings, (most - least) / steps)
    start = least + np.where(nodes, 0.0, spacings / 2)
    origin = np.zeros(3)
    if np.isfinite(start).all():
        origin[: len(chosen)] = start * scales
    return spacings * scales, origin


def _seconds(
    header: _Header, fields: dict[str, str], axis: int | None, sizes: list[int]
) -> tuple[float, ...]:
    """Return the times of a sequence's images where the file states that of each.

    Slicer writes them as values of the axis, PLUS as fields of the frames; else they may follow
    each other in steps of the axis's spacing.
    """
    if axis is None:
        return ()
    units, labels = ([*header.get(name, []), *[""] * 16] for name in ("units", "labels"))
    unit = fields.get(f"axis {axis} index unit", "") or units[axis]
    scale = {"s": 1.0, "ms": 1e-3}.get(unit.lower())
    steps = [*header.get("spacings", []), *[np.nan] * 16]
    try:
        times = [float(word) for word in fields.get(f"axis {axis} index values", "").split()]
    except ValueError:
        times = []
    if not times and scale is not None and steps[axis] > 0:
        times = [n * float(steps[axis]) for n in range(sizes[axis])]
    if scale is None and labels[axis].lower() == "time":
        scale = 1.0
    if len(times) != sizes[axis] or scale is None:
        return plus_fields.seconds(fields, sizes[axis])
    return tuple((time - times[0]) * scale for time in times)


def _metadata(fields: dict[str, str], sequence: int | None) -> dict[str, str]:
    """Return the key/value pairs that are not those of a sequence."""
    own = () if sequence is None else (f"axis {sequence} ", "DataNodeClassName", "Seq_Frame")
    return {k: v for k, v in fields.items() if k.isprintable() and v and not k.startswith(own)}
