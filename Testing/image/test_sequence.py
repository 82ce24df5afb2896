"""Cines and sequences through files: as many images, as far apart in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from Testing.image.dicom_files import (
    GREY,
    US_MULTIFRAME,
    dicom_image,
    located_region,
    save,
    us_region,
)
from USToMRILib.errors import InputError
from USToMRILib.image.grid import Grid
from USToMRILib.image.sequence import ImageSequence, check_sequence_writable
from USToMRILib.image.volume import Volume

COUNT = 7
FLAT = Grid((48, 32, 1), (0.3, 0.4, 1.0))
PLACED = Grid((48, 32, 1), (0.3, 0.4, 1.0), (4.0, 5.0, 6.0), (0, 1, 0, 0, 0, 1, 1, 0, 0))
EVEN = tuple(n * 0.04 for n in range(COUNT))
UNEVEN = (0.0, 0.04, 0.1, 0.14, 0.2, 0.24, 0.33)
FIELDS = {"description": "SYNTHETIC pseudo-MRI of a cine"}


def moving() -> np.ndarray:
    """A bright disk that moves to the right, [n, 1, 32, 48] of bytes."""
    j, i = np.mgrid[:32, :48]
    frames = [200 * np.exp(-((j - 16) ** 2 + (i - 8 - 4 * n) ** 2) / 60) for n in range(COUNT)]
    return (20 + np.stack(frames)).astype(np.uint8)[:, None]


@pytest.mark.parametrize("seconds", [(), EVEN, UNEVEN])
@pytest.mark.parametrize("name", ["a.seq.nrrd", "a.nrrd", "a.mha", "a.dcm"])
def test_a_sequence_comes_back(tmp_path: Path, name: str, seconds: tuple[float, ...]) -> None:
    grid = FLAT if name.endswith("dcm") else PLACED
    ImageSequence(moving(), grid, seconds, FIELDS).write(tmp_path / name)
    back = ImageSequence.read(tmp_path / name)
    np.testing.assert_array_equal(back.array, moving())
    assert back.grid.is_close(grid, 1e-6)
    assert back.metadata["description"] == FIELDS["description"]
    expected = EVEN if name.endswith("dcm") and not seconds else seconds
    assert back.seconds == pytest.approx(expected, abs=1e-6)
    one = Volume.read(tmp_path / name, frame=3)
    np.testing.assert_array_equal(one.array, moving()[3])
    with pytest.raises(InputError, match=f"{COUNT} frames"):
        Volume.read(tmp_path / name)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("name", ["a.seq.nrrd", "a.mha", "a.dcm"])
def test_pixels_of_1_mm_come_back_too(tmp_path: Path, name: str, compress: bool) -> None:
    """Which is what PLUS writes where it does not know the size."""
    grid = Grid((48, 32, 1))
    ImageSequence(moving(), grid, EVEN).write(tmp_path / name, compress=compress)
    back = ImageSequence.read(tmp_path / name)
    assert back.grid == grid
    np.testing.assert_array_equal(back.array, moving())


@pytest.mark.parametrize("seconds", [EVEN, UNEVEN])
@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_video_shows_the_same(tmp_path: Path, name: str, seconds: tuple[float, ...]) -> None:
    ImageSequence(moving(), FLAT, seconds, FIELDS).write(tmp_path / name)
    with pytest.raises(InputError, match="has no pixel size"):
        ImageSequence.read(tmp_path / name)
    back = ImageSequence.read(tmp_path / name, pixel_size=0.3)
    assert len(back) == COUNT
    assert np.abs(back.array.astype(int) - moving()).mean() < 2
    if name == "a.mp4":
        assert back.seconds == pytest.approx(seconds, abs=1e-4)
    else:
        assert back.seconds[-1] == pytest.approx(seconds[-1], rel=0.01)
    one = Volume.read(tmp_path / name, pixel_size=0.3, frame=4)
    np.testing.assert_array_equal(one.array, back.array[4])


def test_odd_sizes_fit_into_a_video(tmp_path: Path) -> None:
    odd = ImageSequence(moving()[:, :, :31, :47], Grid((47, 31, 1)))
    odd.write(tmp_path / "a.mp4")
    assert ImageSequence.read(tmp_path / "a.mp4", pixel_size=1).grid.size == (48, 32, 1)


def test_a_sequence_of_volumes(tmp_path: Path) -> None:
    array = np.arange(4 * 3 * 5 * 6, dtype=np.int16).reshape(4, 3, 5, 6)
    grid = Grid((6, 5, 3), (0.5, 0.6, 2), (1, 2, 3))
    ImageSequence(array, grid, (0.0, 0.5, 1.0, 1.5)).write(tmp_path / "a.seq.nrrd")
    back = ImageSequence.read(tmp_path / "a.seq.nrrd")
    np.testing.assert_array_equal(back.array, array)
    assert back.seconds == (0.0, 0.5, 1.0, 1.5)
    assert [volume.array.max() for volume in back] == [array[n].max() for n in range(4)]
    with pytest.raises(InputError, match="not volumes"):
        back.write(tmp_path / "a.mp4")
    series = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in array])
    for name in ("b.nii.gz", "b.mha", "b.nrrd"):
        sitk.WriteImage(series, str(tmp_path / name))
        np.testing.assert_array_equal(ImageSequence.read(tmp_path / name).array, array)


def test_slicer_finds_what_it_looks_for(tmp_path: Path) -> None:
    ImageSequence(moving(), PLACED, EVEN).write(tmp_path / "a.seq.nrrd", compress=False)
    header = (tmp_path / "a.seq.nrrd").read_bytes().split(b"\n\n")[0].decode().splitlines()
    for line in (
        f"sizes: {COUNT} 48 32 1",
        "kinds: list domain domain domain",
        'labels: "time" "" "" ""',
        "axis 0 index type:=numeric",
        "axis 0 index values:=" + " ".join(map(repr, EVEN)),
        "DataNodeClassName:=vtkMRMLScalarVolumeNode",
    ):
        assert line in header


def test_a_dicom_cine_of_ultrasound(tmp_path: Path) -> None:
    frames = np.stack([GREY, GREY // 2, GREY // 3])
    half = 0.02
    for keywords, seconds in (
        ({"FrameTime": "40"}, (0, 0.04, 0.08)),
        ({"FrameTimeVector": ["0", "30", "50"]}, (0, 0.03, 0.08)),
        ({"CineRate": "20"}, (0, 0.05, 0.1)),
        ({}, ()),
    ):
        dataset = dicom_image(frames, US_MULTIFRAME, **keywords)
        dataset.SequenceOfUltrasoundRegions = [us_region(half, half)]
        cine = ImageSequence.read(save(dataset, tmp_path / "cine.dcm"))
        np.testing.assert_array_equal(cine.array[:, 0], frames)
        assert cine.seconds == pytest.approx(seconds)
        assert cine.grid == Grid((8, 6, 1), (0.2, 0.2, 1.0))
    dataset.SequenceOfUltrasoundRegions = [located_region(0, 0, 3, 5), located_region(4, 0, 7, 5)]
    save(dataset, tmp_path / "dual.dcm")
    with pytest.raises(InputError, match="side by side"):
        ImageSequence.read(tmp_path / "dual.dcm")
    right = ImageSequence.read(tmp_path / "dual.dcm", region=1)
    np.testing.assert_array_equal(right.array[:, 0], frames[:, :, 4:])


def test_the_cine_of_a_pseudo_mri_is_of_the_study_of_its_ultrasound(tmp_path: Path) -> None:
    frames = np.stack([GREY, GREY // 2, GREY // 3])
    source = dicom_image(frames, US_MULTIFRAME, StudyInstanceUID="1.2.9", FrameTime="40")
    source.SequenceOfUltrasoundRegions = [us_region(0.02, 0.02)]
    cine = ImageSequence.read(save(source, tmp_path / "us.dcm"))
    cine.metadata.update(FIELDS)
    cine.write(tmp_path / "mri.dcm")
    made = pydicom.dcmread(tmp_path / "mri.dcm")
    assert made.StudyInstanceUID == "1.2.9"
    assert made.NumberOfFrames == 3
    assert float(made.FrameTime) == pytest.approx(40)
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_sequences_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one after the other"):
        ImageSequence(np.zeros((2, 3, 4)), Grid((4, 3, 1)))
    with pytest.raises(InputError, match="times"):
        ImageSequence(moving(), FLAT, (0.0, 1.0))
    with pytest.raises(InputError, match="one grid"):
        ImageSequence.of([Volume(np.zeros((1, 2, 3)), Grid((3, 2, 1), (n, n, 1))) for n in (1, 2)])
    with pytest.raises(InputError, match="cannot hold a sequence"):
        check_sequence_writable(tmp_path / "a.png")
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(InputError, match="damaged"):
        ImageSequence.read(tmp_path / "a.mp4", pixel_size=1)
