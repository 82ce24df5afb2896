"""DICOM files of pseudo-MRIs: what a PACS asks of them, checked against the standard's tables."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID
from skimage.color import lab2rgb

from Testing.image.dicom_files import (
    CINE,
    GREY,
    MR_IMAGE,
    OBLIQUE,
    dicom_image,
    folder_of,
    oblique_slices,
    save,
)
from USToMRILib.errors import InputError
from USToMRILib.image.dicom_segmentation import Label, write_segmentation
from USToMRILib.image.grid import Grid
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume

highdicom = pytest.importorskip("highdicom")

DESCRIPTION = "SYNTHETIC pseudo-MRI, USToMRI 0.2.0 ddic, not for diagnosis"
TABLES = Path(highdicom.__file__).parent / "_standard"

# Modules that an image of ours has beyond those that every image of its kind must have.
PLACED = ("frame-of-reference", "image-plane")
FRAMES = (
    "frame-of-reference",
    "multi-frame-grayscale-byte-secondary-capture-image-multi-frame-functional-groups",
)


def pseudo_mri(source: Volume) -> Volume:
    """The ultrasound, given out for a pseudo-MRI."""
    fields = {"description": DESCRIPTION}
    return Volume(source.array.astype(np.float32), source.grid, fields, source.source)


def written(volume: Volume, path: Path) -> Dataset:
    volume.write(path)
    return pydicom.dcmread(path)


def check_modules(dataset: Dataset, also: tuple[str, ...] = ()) -> None:
    """Every mandatory module of the object's kind has its attributes of type 1 and 2."""
    kinds, modules, attributes = (
        json.loads((TABLES / f"{name}.json").read_text())
        for name in ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    )
    chosen = [
        module["key"]
        for module in modules[kinds[dataset.SOPClassUID]]
        if module["usage"] == "M" or module["key"] in also
    ]
    assert set(also) <= set(chosen)
    for module in chosen:
        for attribute in attributes[module]:
            keyword, kind = attribute["keyword"], attribute["type"]
            if attribute["path"] or kind not in ("1", "2"):
                continue
            assert keyword in dataset, f"{module}: {keyword}"
            assert kind == "2" or dataset[keyword].value not in (None, ""), f"{module}: {keyword}"


