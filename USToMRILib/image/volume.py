"""An image with its geometry: the one type that flows through the library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union

import numpy as np
import SimpleITK as sitk

from .. import files
from ..errors import InputError
from . import dicom, dicom_writing, itk_files, nrrd_writing, picture_files
from .formats import WRITE_PICTURE_SUFFIXES, has_suffix, open_image
from .grid import Grid
from .reading import RawImage, check_pixel_size

PathLike = Union[str, Path]

# Sizes of voxels beyond these are a mistake, such as one of units.
_LEAST_MM, _MOST_MM = 1e-3, 100.0

WRITE_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha", ".dcm")


@dataclass
class Volume:
    """A scalar image on a grid; a 2D image is a volume of one slice.

    Attributes:
        array: voxel values [k, j, i] of any real dtype.
        grid: where the voxels lie.
        metadata: header fields worth keeping, text to text; nothing that identifies a patient
            is read from DICOM.
        source: file or folder that it was read from, or that what it was computed from was: a
            DICOM file written of it is of the same patient and study.

    Raises:
        InputError: the array does not have the grid's shape, or its values are not real numbers.
    """

    array: np.ndarray
    grid: Grid
    metadata: dict[str, str] = field(default_factory=dict)
    source: Optional[Path] = None

    def __post_init__(self) -> None:
        """Check that array and grid belong together."""
        if self.array.shape != self.grid.shape:
            raise InputError(
                f"The array's shape {self.array.shape} differs from the grid's (k, j, i) "
                f"{self.grid.shape}; give an array on the same grid."
            )
        if self.array.dtype.kind not in "biuf":
            raise InputError(
                f"The array's values are {self.array.dtype}, not real numbers; convert them first."
            )

    @property
    def is_slice(self) -> bool:
        """Whether the volume is one 2D slice, that is, has size 1 along k."""
        return self.grid.size[2] == 1

    def with_array(self, array: np.ndarray) -> Volume:
        """Return a volume with the same grid and metadata and other voxel values [k, j, i].

        Raises:
            InputError: the array does not have the grid's shape.
        """
        return Volume(array, self.grid, dict(self.metadata), self.source)

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> Volume:
        """Return the volume of a scalar 2D or 3D SimpleITK image (the voxels are copied)."""
        grid = Grid.from_sitk(image)
        return cls(sitk.GetArrayFromImage(image).reshape(grid.shape), grid)

    def to_sitk(self) -> sitk.Image:
        """Return a 3D SimpleITK image with these voxels (copied) and this geometry.

        Types that SimpleITK or Slicer cannot hold are replaced by the nearest one that holds
        the same values: bool by uint8, float16 by float32, 64-bit integers by 32-bit ones if
        they fit.
        """
        image = sitk.GetImageFromArray(common_dtype(self.array))
        image.SetSpacing(self.grid.spacing)
        image.SetOrigin(self.grid.origin)
        image.SetDirection(self.grid.direction)
        return image

    @classmethod
    def read(
        cls,
        path: PathLike,
        pixel_size: float | None = None,
        frame: int | None = None,
        region: int | None = None,
    ) -> Volume:
        """Read a scalar image: NRRD, NIfTI, MetaImage, DICOM, PNG, JPEG, TIFF or BMP.

        Args:
            path: a file, or a folder that holds the slices of one DICOM series.
            pixel_size: mm, for 2D images that do not state it (pictures, uncalibrated
                ultrasound), and only for those.
            frame: which frame of a cine, page of a TIFF or time point of a 4D image, from 0.
            region: which B-mode image of a DICOM picture that shows several, from 0, from left to
                right.

        Returns:
            The volume. Colour becomes grey of the same dtype (BT.601 luma). The geometry is the
            file's: exact for MetaImage, to the last bit or two of float64 for NRRD, which
            stores products of spacing and direction, and to float32 for NIfTI.

        Raises:
            InputError: missing, unreadable, damaged or of an unknown format; empty, 4D, vectors,
                more than 4 GiB, NaN or infinity, sheared axes; a pixel size missing or needless.
        """
        source = files.expanded(path)
        check_pixel_size(pixel_size)
        try:
            volume = cls(*_read_raw(source, pixel_size, frame, region), source)
            _check_finite(volume.array)
        except InputError as error:
            if str(source) in str(error):
                raise
            raise InputError(f"{source}: {error}") from error
        return volume

    def write(
        self, path: PathLike, metadata: dict[str, str] | None = None, compress: bool = True
    ) -> None:
        """Write the volume as NRRD, NIfTI, MetaImage, DICOM or, one slice, PNG, JPEG, TIFF or BMP.

        The file appears complete or not at all. The volume's metadata, and ``metadata`` on top,
        go into the header as far as the format has room: every field in NRRD, PNG, JPEG and
        TIFF, fields up to 16 KiB in escaped ASCII in MetaImage, 79 characters in NIfTI, the
        description in DICOM, none in BMP. Pictures and DICOM hold 8 bits, pictures no geometry:
        values are taken as 0..255, rounded and clipped.
        Without ``compress``, NRRD and MetaImage are written faster and larger.

        Raises:
            InputError: as ``check_writable``; a dtype that a picture cannot hold; a full disk.
        """
        target = files.expanded(path)
        check_writable(target, self.grid)
        fields = dict(metadata or {})  # before the volume's own: NIfTI keeps only the beginning
        for key, value in self.metadata.items():
            fields.setdefault(key, value)
        with files.atomic(target) as temporary:
            if has_suffix(target, WRITE_PICTURE_SUFFIXES):
                picture_files.write(self.array[0], temporary, fields)
                return
            if has_suffix(target, dicom_writing.SUFFIXES):
                described = fields.get("description", "Derived image")
                sources = dicom_writing.read_sources(self.source)
                bytes_ = picture_files.as_bytes(self.array)
                dicom_writing.write_dicom(temporary, bytes_, self.grid, described, sources)
                return
            fields = {key: " ".join(value.split()) for key, value in fields.items()}
            if has_suffix(target, (".nrrd",)):
                array = common_dtype(self.array)
                nrrd_writing.write_nrrd(temporary, array, self.grid, fields, compress)
            else:
                itk_files.write(self.to_sitk(), temporary, fields, compress)


def check_writable(path: PathLike, grid: Grid | None = None) -> None:
    """Raise InputError unless a volume can be written to this path; call it before long work.

    Looks at the suffix, the folder and its permissions and, if the grid is given, at whether a
    picture format could hold it.
    """
    target = files.expanded(path)
    is_picture = has_suffix(target, WRITE_PICTURE_SUFFIXES)
    if has_suffix(target, (".mhd", ".nhdr")):
        raise InputError(
            f"{target} would become two files, which cannot be replaced as one; "
            "write .mha or .nrrd instead."
        )
    if not is_picture and not has_suffix(target, WRITE_SUFFIXES):
        known = " ".join(WRITE_SUFFIXES + WRITE_PICTURE_SUFFIXES)
        raise InputError(f"{target} has no suffix that can be written; use one of {known}.")
    if is_picture and grid is not None and grid.size[2] > 1:
        raise InputError(
            f"{target} can hold one slice, not {grid.size[2]}; write .nrrd, .nii.gz or .mha."
        )
    files.check_creatable(target)


def check_usable(volume: Volume) -> None:
    """Raise InputError for NaN, infinity, a mask, one value, or voxels of an impossible size."""
    _check_finite(volume.array)
    if not all(_LEAST_MM <= step <= _MOST_MM for step in volume.grid.spacing):
        extent = " x ".join(f"{step:.4g}" for step in volume.grid.spacing)
        raise InputError(
            f"The image's voxels are {extent} mm, which no ultrasound's are; correct the pixel "
            "size that was given, or the spacing in the file."
        )
    if volume.array.dtype == bool:
        raise InputError("The image is a mask, true or false in every voxel; give an ultrasound.")
    if volume.array.min() == volume.array.max():
        raise InputError(
            f"The image is constant (every voxel is {volume.array.flat[0]}); give one that shows "
            "something."
        )


def _read_raw(
    path: Path, pixel_size: float | None, frame: int | None, region: int | None
) -> RawImage:
    """Find the reader for a path and return what it reads."""
    if path.is_dir():
        return dicom.read_folder(path, pixel_size, frame, region)
    files.check_readable(path)
    image = open_image(path)
    if image is None and dicom.is_dicom(path):
        return dicom.read_file(path, pixel_size, frame, region)
    if region is not None:
        raise InputError(f"{path} has no region {region}; leave --region out.")
    if image is not None:
        return image.read(pixel_size, frame)
    raise InputError(
        f"{path} is not in a known format; give NRRD, NIfTI, MetaImage, DICOM, PNG, JPEG, TIFF "
        "or BMP."
    )


def _check_finite(array: np.ndarray) -> None:
    """Raise InputError for NaN, infinity, and what would become one in float32."""
    if array.dtype.kind != "f":
        return
    if not np.isfinite(array).all():
        raise InputError("The image holds NaN or infinite values; replace them, for example by 0.")
    limit = float(np.finfo(np.float32).max)
    if array.dtype.itemsize > 4 and max(array.max(), -array.min()) > limit:
        raise InputError(
            f"The image holds values beyond {limit:.1e}, such as a mark for missing data; replace "
            "them, for example by 0."
        )


def common_dtype(array: np.ndarray) -> np.ndarray:
    """Return the same values in a native dtype that SimpleITK and Slicer can hold."""
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array.astype(np.uint8)
    if kind == "f":
        return array.astype(np.float32 if width <= 4 else np.float64, copy=False)
    if width == 8:
        for narrow in (np.int32, np.uint32):
            if np.iinfo(narrow).min <= array.min() and array.max() <= np.iinfo(narrow).max:
                return array.astype(narrow)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
