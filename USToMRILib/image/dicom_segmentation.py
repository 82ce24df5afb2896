"""A label map as a DICOM segmentation (PS3.3 A.51), made with highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from ..version import __version__
from .dicom import is_dicom
from .dicom_header import read_header
from .dicom_writing import add_place, save

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

    from .volume import Volume

_LONG_STRING = 64


class Label(NamedTuple):
    """What a label stands for.

    Attributes:
        title: for people.
        code: of the structure in SNOMED CT, and its meaning there.
        colour: red, green, blue of 0..255.
    """

    title: str
    code: tuple[str, str]
    colour: tuple[int, int, int]


def write_segmentation(
    path: Path, labels: Volume, meanings: Mapping[int, Label], image: Path
) -> None:
    """Write where an image shows what.

    Args:
        path: is overwritten.
        labels: whole numbers, 0 for nothing, on the image's grid; its description says what it is.
        meanings: of the labels that there may be.
        image: DICOM file of an image on the same grid, to which the segmentation belongs.

    Raises:
        InputError: the image is no DICOM file or of another size, or there is no label in it.
    """
    from highdicom.seg import Segmentation
    from pydicom.uid import generate_uid

    present = [number for number in sorted(meanings) if (labels.array == number).any()]
    if not present:
        raise InputError("The segmentation is empty; there is nothing to write.")
    if not is_dicom(image):
        raise InputError(
            f"{path.name} would be a DICOM segmentation of an image that is no DICOM file; write "
            "the pseudo-MRI as .dcm too, or the tissues as .nrrd."
        )
    header = read_header(image)
    description = labels.metadata.get("description", "Segmentation")
    depth, rows, columns = labels.array.shape
    frames = int(header.get("NumberOfFrames") or 1)
    if (frames, header.Rows, header.Columns) != (depth, rows, columns):
        raise InputError(f"{image} is of another size than the segmentation; give the image of it.")
    add_place(header, labels.grid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values of the image that break the standard
        dataset = Segmentation(
            source_images=[header],
            pixel_array=np.stack([labels.array == number for number in present], axis=-1),
            segmentation_type="BINARY",
            segment_descriptions=[
                _describe(order, meanings[number], __version__)
                for order, number in enumerate(present, start=1)
            ],
            series_instance_uid=generate_uid(None),
            series_number=9001,
            sop_instance_uid=generate_uid(None),
            instance_number=1,
            manufacturer="USToMRI",
            manufacturer_model_name="USToMRI",
            software_versions=__version__,
            device_serial_number="0",
            content_description=description[:_LONG_STRING],
            content_label="SYNTHETIC",
            series_description=description[:_LONG_STRING],
            omit_empty_frames=False,
        )
        dataset.ContentCreatorName = None  # required, and unknown (PS3.3 table 10-12)
        save(dataset, path)


def _describe(order: int, label: Label, version: str) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    value, meaning = label.code
    how = AlgorithmIdentificationSequence(
        name="USToMRI", version=version, family=codes.DCM.ArtificialIntelligence
    )
    segment = SegmentDescription(
        segment_number=order,
        segment_label=label.title,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=CodedConcept(value, "SCT", meaning),
        algorithm_type="AUTOMATIC",
        algorithm_identification=how,
    )
    segment.RecommendedDisplayCIELabValue = _in_cielab(label.colour)
    return segment


def _in_cielab(colour: tuple[int, int, int]) -> list[int]:
    """A colour as DICOM has it: L* of 0..100 and a*, b* of -128..127, each on 0..65535 (C.10.7)."""
    from skimage.color import rgb2lab

    light, a, b = rgb2lab(np.array(colour) / 255)
    return np.rint([light / 100 * 65535, (a + 128) * 257, (b + 128) * 257]).astype(int).tolist()