def check_is_derived(dataset: Dataset, source: Dataset | None) -> None:
    assert list(dataset.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert dataset.ConversionType == "SYN"
    assert dataset.SeriesDescription.startswith("SYNTHETIC")
    assert "SYNTHETIC" in dataset.DerivationDescription
    assert dataset[0x6000, 0x1500].value == "SYNTHETIC"
    mark = np.unpackbits(np.frombuffer(dataset[0x6000, 0x3000].value, np.uint8), bitorder="little")[
        : dataset.Rows * dataset.Columns
    ].reshape(dataset.Rows, dataset.Columns)
    assert mark.any()
    if source is None:
        return
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID"):
        assert dataset[keyword].value == source[keyword].value
    for keyword in ("SeriesInstanceUID", "SOPInstanceUID"):
        assert dataset[keyword].value != source[keyword].value
        assert UID(dataset[keyword].value).is_valid
    reference = dataset.SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == source.SOPClassUID


def test_a_slice_of_an_uncalibrated_image(tmp_path: Path) -> None:
    pixels = np.tile(GREY, (10, 10))
    source = dicom_image(pixels, StudyInstanceUID="1.2.9", StudyID="7")
    volume = Volume.read(save(source, tmp_path / "us.dcm"), pixel_size=0.25)
    dataset = written(pseudo_mri(volume), tmp_path / "mri.dcm")
    check_modules(dataset)
    check_is_derived(dataset, source)
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert "ImagePositionPatient" not in dataset
    again = Volume.read(tmp_path / "mri.dcm")
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.spacing[:2] == (0.25, 0.25)
    assert again.metadata["description"] == DESCRIPTION


def test_a_slice_that_lies_in_the_patient_stays_there(tmp_path: Path) -> None:
    source = oblique_slices([0], SpacingBetweenSlices=3, StudyInstanceUID="1.2.9")[0]
    source.FrameOfReferenceUID = "1.2.77"
    volume = Volume.read(save(source, tmp_path / "us.dcm"))
    dataset = written(pseudo_mri(volume), tmp_path / "mri.dcm")
    check_modules(dataset, PLACED)
    check_is_derived(dataset, source)
    assert dataset.FrameOfReferenceUID == "1.2.77"
    assert Volume.read(tmp_path / "mri.dcm").grid.is_close(volume.grid, 1e-5)


def test_a_volume_of_a_series_is_one_object_of_many_frames(tmp_path: Path) -> None:
    slices = oblique_slices([0, 2, 4], StudyInstanceUID="1.2.9")
    for number, dataset in enumerate(slices):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    volume = Volume.read(folder_of(slices, tmp_path / "series"))
    dataset = written(pseudo_mri(volume), tmp_path / "mri.dcm")
    check_modules(dataset, FRAMES)
    check_is_derived(dataset, None)
    named = {item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence}
    assert named == {"1.2.3.0", "1.2.3.1", "1.2.3.2"}
    again = Volume.read(tmp_path / "mri.dcm")
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.is_close(volume.grid, 1e-5)


def test_what_comes_from_no_dicom_has_a_study_of_its_own(tmp_path: Path) -> None:
    grid = Grid((8, 6, 3), (0.5, 0.6, 2), (1, 2, 3), tuple(OBLIQUE.ravel()))
    Volume(CINE, grid).write(tmp_path / "us.nrrd")
    volume = Volume.read(tmp_path / "us.nrrd")
    first, second = (written(pseudo_mri(volume), tmp_path / f"{n}.dcm") for n in (1, 2))
    check_modules(first, FRAMES)
    check_is_derived(first, None)
    assert first.StudyInstanceUID != second.StudyInstanceUID
    assert "SourceImageSequence" not in first
    assert Volume.read(tmp_path / "1.dcm").grid.is_close(grid, 1e-5)


def test_lossy_compression_of_the_source_is_told(tmp_path: Path) -> None:
    source = dicom_image(
        GREY,
        MR_IMAGE,
        LossyImageCompression="01",
        LossyImageCompressionRatio="12",
        LossyImageCompressionMethod="ISO_10918_1",
    )
    volume = Volume.read(save(source, tmp_path / "us.dcm"), pixel_size=1)
    dataset = written(pseudo_mri(volume), tmp_path / "mri.dcm")
    assert dataset.LossyImageCompression == "01"
    assert dataset.LossyImageCompressionRatio == 12


def test_values_of_the_source_that_break_the_standard_are_not_passed_on(tmp_path: Path) -> None:
    """But for those by which an archive finds patient and study."""
    source = dicom_image(GREY, StudyInstanceUID="1.2.9", SpecificCharacterSet="ISO_IR 100")
    source.PatientName = "Müller^Jörg"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.PatientBirthDate, source.PatientSex = "1980", "X"
        source.StudyDate, source.StudyTime, source.AccessionNumber = "20260230x", "25", "7" * 20
        path = save(source, tmp_path / "us.dcm")
        dataset = written(pseudo_mri(Volume.read(path, pixel_size=1)), tmp_path / "mri.dcm")
    assert str(dataset.PatientName) == "Müller^Jörg"
    assert dataset.AccessionNumber == "7" * 20
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate"):
        assert not dataset[keyword].value
    check_modules(dataset)


def _labels(volume: Volume) -> tuple[Volume, dict[int, Label]]:
    values = np.zeros(volume.array.shape, np.uint8)
    values[:, :2], values[:, 3:, 2:6] = 2, 5
    meanings = {
        2: Label("ventricles", ("35764002", "Brain ventricle"), (88, 106, 215)),
        5: Label("cortex", ("40146001", "Cerebral cortex"), (200, 200, 215)),
        7: Label("brainstem", ("119238007", "Brain Stem"), (148, 120, 72)),
    }
    return volume.with_array(values), meanings


@pytest.mark.parametrize("several", [False, True])
def test_tissues_are_a_segmentation_of_the_image(tmp_path: Path, several: bool) -> None:
    grid = Grid((8, 6, 3 if several else 1), (0.5, 0.6, 2), (1, 2, 3), tuple(OBLIQUE.ravel()))
    volume = Volume(CINE if several else CINE[:1], grid)
    image = written(pseudo_mri(volume), tmp_path / "mri.dcm")
    labels, meanings = _labels(volume)
    path = tmp_path / "tissues.dcm"
    write_segmentation(path, labels, meanings, tmp_path / "mri.dcm")
    volume.write(tmp_path / "mri.nrrd")
    with pytest.raises(InputError, match="no DICOM file"):
        write_segmentation(path, labels, meanings, tmp_path / "mri.nrrd")
    dataset: Any = pydicom.dcmread(path)
    assert dataset.Modality == "SEG"
    check_modules(dataset)
    assert "ContentCreatorName" in dataset  # of type 2, in a macro that the tables do not follow
    assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == ["ventricles", "cortex"]
    for segment, number in zip(dataset.SegmentSequence, (2, 5)):
        light, *tint = np.array(segment.RecommendedDisplayCIELabValue) / 65535
        colour = lab2rgb([100 * light, *(np.array(tint) * 255 - 128)]) * 255
        np.testing.assert_allclose(colour, meanings[number].colour, atol=1)
    assert dataset.FrameOfReferenceUID == image.FrameOfReferenceUID
    referenced = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    assert referenced.ReferencedSOPInstanceUID == image.SOPInstanceUID
    frames = dataset.pixel_array.reshape(2, *labels.array.shape)
    for order, number in enumerate((2, 5)):
        np.testing.assert_array_equal(frames[order], labels.array == number)


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (dicom3tools) is not installed")
def test_a_validator_finds_no_error(tmp_path: Path) -> None:
    """One that is no part of this project nor of highdicom, on every kind of object."""
    source = dicom_image(np.tile(GREY, (10, 10)), StudyInstanceUID="1.2.9", StudyID="7")
    unplaced = Volume.read(save(source, tmp_path / "us.dcm"), pixel_size=0.25)
    pseudo_mri(unplaced).write(tmp_path / "slice.dcm")
    oblique = tuple(OBLIQUE.ravel())
    for name, count in (("placed", 1), ("volume", 3)):
        volume = Volume(CINE[:count], Grid((8, 6, count), (0.5, 0.6, 2), (1, 2, 3), oblique))
        pseudo_mri(volume).write(tmp_path / f"{name}.dcm")
        labels, meanings = _labels(volume)
        where = tmp_path / f"{name}_tissues.dcm", tmp_path / f"{name}.dcm"
        write_segmentation(where[0], labels, meanings, where[1])
    for name, times in (("even", (0.0, 0.04, 0.08)), ("uneven", (0.0, 0.04, 0.1))):
        flat = Grid((8, 6, 1), (0.5, 0.6, 1))
        cine = ImageSequence(CINE[:, None], flat, times, {"description": DESCRIPTION})
        cine.write(tmp_path / f"{name}.dcm")
    (tmp_path / "us.dcm").unlink()
    checked = sorted(tmp_path.glob("*.dcm"))
    assert len(checked) == 7
    for path in checked:
        told = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True)
        said = told.stdout + told.stderr
        assert not [line for line in said.splitlines() if line.startswith("Error")], said
