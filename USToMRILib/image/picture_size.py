"""The size of a pixel that a DICOM file or a picture states, for readers that overlook it."""

from __future__ import annotations

from pathlib import Path

from . import dicom, tiff_files
from .formats import has_suffix
from .tiff_calibration import read_calibration


def stated_pixel_size(path: Path) -> tuple[float, float] | None:
    """Return the (i, j) size of a pixel in mm, as it is stored; None where none is stated.

    Of the files that ITK reads with 1 mm all the same: DICOM whose ultrasound regions are
    calibrated, and TIFF that ImageJ or OME calibrated. Of others it returns None.

    Raises:
        InputError: DICOM without an image, or one that shows B-mode images of different pixel size.
        OSError: the file cannot be read.
    """
    if dicom.is_dicom(path):
        return dicom.pixel_size(path)
    if has_suffix(path, tiff_files.SUFFIXES):
        return read_calibration(path)
    return None
