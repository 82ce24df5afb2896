"""Random image files, whole and damaged, from a seed; and what a reference reader makes of them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import nibabel
import numpy as np
import SimpleITK as sitk
import tifffile
from numpy.random import Generator
from PIL import Image

from Testing.image.dicom_files import dicom_image, us_region
from USToMRILib.image.grid import Grid
from USToMRILib.image.reading import luma

# Values [k, j, i] and, where the reader knows one, the grid.
Reference = tuple[np.ndarray, Optional[Grid]]


@dataclass(frozen=True)
class Format:
    """A kind of file: how to write one, how a reference reader reads it, and what it lacks.

    Attributes:
        write: an image [k, j, i] on a grid to a path.
        read: what the reference reader makes of a file; raises anything for one it cannot read.
        dtypes: that it holds.
        flat: whether it holds a single slice only.
        has_spacing: whether the file states one.
        checked: whether any damage to its voxels can be noticed.
    """

    write: Callable[[Path, np.ndarray, Grid], None]
    read: Callable[[Path], Reference]
    dtypes: tuple[str, ...]
    flat: bool = False
    has_spacing: bool = True
    checked: bool = False


def random_grid(random: Generator, flat: bool) -> Grid:
    """A small grid anywhere, turned at will."""
    size = (*random.integers(3, 20, 2), 1 if flat else random.integers(1, 6))
    axes = np.linalg.qr(random.normal(size=(3, 3)))[0]
    return Grid.of([int(n) for n in size], random.uniform(0.1, 3, 3), random.normal(0, 90, 3), axes)


def _itk(array: np.ndarray, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image


def _write_itk(compress: bool) -> Callable[[Path, np.ndarray, Grid], None]:
    def write(path: Path, array: np.ndarray, grid: Grid) -> None:
        sitk.WriteImage(_itk(array, grid), str(path), useCompression=compress)

    return write


def _read_itk(path: Path) -> Reference:
    image = sitk.ReadImage(str(path))
    if image.GetNumberOfComponentsPerPixel() > 1 or image.GetDimension() > 3:
        raise ValueError("not one grey image")
    grid = Grid.from_sitk(image)
    return sitk.GetArrayFromImage(image).reshape(grid.shape), grid


def _read_nibabel(path: Path) -> Reference:
    image = nibabel.load(path)
    return np.asanyarray(image.dataobj).T, None


def _write_nifti2(path: Path, array: np.ndarray, grid: Grid) -> None:
    nibabel.save(nibabel.Nifti2Image(array.T, np.diag([-1.0, -1, 1, 1]) @ grid.ijk_to_lps), path)


def _write_picture(**how: object) -> Callable[[Path, np.ndarray, Grid], None]:
    return lambda path, array, grid: Image.fromarray(array[0]).save(path, **how)


def _read_picture(path: Path) -> Reference:
    with Image.open(path) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise ValueError("not one picture")
        values = np.array(picture if picture.mode in ("L", "I;16") else picture.convert("RGB"))
    return (luma(values) if values.ndim == 3 else values)[None], None


def _write_tiff(**how: object) -> Callable[[Path, np.ndarray, Grid], None]:
    return lambda path, array, grid: tifffile.imwrite(path, array[0], **how)


def _read_tiff(path: Path) -> Reference:
    with tifffile.TiffFile(path) as tiff:
        if len(tiff.pages) != 1 or tiff.pages[0].photometric.name != "MINISBLACK":
            raise ValueError("not one grey picture")
        return tiff.pages[0].asarray()[None], None


def _write_dicom(path: Path, array: np.ndarray, grid: Grid) -> None:
    dataset = dicom_image(array[0], SequenceOfUltrasoundRegions=[us_region(0.02, 0.03)])
    dataset.save_as(path, enforce_file_format=True)


def _read_dicom(path: Path) -> Reference:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    image = reader.Execute()
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise ValueError("not grey")
    return sitk.GetArrayFromImage(image), None


_ANY = ("u1", "i2", "u2", "i4", "f4", "f8")
FORMATS = {
    "nrrd": Format(_write_itk(False), _read_itk, _ANY),
    "gz.nrrd": Format(_write_itk(True), _read_itk, _ANY, checked=True),
    "mha": Format(_write_itk(False), _read_itk, _ANY),
    "gz.mha": Format(_write_itk(True), _read_itk, _ANY, checked=True),
    "nii": Format(_write_itk(False), _read_itk, _ANY),
    "nii.gz": Format(_write_itk(True), _read_itk, _ANY, checked=True),
    "2.nii": Format(_write_nifti2, _read_nibabel, _ANY),
    "png": Format(_write_picture(), _read_picture, ("u1", "u2"), True, False, True),
    "bmp": Format(_write_picture(), _read_picture, ("u1",), True, False),
    "jpg": Format(_write_picture(), _read_picture, ("u1",), True, False),
    "gif": Format(_write_picture(), _read_picture, ("u1",), True, False),
    "webp": Format(_write_picture(lossless=True), _read_picture, ("u1",), True, False),
    "tif": Format(_write_tiff(), _read_tiff, _ANY, True, False),
    "lzw.tif": Format(_write_tiff(compression="lzw"), _read_tiff, _ANY, True, False),
    "zip.tif": Format(_write_tiff(compression="zlib"), _read_tiff, _ANY, True, False, True),
    "dcm": Format(_write_dicom, _read_dicom, ("u1", "u2"), True),
}


def damage(content: bytes, random: Generator) -> bytes:
    """Return the content of a file, changed somewhere, in one of many ways."""
    changed = bytearray(content)
    length = len(changed)
    kind = random.integers(8)
    if kind == 0:
        del changed[int(random.integers(length)) :]
    elif kind == 1:
        changed[-int(random.integers(1, max(2, length // 2))) :] = b""
        changed += bytes(length - len(changed))
    elif kind in (2, 3):
        for place in random.integers(length, size=random.integers(1, 6)):
            changed[place] ^= 1 << int(random.integers(8))
    elif kind == 4:  # in the header
        for place in random.integers(min(length, 400), size=random.integers(1, 4)):
            changed[place] = int(random.integers(256))
    elif kind == 5:
        start = int(random.integers(length))
        del changed[start : start + int(random.integers(1, 40))]
    elif kind == 6:
        start = int(random.integers(length))
        changed[start:start] = random.bytes(int(random.integers(1, 40)))
    else:
        changed = _other_line(changed, random)
    return bytes(changed)


def _other_line(content: bytearray, random: Generator) -> bytearray:
    """Change a number, drop or repeat a line of a text header."""
    lines = content.split(b"\n")
    number = int(random.integers(min(len(lines), 14)))
    kind = random.integers(3)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.insert(number, lines[number])
    else:
        other = random.choice([b"-1", b"0", b"nan", b"1e9", b"x", b"", b"99999999999"])
        words = lines[number].split(b" ")
        words[int(random.integers(len(words)))] = bytes(other)
        lines[number] = b" ".join(words)
    return bytearray(b"\n".join(lines))


def reference(path: Path, kind: Format) -> Reference | None:
    """What the reference reader makes of a file, None where it refuses it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind.read(path)
    except Exception:  # a reference reader may raise anything
        return None


def in_memory_jpeg(array: np.ndarray) -> np.ndarray:
    """What remains of a picture after JPEG."""
    stream = io.BytesIO()
    Image.fromarray(array[0]).save(stream, "JPEG")
    return np.array(Image.open(stream))[None]
