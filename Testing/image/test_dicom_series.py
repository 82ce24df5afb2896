"""DICOM series and multi-frame files that are volumes, and those that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from Testing.image.dicom_files import (
    CINE,
    ENHANCED_MR,
    ENHANCED_US_VOLUME,
    GREY,
    OBLIQUE,
    dicom_image,
    folder_of,
    item,
    oblique_slices,
    save,
)
from Testing.image.refused import refusal
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume


def test_a_series_is_sorted_by_position(tmp_path: Path) -> None:
    folder = folder_of(oblique_slices([0, 2.5, 5, 7.5], SliceThickness=9), tmp_path / "series")
    for name in ("readme.txt", "DICOMDIR", "._IM1.dcm"):
        (folder / name).write_text("not a slice")
    (folder / "subfolder").mkdir()
    volume = Volume.read(folder)
    expected = Grid((8, 6, 4), (0.5, 0.8, 2.5), (10, -20, 30), tuple(OBLIQUE.ravel()))
    assert volume.grid.is_close(expected, tolerance=1e-5)
    np.testing.assert_array_equal(volume.array, [GREY // n for n in (1, 2, 3, 4)])


def test_a_single_slice_keeps_its_place_and_its_neighbours_distance(tmp_path: Path) -> None:
    dataset = oblique_slices([0], SliceThickness=4, SpacingBetweenSlices=5)[0]
    grid = Volume.read(save(dataset, tmp_path / "slice.dcm")).grid
    expected = Grid((8, 6, 1), (0.5, 0.8, 5), (10, -20, 30), tuple(OBLIQUE.ravel()))
    assert grid.is_close(expected, tolerance=1e-5)
    assert grid.spacing[2] == 5
    for keyword, stated, distance in (
        ("SliceThickness", 4, 4),
        ("SliceThickness", 0, 1),
        ("SpacingBetweenSlices", 0, 1),
    ):
        path = save(oblique_slices([0], **{keyword: stated})[0], tmp_path / "thick.dcm")
        assert Volume.read(path).grid.spacing[2] == distance


def test_a_folder_with_one_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    save(dicom_image(GREY), tmp_path / "one" / "IM1")
    assert Volume.read(tmp_path / "one", pixel_size=1).is_slice


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ([0, 1, 2, 4], "some are missing"),
        ([0, 1, 1, 2], "same position"),
        ([3, 3, 3], "same position"),
    ],
)
def test_stacks_that_are_not_a_volume(tmp_path: Path, gaps: list[float], words: str) -> None:
    assert words in refusal(folder_of(oblique_slices(gaps), tmp_path / "series"))


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    slices = oblique_slices([0, 2, 4, 6])
    for n, dataset in enumerate(slices):
        tilted = np.array([10, -20, 30]) + n * (2 * OBLIQUE[:, 2] + 0.3 * OBLIQUE[:, 1])
        dataset.ImagePositionPatient = [f"{x:.8f}" for x in tilted]
    assert "tilted" in refusal(folder_of(slices, tmp_path / "series"))


def test_folders_that_hold_no_volume(tmp_path: Path) -> None:
    mixed = oblique_slices([0, 1, 2])
    mixed[2].SeriesInstanceUID, mixed[2].SeriesDescription = "1.2.4", "localizer"
    message = refusal(folder_of(mixed, tmp_path / "two"))
    assert "2 DICOM series" in message
    assert "localizer: 1 images" in message
    turned = oblique_slices([0, 1, 2])
    turned[1].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    assert "differ in orientation" in refusal(folder_of(turned, tmp_path / "turned"))
    sizes = oblique_slices([0, 1, 2])
    sizes[1].Rows, sizes[1].PixelData = 3, sizes[1].PixelData[:24]
    assert "differ in size" in refusal(folder_of(sizes, tmp_path / "sizes"))
    exam = [dicom_image(GREY), dicom_image(GREY)]
    assert "not a volume" in refusal(folder_of(exam, tmp_path / "exam"), pixel_size=1)


def enhanced(positions: list[list[float]], volume: str = "", patient: str = "Patient") -> Dataset:
    """A multi-frame file with a position of each frame in its functional groups."""
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.8, 0.5])],
        **{
            f"PlaneOrientation{volume}Sequence": [
                item(**{f"ImageOrientation{patient}": [0, 1, 0, 0, 0, 1]})
            ]
        },
    )
    frames = [
        item(**{f"PlanePosition{volume}Sequence": [item(**{f"ImagePosition{patient}": position})]})
        for position in positions
    ]
    sop_class = ENHANCED_US_VOLUME if volume else ENHANCED_MR
    return dicom_image(
        CINE[: len(positions)],
        sop_class,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )


@pytest.mark.parametrize("names", [("", "Patient"), ("Volume", "Volume")])
def test_positioned_frames_are_a_volume(tmp_path: Path, names: tuple[str, str]) -> None:
    dataset = enhanced([[3, 0, 0], [1, 0, 0], [2, 0, 0]], *names)
    path = save(dataset, tmp_path / "volume.dcm")
    volume = Volume.read(path)
    assert volume.grid == Grid((8, 6, 3), (0.5, 0.8, 1), (1, 0, 0), (0, 0, 1, 1, 0, 0, 0, 1, 0))
    np.testing.assert_array_equal(volume.array, CINE[[1, 2, 0]])
    one = Volume.read(path, frame=0)
    np.testing.assert_array_equal(one.array, CINE[:1])
    assert one.grid.origin == (3, 0, 0)


def test_frames_of_several_time_points_are_refused(tmp_path: Path) -> None:
    dataset = enhanced([[1, 0, 0], [2, 0, 0], [1, 0, 0]])
    assert "same position" in refusal(save(dataset, tmp_path / "time.dcm"))
