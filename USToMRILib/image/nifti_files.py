"""NIfTI files (``.nii``, ``.nii.gz``, ``.hdr`` with ``.img``) and Analyze, by nibabel."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from .grid import Grid
from .image_file import COLOUR, GREY, VECTOR, ImageFile
from .reading import UnreadableError

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")

_GZIP_MAGIC = b"\x1f\x8b"

# NIfTI's x and y point to right and anterior, ours to left and posterior.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])

_SCANNER = 1
# How far directions may be from orthonormal, or both forms apart, to be float32's doing.
_TOLERANCE = 1e-3
# How far, as a part of it, the spacing of the sform may be from pixdim's.
_SPACING_TOLERANCE = 5e-3

# Millimetres by the code of spatial units; 0 is unknown.
_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}

_RGB = {128: 3, 2304: 4}
_COMPLEX = "complex numbers"
_NO_REAL_NUMBERS = {1: "single bits", 32: _COMPLEX, 1792: _COMPLEX, 2048: _COMPLEX}


def open_nifti(path: Path) -> ImageFile:
    """Read the header of a NIfTI-1, NIfTI-2 or Analyze file.

    Raises:
        InputError: no such file, more dimensions than a sequence of volumes or of vectors has, or
            a header that states two spacings.
    """
    header_path, voxels_path = _pair(path)
    try:
        with _decompressed(path, header_path) as file:
            header = _read_header(file)
        shape = [int(n) for n in header["dim"][1 : 1 + int(header["dim"][0])]]
        if not shape or min(shape) < 1:
            raise ValueError(f"dim {shape}")
        size = [*shape, 1, 1, 1, 1, 1][:5]
        if any(n > 1 for n in shape[5:]) or (size[3] > 1 and size[4] > 1):
            raise InputError(f"{path} has {len(shape)} dimensions; extract one 3D volume from it.")
        code = int(header["datatype"])
        dtype = _dtype(path, header)
        grid, stated, doubt = _grid(header, size)
        start = int(header["vox_offset"]) if "vox_offset" in header else 0
        slope, intercept = header.get_slope_inter() if header.has_data_slope else (None, None)
    except InputError:
        raise
    except Exception as error:  # nibabel raises whatever it meets in a damaged header
        raise UnreadableError(path) from error
    is_single = header_path == voxels_path
    if is_single and not hasattr(header, "single_vox_offset"):
        raise UnreadableError(path)

    @cache
    def all_values() -> np.ndarray:
        first = max(start, header.single_vox_offset) if is_single else start
        values = _read_values(path, voxels_path, first, header)
        if code in _RGB:
            return values.view(np.uint8).reshape(size[3], *grid.shape, _RGB[code])
        values = _scaled(values, slope, intercept)
        if size[4] > 1:
            return np.moveaxis(values.reshape(size[4], *grid.shape), 0, -1)[np.newaxis]
        return values.reshape(size[3], *grid.shape)

    def load(index: int) -> np.ndarray:
        return all_values()[index]

    components = _RGB.get(code, size[4])
    return ImageFile(
        path=path,
        grid=grid,
        states_spacing=stated,
        spacing_doubt=doubt,
        dtype=dtype,
        load=load,
        count=size[3],
        components=components,
        meaning=COLOUR if code in _RGB else VECTOR if components > 1 else GREY,
        seconds=_seconds(header, size[3]),
        metadata=_metadata(header),
    )


def _dtype(path: Path, header: Any) -> np.dtype:
    """Return the type of a file's values, of each colour where it has several.

    Raises:
        InputError: they are no real numbers.
    """
    code = int(header["datatype"])
    if code in _NO_REAL_NUMBERS:
        raise InputError(
            f"{path} holds {_NO_REAL_NUMBERS[code]}, which are not read; save them as real numbers "
            "of 8 bits or more."
        )
    dtype = np.dtype(np.uint8) if code in _RGB else header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise ValueError(f"datatype {code}")
    return dtype


def _pair(path: Path) -> tuple[Path, Path]:
    """Return the files that hold header and voxels: the same one, or ``.hdr`` and ``.img``."""
    name = path.name
    for old, new in ((".hdr", ".img"), (".img", ".hdr")):
        for end in ("", ".gz"):
            if name.lower().endswith(old + end):
                stem = name[: len(name) - len(old + end)]
                twin = _sibling(path, stem, new)
                return (path, twin) if old == ".hdr" else (twin, path)
    return path, path


def _sibling(path: Path, stem: str, suffix: str) -> Path:
    """Return the file that goes with one, compressed as that is rather than otherwise."""
    ends = ("", ".gz", ".GZ")
    if path.suffix.lower() == ".gz":
        ends = ends[::-1]
    names = [stem + s + end for end in ends for s in (suffix, suffix.upper())]
    for name in names:
        if (path.parent / name).is_file():
            return path.parent / name
    what = "voxels" if suffix == ".img" else "header"
    raise InputError(
        f"{path} goes with {path.parent / names[0]}, which holds its {what} and is not there; put "
        "that file beside it."
    )


@contextmanager
def _decompressed(path: Path, part: Path) -> Iterator[BinaryIO]:
    """Open a file that is compressed if its first bytes say so, whatever its name says.

    Raises:
        UnreadableError: it is damaged where it is read.
    """
    try:
        with open(part, "rb") as file:
            if file.read(2) != _GZIP_MAGIC:
                file.seek(0)
                yield file
                return
            file.seek(0)
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]
    except (EOFError, OSError, ValueError, OverflowError, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise UnreadableError(path) from error


def _read_header(file: BinaryIO) -> Any:
    """Return nibabel's header of whichever kind the file begins with.

    Raises:
        ValueError: it begins with none.
    """
    from nibabel.analyze import AnalyzeHeader
    from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
    from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader

    block = file.read(540)
    kind: Any
    if block[344:347] in (b"n+1", b"ni1"):
        kind, length = (Nifti1Header if block[345:346] == b"+" else Nifti1PairHeader), 348
    elif block[4:7] in (b"n+2", b"ni2"):
        kind, length = (Nifti2Header if block[5:6] == b"+" else Nifti2PairHeader), 540
    else:
        kind, length = AnalyzeHeader, 348
    header = kind(block[:length], check=False)
    if int(header["sizeof_hdr"]) != length or not 1 <= int(header["dim"][0]) <= 7:
        raise ValueError("no header")
    return header


def _read_values(path: Path, part: Path, start: int, header: Any) -> np.ndarray:
    """Return the stored values of the whole file, slowest axis first, once they are all there.

    Raises:
        UnreadableError: the file ends too early, or its checksum is wrong.
    """
    shape = header.get_data_shape()[::-1]
    dtype = header.get_data_dtype()
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    voxels = bytearray()
    with _decompressed(path, part) as file:
        file.seek(start)
        while len(voxels) < needed:
            block = file.read(min(2**24, needed - len(voxels)))
            if not block:
                raise UnreadableError(path)
            voxels += block
        while file.read(2**24):  # the checksum comes last
            pass
    values = np.frombuffer(voxels, dtype).reshape(shape)
    return values if dtype.fields else values.astype(dtype.newbyteorder("="), copy=False)


def _scaled(values: np.ndarray, slope: float | None, intercept: float | None) -> np.ndarray:
    """Return the values that the header's slope and intercept make of the stored ones."""
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if (slope, intercept) == (1.0, 0.0):
        return values
    wide = np.float64 if values.dtype == np.float64 else np.float32
    return (values.astype(np.float64) * slope + intercept).astype(wide)


