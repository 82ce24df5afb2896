"""DICOM files of what was computed: derived, secondary, and marked where every viewer shows it.

One slice becomes a Secondary Capture Image, several a Multi-frame Grayscale Byte Secondary Capture
Image (PS3.3 A.8.1 and A.8.3), made with highdicom in the patient and study of the source.
"""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..version import __version__
from .grid import Grid

if TYPE_CHECKING:
    from highdicom.base import SOPClass
    from pydicom.dataset import Dataset

SUFFIXES = (".dcm",)
MARK = "SYNTHETIC"

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.2"
_SLICE_LOCATIONS = 0x00182005  # SliceLocationVector
_FRAME_TIME, _FRAME_TIMES = 0x00181063, 0x00181065

# What is the patient's and the study's, not the image's.
_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID")
_KEPT = (*_PATIENT, *_STUDY, "StudyInstanceUID", "StudyDescription")
# By these an archive finds the patient and the study: they are as they are in the source.
_IDENTIFYING = ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID")
_SEXES = ("M", "F", "O", "", None)
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")

# Lengths of the value representations LO, ST and LT.
_LONG_STRING, _SHORT_TEXT, _LONG_TEXT = 64, 1024, 10240

_OVERLAY_PART = 12  # of the height, that the mark takes


def write_dicom(
    path: Path,
    array: np.ndarray,
    grid: Grid,
    description: str,
    sources: Sequence[Dataset] = (),
    seconds: Sequence[float] = (),
) -> None:
    """Write a derived image of bytes.

    Args:
        path: is overwritten.
        array: uint8 [k, j, i].
        grid: of the array; where its directions and origin are nothing but ours, the image has no
            place in the patient.
        description: one line that begins with what the image is, "SYNTHETIC ..." for what was not
            measured; such an image carries the word as an overlay.
        sources: headers of the DICOM images that it was made of; patient and study are theirs.
        seconds: when each slice was taken, of a cine, whose slices follow each other in time.

    Raises:
        InputError: highdicom is not installed.
    """
    dataset = _dataset(description, sources, len(array) > 1)
    _add_pixels(dataset, array, grid)
    if len(array) > 1:
        _add_frames(dataset, array, grid, seconds)
    if _is_placed(grid) and not seconds:
        dataset.FrameOfReferenceUID = sources[0].get("FrameOfReferenceUID") if sources else None
        add_place(dataset, grid)
    _add_derivation(dataset, description, sources)
    if description.startswith(MARK):
        _add_overlay(dataset, array.shape[1:])
    save(dataset, path)


def add_place(dataset: Dataset, grid: Grid) -> None:
    """Say where an image lies, in a frame of reference of its own if it has none."""
    from pydicom.uid import generate_uid

    if not dataset.get("FrameOfReferenceUID"):
        dataset.FrameOfReferenceUID = generate_uid(None)
    dataset.PositionReferenceIndicator = dataset.get("PositionReferenceIndicator")
    orientation = _numbers(*grid.axes.T[:2].ravel())
    spacing = _numbers(grid.spacing[1], grid.spacing[0])
    (gap,) = _numbers(grid.spacing[2])
    if grid.size[2] == 1:
        dataset.PixelSpacing, dataset.SliceThickness = spacing, gap
        dataset.ImagePositionPatient = _numbers(*grid.origin)
        dataset.ImageOrientationPatient = orientation
        return
    measures = _item(PixelSpacing=spacing, SliceThickness=gap, SpacingBetweenSlices=gap)
    dataset.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[measures],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=orientation)],
        )
    ]
    places = grid.index_to_physical(np.array([(0, 0, k) for k in range(grid.size[2])]))
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=_numbers(*place))])
        for place in places
    ]


def save(dataset: Dataset, path: Path) -> None:
    """Write a complete DICOM file, whatever values of its source break the standard."""
    import pydicom

    is_new = int(pydicom.__version__.split(".")[0]) >= 3
    complete = {"enforce_file_format": True} if is_new else {"write_like_original": False}
    stream = io.BytesIO()  # pydicom makes errors of its own of those of a full disk
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, **complete)
    path.write_bytes(stream.getbuffer())


def is_dicom_name(path: Path) -> bool:
    """Whether a file of this name is to be DICOM."""
    return path.name.lower().endswith(SUFFIXES)


def read_sources(source: Path | None) -> list[Dataset]:
    """Return the headers of the DICOM images that a file or folder holds, none if it holds none."""
    from . import dicom
    from .dicom_header import read_header

    if source is None or not source.exists():
        return []
    try:
        files = sorted(source.iterdir()) if source.is_dir() else [source]
        images = [file for file in files if file.is_file() and dicom.is_dicom(file)]
        return [read_header(file) for file in images if file.name != "DICOMDIR"]
    except (OSError, InputError):
        return []


