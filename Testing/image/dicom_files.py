"""DICOM files, made with pydicom as the scanners write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate as encapsulated
from pydicom.uid import ExplicitVRLittleEndian

US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
US_MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3.1"
ENHANCED_US_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"

GREY = np.random.default_rng(0).integers(0, 256, (6, 8)).astype(np.uint8)
CINE = np.stack([GREY, GREY // 2, GREY // 3])
# Columns: i, j and the normal of an oblique stack.
OBLIQUE = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
OBLIQUE[:, 2] = np.cross(OBLIQUE[:, 0], OBLIQUE[:, 1])


def dicom_image(
    pixels: np.ndarray, sop_class: str = US_IMAGE, photometric: str = "MONOCHROME2", **values: Any
) -> Dataset:
    """An image [(frame,) row, column (, colour)] of 8 or 16 bits with more attributes set."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID, dataset.Modality = "1.2.3", "US"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "4711"
    colour = photometric in ("RGB", "YBR_FULL")
    shape = pixels.shape[:-1] if colour else pixels.shape
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    dataset.Rows, dataset.Columns = shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def item(**values: Any) -> Dataset:
    """A dataset with these attributes."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def us_region(dx: float, dy: float, spatial_format: int = 1, unit: int = 3) -> Dataset:
    """A calibrated ultrasound region; unit 3 is cm."""
    return item(
        RegionSpatialFormat=spatial_format,
        RegionDataType=1,
        PhysicalUnitsXDirection=unit,
        PhysicalUnitsYDirection=unit,
        PhysicalDeltaX=dx,
        PhysicalDeltaY=dy,
    )


def save(dataset: Dataset, path: Path) -> Path:
    """Write a file as the standard has it; return its path."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def encapsulate(dataset: Dataset, stream: bytes, syntax: str) -> None:
    """Make a compressed stream the pixel data of an image."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulated([stream])
    dataset["PixelData"].is_undefined_length = True


def palette(tables: np.ndarray, bits: int) -> dict[str, Any]:
    """The attributes of a palette [256, 3] whose entries are written in 16 bits."""
    values: dict[str, Any] = {}
    for colour, table in zip(("Red", "Green", "Blue"), tables.T):
        name = f"{colour}PaletteColorLookupTable"
        values[f"{name}Descriptor"] = [len(table), 0, bits]
        values[f"{name}Data"] = table.astype("<u2").tobytes()
    return values


def located_region(left: int, top: int, right: int, bottom: int, mm: float = 0.2) -> Dataset:
    """A calibrated region between these pixels, the last ones included, of square pixels in mm."""
    region = us_region(mm / 10, mm / 10)
    region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right, bottom
    return region


def oblique_slices(gaps: list[float], **values: Any) -> list[Dataset]:
    """Slices of an oblique stack, at these distances along its normal; slice n holds GREY // n."""
    return [
        dicom_image(
            GREY // (n + 1),
            MR_IMAGE,
            ImagePositionPatient=[f"{x:.8f}" for x in [10, -20, 30] + gap * OBLIQUE[:, 2]],
            ImageOrientationPatient=[f"{x:.8f}" for x in OBLIQUE[:, :2].T.ravel()],
            PixelSpacing=[0.8, 0.5],
            **values,
        )
        for n, gap in enumerate(gaps)
    ]


def folder_of(slices: list[Dataset], folder: Path) -> Path:
    """A folder with these slices under names that sort in another order."""
    folder.mkdir(exist_ok=True)
    for n, dataset in enumerate(slices):
        save(dataset, folder / f"IM{(7 * n + 3) % 10}")
    return folder