def _grid(header: Any, size: list[int]) -> tuple[Grid, bool, str]:
    """Return where the voxels lie, whether the file states their spacing, and what is doubtful.

    As in ITK, the sform goes before the qform, so that an image lies where Slicer shows it, and
    without either its axes are ours.
    """
    is_nifti = "sform_code" in header
    codes = [int(header[f"{form}_code"]) if is_nifti else 0 for form in ("sform", "qform")]
    unit = _UNITS.get(int(header["xyzt_units"]) & 7, 1.0) if is_nifti else 1.0
    spacing = np.abs(np.asarray(header["pixdim"][1:4], float))
    doubt = ""
    if codes[0] > 0:
        lengths = np.linalg.norm(np.asarray(header.get_sform(), float)[:3, :3], axis=0)
        doubt = _contradiction(lengths * unit, spacing * unit, size)
        spacing = np.where(spacing > 0, spacing, lengths)
    no_form = max(codes) <= 0 and not (is_nifti and int(header["xyzt_units"]) & 7)
    # 1 mm all around, of no known unit, is what programs write that do not know.
    unknown = no_form and bool((spacing == 1).all())
    stated = bool((spacing[:2] > 0).all()) and not unknown
    spacing = np.where(spacing > 0, spacing * unit, 1.0)
    axes, origin = np.eye(3), np.zeros(3)
    affine = _affine(header, *codes)
    if affine is not None:
        axes, origin = _RAS_TO_LPS @ affine[:3, :3], _RAS_TO_LPS @ affine[:3, 3] * unit
        lengths = np.linalg.norm(axes, axis=0)
        axes = axes / np.where(lengths > 0, lengths, 1.0)
        if lengths[2] == 0:
            axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    return Grid.of(size[:3], spacing, origin, axes), stated, doubt