def _dataset(description: str, sources: Sequence[Dataset], several: bool) -> SOPClass:
    """Return a data set with patient, study, series, equipment and its own UIDs."""
    try:
        from highdicom.base import SOPClass
    except ModuleNotFoundError as error:
        raise InputError(
            "DICOM files cannot be written without the Python package highdicom; install it, or "
            "write .nrrd."
        ) from error
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = SOPClass(
        study_instance_uid=generate_uid(None),
        series_instance_uid=generate_uid(None),
        series_number=9000,
        sop_instance_uid=generate_uid(None),
        sop_class_uid=_MULTI_FRAME if several else _SECONDARY_CAPTURE,
        instance_number=1,
        modality="OT",
        manufacturer="USToMRI",
        manufacturer_model_name="USToMRI",
        software_versions=__version__,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=description[:_LONG_STRING],
        specific_character_set="ISO_IR 192",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that break the standard, which are kept
        for source in sources[:1]:
            for keyword in filter(source.__contains__, _KEPT):
                value = source.get(keyword) if _is_valid(source, keyword) else ""
                setattr(dataset, keyword, value)
    now = datetime.datetime.now()
    for date, time in (
        ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
        ("SeriesDate", "SeriesTime"),
    ):
        setattr(dataset, date, now.strftime("%Y%m%d"))
        setattr(dataset, time, now.strftime("%H%M%S"))
    dataset.ConversionType = "SYN"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.BurnedInAnnotation = "NO"
    # Asked for where the body part may be one of a pair; empty: not known.
    dataset.PatientOrientation = dataset.Laterality = None
    return dataset


def _is_valid(source: Dataset, keyword: str) -> bool:
    """Whether a source's value is passed on; what breaks the standard is not, names aside."""
    from pydicom.config import RAISE
    from pydicom.valuerep import validate_value

    value = source.get(keyword)
    if keyword == "PatientSex":
        return value in _SEXES
    try:
        validate_value(source[keyword].VR, str(value or ""), RAISE)
    except ValueError:
        return keyword in _IDENTIFYING
    return True


def _add_pixels(dataset: Dataset, array: np.ndarray, grid: Grid) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = array.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.WindowCenter, dataset.WindowWidth = "128", "256"
    dataset.PixelSpacing = _numbers(grid.spacing[1], grid.spacing[0])
    pixels = np.ascontiguousarray(array).tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)


def _add_frames(dataset: Dataset, array: np.ndarray, grid: Grid, seconds: Sequence[float]) -> None:
    """Add what a multi-frame image says of its frames."""
    dataset.NumberOfFrames = len(array)
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "IDENTITY"
    if not seconds:
        dataset.FrameIncrementPointer = _SLICE_LOCATIONS
        dataset.SliceLocationVector = _numbers(*(n * grid.spacing[2] for n in range(len(array))))
        return
    steps = 1000 * np.diff(seconds, prepend=seconds[0])
    if np.allclose(steps[1:], steps[1], rtol=1e-3):
        dataset.FrameIncrementPointer = _FRAME_TIME
        (dataset.FrameTime,) = _numbers(steps[1])
    else:
        dataset.FrameIncrementPointer = _FRAME_TIMES
        dataset.FrameTimeVector = _numbers(*steps)


def _is_placed(grid: Grid) -> bool:
    """Whether a grid lies anywhere but where everything lies that has no place."""
    nowhere = grid.origin[2] == 0 and np.array_equal(grid.axes, np.eye(3))
    return grid.size[2] > 1 or not nowhere


def _add_derivation(dataset: Dataset, description: str, sources: Sequence[Dataset]) -> None:
    """Say what the image was made of, and that it was not measured."""
    dataset.DerivationDescription = description[:_SHORT_TEXT]
    dataset.ImageComments = description[:_LONG_TEXT]
    known = [s for s in sources if s.get("SOPInstanceUID") and s.get("SOPClassUID")]
    if not known:
        return
    purpose = _item(
        CodeValue="121322",
        CodingSchemeDesignator="DCM",
        CodeMeaning="Source image for image processing operation",
    )
    dataset.SourceImageSequence = [
        _item(**_reference(source), PurposeOfReferenceCodeSequence=[purpose]) for source in known
    ]
    if known[0].get("SeriesInstanceUID"):
        dataset.ReferencedSeriesSequence = [
            _item(
                SeriesInstanceUID=known[0].SeriesInstanceUID,
                ReferencedInstanceSequence=[_item(**_reference(source)) for source in known],
            )
        ]
    if known[0].get("LossyImageCompression") == "01":
        for keyword in _LOSSY:
            if keyword in known[0]:
                setattr(dataset, keyword, known[0].get(keyword))


def _reference(source: Dataset) -> dict[str, Any]:
    return {
        "ReferencedSOPClassUID": source.SOPClassUID,
        "ReferencedSOPInstanceUID": source.SOPInstanceUID,
    }


def _add_overlay(dataset: Dataset, shape: tuple[int, ...]) -> None:
    """Lay the word over the top of the picture (PS3.3 C.9.2), its pixels left as they are."""
    from PIL import Image, ImageDraw, ImageFont

    rows, columns = shape
    size = max(8, min(rows // _OVERLAY_PART, columns // len(MARK)))
    picture = Image.new("1", (columns, rows))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text((columns / 2, 1), MARK, fill=1, font=font, anchor="ma")
    bits = np.packbits(np.array(picture).ravel(), bitorder="little").tobytes()
    for element, vr, value in (
        (0x0010, "US", rows),
        (0x0011, "US", columns),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x1500, "LO", MARK),
        (0x3000, "OW", bits + b"\0" * (len(bits) % 2)),
    ):
        dataset.add_new((0x6000, element), vr, value)


def _numbers(*values: float) -> list[str]:
    """Return decimal strings of at most 16 bytes, as DICOM has them."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value)) for value in values]


def _item(**values: Any) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
