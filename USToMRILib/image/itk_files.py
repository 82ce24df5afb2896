"""What SimpleITK does: it writes NIfTI and MetaImage, and decodes the pixels of DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..files import printable, quiet_libraries
from .nifti_files import open_nifti
from .reading import UnreadableError, check_bytes, luma

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_DESCRIP_BYTES = 79
# MetaIO reads a header line into a fixed buffer and loses the whole file beyond it.
_META_IMAGE_BYTES = 16384


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
        raise UnreadableError(path) from error
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
    is_colour = components in (3, 4) and pixel in (sitk.sitkVectorUInt8, sitk.sitkVectorUInt16)
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
        raise UnreadableError(path) from error
    return luma(array) if is_colour else array


def write(image: sitk.Image, path: Path, metadata: dict[str, str], compress: bool = True) -> None:
    """Write a 3D image as NIfTI or MetaImage, with the metadata that the format has room for.

    Compressed where that is wanted and the suffix allows it; ``.nii.gz`` always is. MetaImage
    takes every field on one line of text; NIfTI has 79 bytes in ``descrip``.

    Raises:
        InputError: the file cannot be written completely.
    """
    nifti = path.name.lower().endswith(_NIFTI_SUFFIXES)
    if nifti:
        fields = {"ITK_FileNotes": _descrip(metadata)}
    else:
        fields = {key: _escaped(value) for key, value in metadata.items()}
        fields = {key: value for key, value in fields.items() if len(value) <= _META_IMAGE_BYTES}
    for key, value in fields.items():
        image.SetMetaData(key, value)
    try:
        with quiet_libraries():
            compressed = path.suffix.lower() == ".gz" or (
                compress and path.suffix.lower() != ".nii"
            )
            sitk.WriteImage(image, str(path), useCompression=compressed)
        if nifti:  # the NIfTI library does not report a full disk
            open_nifti(path).load(0)
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
