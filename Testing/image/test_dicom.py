"""DICOM images of ultrasound: their calibration, regions and frames; damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from Testing.image.dicom_files import (
    CINE,
    GREY,
    US_IMAGE,
    US_MULTIFRAME,
    dicom_image,
    encapsulate,
    located_region,
    save,
    us_region,
)
from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.folders import Reader
from USToMRILib.image.grid import Grid
from USToMRILib.image.picture_size import stated_pixel_size
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume


def test_region_calibration_in_cm_wins_over_everything(tmp_path: Path) -> None:
    # A Doppler spectrum and a region in other units are calibrated too, and must not count.
    regions = [
        us_region(0.5, 0.5, spatial_format=3),
        us_region(9, 9, unit=5),
        us_region(0.02, -0.03),
    ]
    dataset = dicom_image(GREY, SequenceOfUltrasoundRegions=regions, PixelSpacing=[7, 7])
    volume = Volume.read(save(dataset, tmp_path / "us"))  # DICOM often comes without a suffix
    assert volume.grid == Grid((8, 6, 1), (0.2, 0.3, 1.0))
    np.testing.assert_array_equal(volume.array, GREY[np.newaxis])
    assert volume.array.dtype == np.uint8
    assert volume.metadata == {"Modality": "US"}


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing"])
def test_pixel_spacing_gives_rows_first(tmp_path: Path, keyword: str) -> None:
    path = save(dicom_image(GREY, **{keyword: [0.4, 0.6]}), tmp_path / "us.dcm")
    assert Volume.read(path).grid.spacing == (0.6, 0.4, 1.0)
    assert "its own voxel spacing" in refusal(path, pixel_size=0.5)


def test_an_uncalibrated_image_asks_for_its_pixel_size(tmp_path: Path) -> None:
    path = save(dicom_image(GREY), tmp_path / "us.dcm")
    assert "--pixel-size MM" in refusal(path)
    assert Volume.read(path, pixel_size=0.25).grid.spacing == (0.25, 0.25, 1.0)


def test_images_that_are_compared_have_the_given_pixel_size_where_they_state_none(
    tmp_path: Path,
) -> None:
    uncalibrated = save(dicom_image(GREY), tmp_path / "us.dcm")
    calibrated = Volume.read(uncalibrated, pixel_size=0.25)
    calibrated.write(tmp_path / "mri.nrrd")
    reader = Reader(pixel_size=0.25)
    for path in (uncalibrated, tmp_path / "mri.nrrd"):
        assert reader.read(path).grid.spacing == (0.25, 0.25, 1.0)
    with pytest.raises(InputError, match="--pixel-size MM"):
        Reader().read(uncalibrated)


def test_two_regions_of_different_scale_are_refused(tmp_path: Path) -> None:
    same = dicom_image(GREY, SequenceOfUltrasoundRegions=[us_region(0.02, 0.02)] * 2)
    assert Volume.read(save(same, tmp_path / "dual.dcm")).grid.spacing[0] == 0.2
    other = dicom_image(
        GREY, SequenceOfUltrasoundRegions=[us_region(0.02, 0.02), us_region(0.04, 0.04)]
    )
    assert "different pixel size" in refusal(save(other, tmp_path / "zoom.dcm"))


def test_a_cine_is_not_a_volume_but_each_frame_is(tmp_path: Path) -> None:
    dataset = dicom_image(CINE, US_MULTIFRAME, SequenceOfUltrasoundRegions=[us_region(0.02, 0.02)])
    path = save(dataset, tmp_path / "cine.dcm")
    message = refusal(path)
    assert "3 frames" in message
    assert "frame=N" in message
    volume = Volume.read(path, frame=2)
    np.testing.assert_array_equal(volume.array, CINE[2:])
    assert volume.grid == Grid((8, 6, 1), (0.2, 0.2, 1.0))
    assert "no frame 3" in refusal(path, frame=3)


def test_a_pixel_aspect_ratio_is_applied(tmp_path: Path) -> None:
    path = save(dicom_image(GREY, PixelAspectRatio=["3", "2"]), tmp_path / "tall.dcm")
    assert Volume.read(path, pixel_size=0.2).grid.spacing == pytest.approx((0.2, 0.3, 1.0))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_pixel_spacing_of_zero_is_none(tmp_path: Path, compressed: bool) -> None:
    pixels = np.tile(GREY, (10, 10))
    dataset = dicom_image(pixels, PixelSpacing=[0, 0])
    if compressed:
        dataset.compress(RLELossless)
    path = save(dataset, tmp_path / "zero.dcm")
    assert "--pixel-size MM" in refusal(path)
    volume = Volume.read(path, pixel_size=0.26)
    np.testing.assert_array_equal(volume.array[0], pixels)
    assert volume.grid.spacing == (0.26, 0.26, 1.0)


def test_images_side_by_side_are_offered(tmp_path: Path) -> None:
    regions = [
        located_region(4, 1, 7, 5, 0.4),
        located_region(0, 0, 3, 5),
        located_region(1, 1, 2, 2),
    ]
    path = save(dicom_image(GREY, SequenceOfUltrasoundRegions=regions), tmp_path / "dual.dcm")
    message = refusal(path)
    assert "2 B-mode images side by side" in message
    assert "1: 4 x 5 pixels from column 4, row 1" in message
    left, right = (Volume.read(path, region=n) for n in (0, 1))
    np.testing.assert_array_equal(left.array[0], GREY[:, :4])
    np.testing.assert_array_equal(right.array[0], GREY[1:, 4:])
    assert left.grid == Grid((4, 6, 1), (0.2, 0.2, 1.0))
    assert right.grid == Grid((4, 5, 1), (0.4, 0.4, 1.0), (1.6, 0.4, 0.0))
    assert "no region 2" in refusal(path, region=2)
    single = dicom_image(
        GREY, SequenceOfUltrasoundRegions=[located_region(0, 0, 7, 5), located_region(1, 1, 6, 4)]
    )
    path = save(single, tmp_path / "colour_box.dcm")
    np.testing.assert_array_equal(Volume.read(path).array[0], GREY)
    assert "no region 0" in refusal(path, region=0)


def test_an_image_beside_another_is_offered_without_calibration(tmp_path: Path) -> None:
    plain = located_region(0, 0, 3, 5)
    plain.PhysicalUnitsXDirection = plain.PhysicalUnitsYDirection = 0
    other = located_region(4, 0, 7, 5, 0.4)
    path = save(dicom_image(GREY, SequenceOfUltrasoundRegions=[plain, other]), tmp_path / "a.dcm")
    assert "2 B-mode images side by side" in refusal(path, pixel_size=0.3)
    assert Volume.read(path, region=1).grid.spacing == (0.4, 0.4, 1.0)
    left = Volume.read(path, 0.3, region=0)
    assert left.grid.spacing == (0.3, 0.3, 1.0)
    np.testing.assert_array_equal(left.array[0], GREY[:, :4])


@pytest.mark.parametrize("frames", [1, 2])
def test_frames_beyond_the_stated_number_are_left_out(tmp_path: Path, frames: int) -> None:
    path = save(dicom_image(CINE, US_MULTIFRAME, NumberOfFrames=frames), tmp_path / "a.dcm")
    np.testing.assert_array_equal(ImageSequence.read(path, 1.0).array[:, 0], CINE[:frames])
    last = Volume.read(path, 1.0, frames - 1)
    np.testing.assert_array_equal(last.array[0], CINE[frames - 1])


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ([0, 40, 60], (0, 0.04, 0.1)),
        ([40, 40, 60], (0, 0.04, 0.1)),  # the first is of no frame
        ([0, 40], (0, 0.03, 0.06)),  # which are not all
        ([0, 0, 0], (0, 0.03, 0.06)),
        ([0, -40, 40], (0, 0.03, 0.06)),
    ],
)
def test_times_of_frames(tmp_path: Path, stated: list[float], seconds: tuple[float, ...]) -> None:
    dataset = dicom_image(CINE, US_MULTIFRAME, FrameTimeVector=stated, FrameTime=30)
    sequence = ImageSequence.read(save(dataset, tmp_path / "a.dcm"), 1.0)
    assert sequence.seconds == pytest.approx(seconds)


# Damage


@pytest.mark.parametrize("part", [0.05, 0.3, 0.99])
def test_truncated_files(tmp_path: Path, capfd: pytest.CaptureFixture[str], part: float) -> None:
    path = save(dicom_image(np.tile(GREY, (40, 40))), tmp_path / "cut.dcm")
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "damaged" in refusal(path, pixel_size=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_damaged_bytes_are_refused_or_read_but_never_a_failure_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], syntax: str
) -> None:
    dataset = dicom_image(GREY, SequenceOfUltrasoundRegions=[us_region(0.02, 0.02)])
    dataset.file_meta.TransferSyntaxUID = syntax
    path = save(dataset, tmp_path / "image.dcm")
    whole = path.read_bytes()
    generator = np.random.default_rng(3)
    for _ in range(100):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[generator.integers(132, len(whole), 4)] = generator.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        try:
            Volume.read(path)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017  either outcome is right
    assert capfd.readouterr() == ("", "")


def test_undecodable_compression_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = dicom_image(GREY)
    encapsulate(dataset, b"not a JPEG-LS stream", JPEGLSLossless)
    message = refusal(save(dataset, tmp_path / "jpegls.dcm"), pixel_size=1)
    assert "JPEG-LS Lossless" in message
    assert "without compression" in message
    assert capfd.readouterr() == ("", "")


def test_dicom_without_an_image(tmp_path: Path) -> None:
    report = dicom_image(GREY)
    del report.Rows, report.Columns, report.PixelData
    assert "without an image" in refusal(save(report, tmp_path / "report.dcm"))
    no_pixels = dicom_image(GREY)
    del no_pixels.PixelData
    assert "damaged" in refusal(save(no_pixels, tmp_path / "empty.dcm"), pixel_size=1)


def test_the_stated_pixel_size_is_known_without_the_pixels(tmp_path: Path) -> None:
    """ITK reads a picture with calibrated regions as if a pixel measured 1 mm."""
    region = [us_region(0.016, 0.024)]
    for number, (pixels, sop_class) in enumerate(((GREY, US_IMAGE), (CINE, US_MULTIFRAME))):
        dataset = dicom_image(pixels, sop_class, SequenceOfUltrasoundRegions=region)
        path = save(dataset, tmp_path / f"{number}")  # no suffix, as in Slicer's database
        assert stated_pixel_size(path) == pytest.approx((0.16, 0.24))
    assert stated_pixel_size(save(dicom_image(GREY), tmp_path / "a.dcm")) is None
    both = dicom_image(GREY, SequenceOfUltrasoundRegions=[*region, us_region(0.03, 0.03)])
    with pytest.raises(InputError, match="different pixel size"):
        stated_pixel_size(save(both, tmp_path / "b.dcm"))
