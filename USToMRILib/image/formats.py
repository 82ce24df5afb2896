"""Which image formats there are, by the endings of their names, and who reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from . import (
    meta_image_files,
    nifti_files,
    nrrd_files,
    picture_files,
    tiff_files,
    video_files,
)
from .image_file import ImageFile

# Pictures have no place of their own, and of them only TIFF may state the size of a pixel.
PICTURE_SUFFIXES = (*picture_files.SUFFIXES, *tiff_files.SUFFIXES)
WRITE_PICTURE_SUFFIXES = (*picture_files.WRITE_SUFFIXES, *tiff_files.SUFFIXES)
VOLUME_SUFFIXES = (*nrrd_files.SUFFIXES, *nifti_files.SUFFIXES, *meta_image_files.SUFFIXES)
SUFFIXES = (*VOLUME_SUFFIXES, *PICTURE_SUFFIXES)

_READERS: tuple[tuple[tuple[str, ...], Callable[[Path], ImageFile]], ...] = (
    (nrrd_files.SUFFIXES, nrrd_files.open_nrrd),
    (nifti_files.SUFFIXES, nifti_files.open_nifti),
    (meta_image_files.SUFFIXES, meta_image_files.open_meta_image),
    (picture_files.SUFFIXES, picture_files.open_picture),
    (tiff_files.SUFFIXES, tiff_files.open_tiff),
    (video_files.SUFFIXES, video_files.open_video),
)


def has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether the file's name ends in one of the suffixes, in capitals or not."""
    return path.name.lower().endswith(suffixes)


def is_picture(path: Path) -> bool:
    """Whether the file is a picture, which has no geometry of its own."""
    return has_suffix(path, PICTURE_SUFFIXES)


def open_image(path: Path) -> ImageFile | None:
    """Read the header of a file by the ending of its name; None if no reader knows that.

    Raises:
        InputError: it is damaged, not what its name says, or a package is missing to read it.
    """
    for suffixes, opened in _READERS:
        if has_suffix(path, suffixes):
            try:
                return opened(path)
            except ModuleNotFoundError as error:
                raise InputError(
                    f"{path} cannot be read without the Python package {error.name}; install it."
                ) from error
    return None


def states_pixel_size(path: Path) -> bool:
    """Whether a file says how large its pixels are; True where it cannot be told of its format.

    Raises:
        InputError: as :func:`open_image`.
    """
    image = open_image(path)
    return image is None or (image.states_spacing and not image.spacing_doubt)
