"""NRRD, NIfTI and MetaImage files, and everything else that SimpleITK decodes."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..files import printable, quiet_libraries
from .grid import Grid
from .reading import RawImage, check_bytes, choose_frame, luma, needless_pixel_size

READ_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
WRITE_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_DESCRIP_BYTES = 79
# MetaIO reads a header line into a fixed buffer and loses the whole file beyond it.
_META_IMAGE_BYTES = 16384


class UnreadableError(InputError):
    """A file that SimpleITK cannot decode."""


def read(path: Path, pixel_size: float | None, frame: int | None) -> RawImage:
    """Read an NRRD, NIfTI or MetaImage file, or one time point of a 4D one.

    The grid is the header's; NIfTI holds it in float32. Bytes of a colour image become grey.

    Raises:
        InputError: damaged, 4D without ``frame``, vectors, too large, sheared, or a pixel size
            given although the file has its own.
    """
    if pixel_size is not None:
        raise needless_pixel_size(path)
    reader = open_header(path)
    size = tuple(reader.GetSize())
    if len(size) > 4:
        raise InputError(f"{path} has {len(size)} dimensions; extract one 3D volume from it.")
    grid = Grid.from_sitk(reader)
    time_points = size[3] if len(size) == 4 else 1
    index = choose_frame(path, time_points, frame, "time points (4D)")
    if len(size) == 4:
        reader.SetExtractSize([*size[:3], 0])
        reader.SetExtractIndex([0, 0, 0, index])
    if path.name.lower().endswith(_NIFTI_SUFFIXES):
        _check_complete_nifti(path, reader)
    return load(path, reader, grid.size).reshape(grid.shape), grid, _kept_fields(reader)


def open_header(path: Path, image_io: str = "") -> sitk.ImageFileReader:
    """Return a SimpleITK reader that has read the header, not the voxels.

    Raises:
        InputError: the file is not an image that SimpleITK (or its ``image_io``) knows, or its
            name is not valid in UTF-8.
    """
    if printable(str(path)) != str(path):
        raise InputError(f"The name of {path} is not valid in UTF-8; rename file or folder.")
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(str(path))
    try:
        with quiet_libraries():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return reader


def load(path: Path, reader: sitk.ImageFileReader, size: tuple[int, ...]) -> np.ndarray:
    """Return the grey values, in NumPy's axis order, that an opened reader is set to extract.

    Args:
        path: the file, for messages.
        reader: as ``open_header`` returns it.
        size: number of voxels that will be read, along each axis.

    Raises:
        InputError: damaged, larger than 4 GiB, or several values a voxel that are not a colour.
    """
    components, pixel = reader.GetNumberOfComponents(), reader.GetPixelID()
    is_colour = components in (3, 4) and pixel == sitk.sitkVectorUInt8
    if components != 1 and not is_colour:
        raise InputError(
            f"{path} holds {components} values in each voxel (vectors, complex numbers or a "
            "sequence); extract one scalar volume from it."
        )
    check_bytes(path, size, sitk.Image([1, 1], pixel, components).GetSizeOfPixelComponent())
    try:
        with quiet_libraries():
            array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return luma(array) if is_colour else array


def write(image: sitk.Image, path: Path, metadata: dict[str, str], compress: bool = True) -> None:
    """Write a 3D image with the metadata that the format has room for.

    Compressed where that is wanted and the suffix allows it; ``.nii.gz`` always is.

    NRRD and MetaImage take every field on one line of text; NIfTI has 79 bytes in ``descrip``.

    Raises:
        InputError: the file cannot be written completely.
    """
    nifti = path.name.lower().endswith(_NIFTI_SUFFIXES)
    fields = {key: " ".join(value.split()) for key, value in metadata.items()}
    if nifti:
        fields = {"ITK_FileNotes": _descrip(fields)}
    elif path.suffix.lower() == ".mha":
        fields = {
            k: _escaped(v) for k, v in fields.items() if len(_escaped(v)) <= _META_IMAGE_BYTES
        }
    for key, value in fields.items():
        image.SetMetaData(key, value)
    try:
        with quiet_libraries():
            compressed = path.suffix.lower() == ".gz" or (
                compress and path.suffix.lower() != ".nii"
            )
            sitk.WriteImage(image, str(path), useCompression=compressed)
        if nifti:  # the NIfTI library does not report a full disk
            _check_complete_nifti(path, open_header(path))
    except (RuntimeError, InputError) as error:
        raise InputError(
            f"The image could not be written completely into {path.parent}; free some space there "
            "or choose another folder."
        ) from error


def _escaped(text: str) -> str:
    """Return ASCII text: MetaIO cuts other letters off the end of a line."""
    return text.encode("ascii", "backslashreplace").decode()


def _descrip(fields: dict[str, str]) -> str:
    """Return what fits of the fields into NIfTI's one line of text."""
    text = "; ".join(v if k == "descrip" else f"{k}={v}" for k, v in fields.items())
    return text.encode("ascii", "replace")[:_DESCRIP_BYTES].decode()


def _kept_fields(reader: sitk.ImageFileReader) -> dict[str, str]:
    """Return the header fields that people or programs put there, not those of the format."""
    keys = reader.GetMetaDataKeys()
    if "nifti_type" in keys:
        keys = ("descrip",)
    # A key that is not UTF-8 arrives with surrogates, and SimpleITK cannot look it up.
    keys = [k for k in keys if k.isprintable() and not k.startswith(("ITK_", "NRRD_"))]
    fields = {k: reader.GetMetaData(k).encode("utf-8", "replace").decode() for k in keys}
    return {k: v for k, v in fields.items() if v and v != "MET_MOD_UNKNOWN"}


def _check_complete_nifti(path: Path, reader: sitk.ImageFileReader) -> None:
    """Raise InputError if the file ends before its last voxel or its gzip checksum is wrong.

    SimpleITK fills the voxels missing from such a file with zeros and does not say so.
    """
    dim = [int(reader.GetMetaData(f"dim[{n}]")) for n in range(8)]
    voxels = math.prod(dim[1 : dim[0] + 1])
    needed = float(reader.GetMetaData("vox_offset"))
    needed += voxels * int(reader.GetMetaData("bitpix")) / 8
    held = 0
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                while block := stream.read(2**20):
                    held += len(block)
        else:
            held = path.stat().st_size
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if held < needed:
        raise _unreadable(path)


def _unreadable(path: Path, error: Exception | None = None) -> UnreadableError:
    """Return the error for a file that cannot be decoded."""
    if "orthonormal" in str(error):
        return UnreadableError(
            f"The image axes of {path} are not orthonormal (sheared or scaled directions); "
            "resample it onto a regular grid first."
        )
    if "Zero-valued spacing" in str(error):
        return UnreadableError(f"{path} states a voxel spacing of 0; repair the file's header.")
    return UnreadableError(
        f"{path} is damaged, incomplete or not an image of this format; copy or export it again."
    )
