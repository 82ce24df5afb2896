"""Writing NRRD files, in the form in which Slicer writes volumes and sequences of them."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .grid import Grid
from .nrrd_files import NRRD_TYPES

_NAMES = {code: name for name, code in reversed(NRRD_TYPES.items())}

# What zlib can do in the time that writing the file takes.
_COMPRESSION_LEVEL = 2

_INDEX_UNIT = "axis 0 index unit"


def write_nrrd(
    path: Path,
    array: np.ndarray,
    grid: Grid,
    fields: dict[str, str],
    compress: bool = True,
    seconds: Sequence[float] = (),
) -> None:
    """Write a volume [k, j, i], or a sequence of volumes [n, k, j, i] as Slicer does.

    Args:
        path: is overwritten.
        array: of a dtype that NRRD has.
        grid: of each volume.
        fields: key/value pairs, any text.
        compress: with gzip.
        seconds: when each volume was taken; empty where that is not known.
    """
    if array.ndim == 4:
        array = np.moveaxis(array, 0, -1)
        fields = {**_sequence_fields(array.shape[-1], seconds), **fields}
    packer = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    stream = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    with open(path, "wb") as file:
        file.write(_header_text(array, grid, fields, compress).encode())
        for start in range(0, len(stream), 2**22):
            block = stream[start : start + 2**22]
            file.write(packer.compress(block) if compress else block)
        if compress:
            file.write(packer.flush())


def _header_text(array: np.ndarray, grid: Grid, fields: dict[str, str], compress: bool) -> str:
    axes = [_vector(axis * step) for axis, step in zip(grid.axes.T, grid.spacing)]
    listed = array.ndim - 3
    is_timed = fields.get(_INDEX_UNIT) == "s"
    labels = ['"time"' if is_timed else '"frame"'] * listed + ['""'] * 3
    units = ['"s"' if is_timed else '""'] * listed + ['""'] * 3
    lines = [
        "NRRD0004",
        f"type: {_NAMES[array.dtype.str[1:]]}",
        f"dimension: {array.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in array.shape[::-1])}",
        f"space directions: {' '.join(['none'] * listed + axes)}",
        f"kinds: {' '.join(['list'] * listed + ['domain'] * 3)}",
        *([f"labels: {' '.join(labels)}", f"units: {' '.join(units)}"] if listed else []),
        *(["endian: " + _endian(array.dtype)] if array.dtype.itemsize > 1 else []),
        f"encoding: {'gzip' if compress else 'raw'}",
        f"space origin: {_vector(grid.origin)}",
        *(f"{key}:={_escaped(value)}" for key, value in fields.items()),
    ]
    return "\n".join(lines) + "\n\n"


def _sequence_fields(count: int, seconds: Sequence[float]) -> dict[str, str]:
    """Return the key/value pairs by which Slicer knows a sequence of volumes."""
    values = [repr(float(value)) for value in seconds] or [str(n) for n in range(count)]
    return {
        "axis 0 index type": "numeric",
        "axis 0 index values": " ".join(values),
        **({_INDEX_UNIT: "s"} if seconds else {}),
        "DataNodeClassName": "vtkMRMLScalarVolumeNode",
    }


def _vector(numbers: Any) -> str:
    return f"({','.join(repr(float(number) + 0.0) for number in numbers)})"


def _endian(dtype: np.dtype) -> str:
    order = {"<": "little", ">": "big"}
    return order.get(dtype.byteorder, sys.byteorder)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