def _contradiction(sform: np.ndarray, pixdim: np.ndarray, size: list[int]) -> str:
    """Say what is wrong where both state a spacing (mm) and the two are not the same."""
    both = (sform > 0) & (pixdim > 0) & (np.array(size[:3]) > 1)
    if np.allclose(sform[both], pixdim[both], rtol=_SPACING_TOLERANCE, atol=0):
        return ""
    both_mm = (" x ".join(f"{mm:.4g}" for mm in spacing) for spacing in (sform, pixdim))
    return "states two voxel spacings, {} mm in its sform and {} mm in pixdim".format(*both_mm)


def _affine(header: Any, sform_code: int, qform_code: int) -> np.ndarray | None:
    """Return the matrix from indices to RAS that the file means, None where it has none."""
    sform = np.asarray(header.get_sform(), float) if sform_code > 0 else None
    qform = _qform(header) if qform_code > 0 else None
    if sform is None or qform is None:
        return qform if sform is None else sform
    columns = sform[:3, :3] / np.linalg.norm(sform[:3, :3], axis=0).clip(np.finfo(float).tiny)
    straight = np.allclose(columns.T @ columns, np.eye(3), rtol=0, atol=_TOLERANCE)
    alike = np.allclose(sform, qform, rtol=0, atol=_TOLERANCE)
    return sform if straight and (sform_code == _SCANNER or alike) else qform


def _qform(header: Any) -> np.ndarray:
    """Return the qform of a header that may break the rules, as the NIfTI library takes it."""
    kept = header.copy()
    kept["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1
    kept["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    names = ("quatern_b", "quatern_c", "quatern_d")
    length = float(np.linalg.norm([float(header[name]) for name in names]))
    for name in names if length > 1 else ():
        kept[name] = header[name] / length
    return np.asarray(kept.get_qform(), float)


def _seconds(header: Any, count: int) -> tuple[float, ...]:
    """Return the times of a series' volumes from the first."""
    if "xyzt_units" not in header:
        return ()
    unit = _SECONDS.get(int(header["xyzt_units"]) & 56)
    step = float(header["pixdim"][4])
    return tuple(n * step * unit for n in range(count)) if unit and step > 0 else ()


def _metadata(header: Any) -> dict[str, str]:
    text = header["descrip"].tobytes().split(b"\0")[0].decode("utf-8", "replace").strip()
    return {"descrip": text} if text.isprintable() and text else {}
