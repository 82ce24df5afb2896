"""DICOM images, made with pydicom as the scanners write them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from USToMRILib.errors import InputError
from USToMRILib.image.folders import Reader
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume

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


def _dicom(
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


def _item(**values: Any) -> Dataset:
    """A dataset with these attributes."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _region(dx: float, dy: float, spatial_format: int = 1, unit: int = 3) -> Dataset:
    """A calibrated ultrasound region; unit 3 is cm."""
    return _item(
        RegionSpatialFormat=spatial_format,
        RegionDataType=1,
        PhysicalUnitsXDirection=unit,
        PhysicalUnitsYDirection=unit,
        PhysicalDeltaX=dx,
        PhysicalDeltaY=dy,
    )


def _save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def _refusal(path: Path, **arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        Volume.read(path, **arguments)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Ultrasound images


def test_region_calibration_in_cm_wins_over_everything(tmp_path: Path) -> None:
    # A Doppler spectrum and a region in other units are calibrated too, and must not count.
    regions = [_region(0.5, 0.5, spatial_format=3), _region(9, 9, unit=5), _region(0.02, -0.03)]
    dataset = _dicom(GREY, SequenceOfUltrasoundRegions=regions, PixelSpacing=[7, 7])
    volume = Volume.read(_save(dataset, tmp_path / "us"))  # DICOM often comes without a suffix
    assert volume.grid == Grid((8, 6, 1), (0.2, 0.3, 1.0))
    np.testing.assert_array_equal(volume.array, GREY[np.newaxis])
    assert volume.array.dtype == np.uint8
    assert volume.metadata == {"Modality": "US"}


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing"])
def test_pixel_spacing_gives_rows_first(tmp_path: Path, keyword: str) -> None:
    path = _save(_dicom(GREY, **{keyword: [0.4, 0.6]}), tmp_path / "us.dcm")
    assert Volume.read(path).grid.spacing == (0.6, 0.4, 1.0)
    assert "its own voxel spacing" in _refusal(path, pixel_size=0.5)


def test_an_uncalibrated_image_asks_for_its_pixel_size(tmp_path: Path) -> None:
    path = _save(_dicom(GREY), tmp_path / "us.dcm")
    assert "--pixel-size MM" in _refusal(path)
    assert Volume.read(path, pixel_size=0.25).grid.spacing == (0.25, 0.25, 1.0)


def test_images_that_are_compared_have_the_given_pixel_size_where_they_state_none(
    tmp_path: Path,
) -> None:
    uncalibrated = _save(_dicom(GREY), tmp_path / "us.dcm")
    calibrated = Volume.read(uncalibrated, pixel_size=0.25)
    calibrated.write(tmp_path / "mri.nrrd")
    reader = Reader(pixel_size=0.25)
    for path in (uncalibrated, tmp_path / "mri.nrrd"):
        assert reader.read(path).grid.spacing == (0.25, 0.25, 1.0)
    with pytest.raises(InputError, match="--pixel-size MM"):
        Reader().read(uncalibrated)


def test_two_regions_of_different_scale_are_refused(tmp_path: Path) -> None:
    same = _dicom(GREY, SequenceOfUltrasoundRegions=[_region(0.02, 0.02)] * 2)
    assert Volume.read(_save(same, tmp_path / "dual.dcm")).grid.spacing[0] == 0.2
    other = _dicom(GREY, SequenceOfUltrasoundRegions=[_region(0.02, 0.02), _region(0.04, 0.04)])
    assert "different pixel size" in _refusal(_save(other, tmp_path / "zoom.dcm"))


def test_a_cine_is_not_a_volume_but_each_frame_is(tmp_path: Path) -> None:
    dataset = _dicom(CINE, US_MULTIFRAME, SequenceOfUltrasoundRegions=[_region(0.02, 0.02)])
    path = _save(dataset, tmp_path / "cine.dcm")
    message = _refusal(path)
    assert "3 frames" in message
    assert "frame=N" in message
    volume = Volume.read(path, frame=2)
    np.testing.assert_array_equal(volume.array, CINE[2:])
    assert volume.grid == Grid((8, 6, 1), (0.2, 0.2, 1.0))
    assert "no frame 3" in _refusal(path, frame=3)


# Pixels


def test_rgb_and_ybr_become_luma(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    expected = np.rint(colour @ [0.299, 0.587, 0.114])
    for photometric in ("RGB", "YBR_FULL"):
        pixels = convert_color_space(colour, "RGB", photometric) if photometric != "RGB" else colour
        path = _save(_dicom(pixels, photometric=photometric), tmp_path / f"{photometric}.dcm")
        array = Volume.read(path, pixel_size=1).array[0]
        assert array.dtype == np.uint8
        # YBR was rounded to 8 bits before.
        np.testing.assert_allclose(array, expected, atol=0 if photometric == "RGB" else 1)


def test_colour_cine_frame(tmp_path: Path) -> None:
    colour = np.repeat(CINE[..., np.newaxis], 3, axis=-1)
    path = _save(_dicom(colour, US_MULTIFRAME, "RGB"), tmp_path / "cine.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1, frame=1).array, CINE[1:2])


def test_palette_colour(tmp_path: Path) -> None:
    table = np.random.default_rng(2).permutation(256).astype("<u2") << 8
    dataset = _dicom(GREY, photometric="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table.tobytes())
    array = Volume.read(_save(dataset, tmp_path / "palette.dcm"), pixel_size=1).array
    np.testing.assert_array_equal(array[0], table[GREY] >> 8)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = _save(_dicom(GREY, photometric="MONOCHROME1"), tmp_path / "inverse.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], 255 - GREY)


def test_rescale_is_applied(tmp_path: Path) -> None:
    dataset = _dicom(
        GREY.astype(np.uint16), MR_IMAGE, RescaleSlope="0.5", RescaleIntercept="-3", Modality="MR"
    )
    array = Volume.read(_save(dataset, tmp_path / "mr.dcm"), pixel_size=1).array
    np.testing.assert_array_equal(array[0], GREY * 0.5 - 3)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_compression(tmp_path: Path, syntax: str) -> None:
    pixels = np.tile(GREY, (10, 10))
    dataset = _dicom(pixels)
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    else:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True)
        _encapsulate(dataset, stream.getvalue(), syntax)
    path = _save(dataset, tmp_path / "compressed.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], pixels)


def _encapsulate(dataset: Dataset, stream: bytes, syntax: str) -> None:
    """Make a compressed stream the pixel data of an image."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True


def _palette(tables: np.ndarray, bits: int) -> dict[str, Any]:
    """The attributes of a palette [256, 3] whose entries are written in 16 bits."""
    values: dict[str, Any] = {}
    for colour, table in zip(("Red", "Green", "Blue"), tables.T):
        name = f"{colour}PaletteColorLookupTable"
        values[f"{name}Descriptor"] = [len(table), 0, bits]
        values[f"{name}Data"] = table.astype("<u2").tobytes()
    return values


def test_palettes_and_indices_of_16_bits(tmp_path: Path) -> None:
    grey = np.repeat((np.arange(65536) // 256 * 257)[:, None], 3, axis=1)
    values = _palette(grey, 16)
    for name in list(values):
        if name.endswith("Descriptor"):
            values[name] = [0, 0, 16]  # 65536 entries
    indices = GREY.astype(np.uint16) * 256
    path = _save(_dicom(indices, photometric="PALETTE COLOR", **values), tmp_path / "aloka.dcm")
    array = Volume.read(path, pixel_size=1).array[0]
    np.testing.assert_array_equal(array, GREY)
    assert array.dtype == np.uint8


def test_a_palette_of_8_bit_colours_in_16_bits(tmp_path: Path) -> None:
    table = np.random.default_rng(2).permutation(256)
    values = _palette(np.repeat(table[:, None], 3, axis=1), 16)
    path = _save(_dicom(GREY, photometric="PALETTE COLOR", **values), tmp_path / "low.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], table[GREY])


def test_values_in_the_high_bits(tmp_path: Path) -> None:
    dataset = _dicom(GREY.astype(np.uint16) << 8, BitsStored=8, HighBit=15)
    array = Volume.read(_save(dataset, tmp_path / "high.dcm"), pixel_size=1).array[0]
    np.testing.assert_array_equal(array, GREY)


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("stored", ["YCbCr", "RGB"])
def test_jpeg_colours_are_what_the_stream_says(tmp_path: Path, label: str, stored: str) -> None:
    smooth = np.linspace(0, 255, 64, dtype=np.uint8)
    grey = np.minimum(smooth[:, None], smooth[None])
    picture = Image.fromarray(np.dstack([grey, grey, grey]))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95, keep_rgb=stored == "RGB")
    dataset = _dicom(np.dstack([grey] * 3), photometric="RGB")
    dataset.PhotometricInterpretation = label
    _encapsulate(dataset, stream.getvalue(), JPEGBaseline8Bit)
    array = Volume.read(_save(dataset, tmp_path / "jpeg.dcm"), pixel_size=1).array[0]
    np.testing.assert_allclose(array.astype(int), grey, atol=6)


def test_a_pixel_aspect_ratio_is_applied(tmp_path: Path) -> None:
    path = _save(_dicom(GREY, PixelAspectRatio=["3", "2"]), tmp_path / "tall.dcm")
    assert Volume.read(path, pixel_size=0.2).grid.spacing == pytest.approx((0.2, 0.3, 1.0))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_pixel_spacing_of_zero_is_none(tmp_path: Path, compressed: bool) -> None:
    pixels = np.tile(GREY, (10, 10))
    dataset = _dicom(pixels, PixelSpacing=[0, 0])
    if compressed:
        dataset.compress(RLELossless)
    path = _save(dataset, tmp_path / "zero.dcm")
    assert "--pixel-size MM" in _refusal(path)
    volume = Volume.read(path, pixel_size=0.26)
    np.testing.assert_array_equal(volume.array[0], pixels)
    assert volume.grid.spacing == (0.26, 0.26, 1.0)


def _located(left: int, top: int, right: int, bottom: int, mm: float = 0.2) -> Dataset:
    region = _region(mm / 10, mm / 10)
    region.RegionLocationMinX0, region.RegionLocationMinY0 = left, top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right, bottom
    return region


def test_images_side_by_side_are_offered(tmp_path: Path) -> None:
    regions = [_located(4, 1, 7, 5, 0.4), _located(0, 0, 3, 5), _located(1, 1, 2, 2)]
    path = _save(_dicom(GREY, SequenceOfUltrasoundRegions=regions), tmp_path / "dual.dcm")
    message = _refusal(path)
    assert "2 B-mode images side by side" in message
    assert "1: 4 x 5 pixels from column 4, row 1" in message
    left, right = (Volume.read(path, region=n) for n in (0, 1))
    np.testing.assert_array_equal(left.array[0], GREY[:, :4])
    np.testing.assert_array_equal(right.array[0], GREY[1:, 4:])
    assert left.grid == Grid((4, 6, 1), (0.2, 0.2, 1.0))
    assert right.grid == Grid((4, 5, 1), (0.4, 0.4, 1.0), (1.6, 0.4, 0.0))
    assert "no region 2" in _refusal(path, region=2)
    single = _dicom(GREY, SequenceOfUltrasoundRegions=[_located(0, 0, 7, 5), _located(1, 1, 6, 4)])
    path = _save(single, tmp_path / "colour_box.dcm")
    np.testing.assert_array_equal(Volume.read(path).array[0], GREY)
    assert "no region 0" in _refusal(path, region=0)


# Series and volumes


def _slices(gaps: list[float], **values: Any) -> list[Dataset]:
    """Slices of an oblique stack, at these distances along its normal; slice n holds GREY // n."""
    return [
        _dicom(
            GREY // (n + 1),
            MR_IMAGE,
            ImagePositionPatient=[f"{x:.8f}" for x in [10, -20, 30] + gap * OBLIQUE[:, 2]],
            ImageOrientationPatient=[f"{x:.8f}" for x in OBLIQUE[:, :2].T.ravel()],
            PixelSpacing=[0.8, 0.5],
            **values,
        )
        for n, gap in enumerate(gaps)
    ]


def _folder(slices: list[Dataset], folder: Path) -> Path:
    """A folder with these slices under names that sort in another order."""
    folder.mkdir(exist_ok=True)
    for n, dataset in enumerate(slices):
        _save(dataset, folder / f"IM{(7 * n + 3) % 10}")
    return folder


def test_a_series_is_sorted_by_position(tmp_path: Path) -> None:
    folder = _folder(_slices([0, 2.5, 5, 7.5], SliceThickness=9), tmp_path / "series")
    for name in ("readme.txt", "DICOMDIR", "._IM1.dcm"):
        (folder / name).write_text("not a slice")
    (folder / "subfolder").mkdir()
    volume = Volume.read(folder)
    expected = Grid((8, 6, 4), (0.5, 0.8, 2.5), (10, -20, 30), tuple(OBLIQUE.ravel()))
    assert volume.grid.is_close(expected, tolerance=1e-5)
    np.testing.assert_array_equal(volume.array, [GREY // n for n in (1, 2, 3, 4)])


def test_a_single_slice_keeps_its_place_and_its_neighbours_distance(tmp_path: Path) -> None:
    dataset = _slices([0], SliceThickness=4, SpacingBetweenSlices=5)[0]
    grid = Volume.read(_save(dataset, tmp_path / "slice.dcm")).grid
    expected = Grid((8, 6, 1), (0.5, 0.8, 5), (10, -20, 30), tuple(OBLIQUE.ravel()))
    assert grid.is_close(expected, tolerance=1e-5)
    assert grid.spacing[2] == 5
    for keyword, stated, distance in (
        ("SliceThickness", 4, 4),
        ("SliceThickness", 0, 1),
        ("SpacingBetweenSlices", 0, 1),
    ):
        path = _save(_slices([0], **{keyword: stated})[0], tmp_path / "thick.dcm")
        assert Volume.read(path).grid.spacing[2] == distance


def test_a_folder_with_one_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    _save(_dicom(GREY), tmp_path / "one" / "IM1")
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
    assert words in _refusal(_folder(_slices(gaps), tmp_path / "series"))


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    slices = _slices([0, 2, 4, 6])
    for n, dataset in enumerate(slices):
        tilted = np.array([10, -20, 30]) + n * (2 * OBLIQUE[:, 2] + 0.3 * OBLIQUE[:, 1])
        dataset.ImagePositionPatient = [f"{x:.8f}" for x in tilted]
    assert "tilted" in _refusal(_folder(slices, tmp_path / "series"))


def test_folders_that_hold_no_volume(tmp_path: Path) -> None:
    mixed = _slices([0, 1, 2])
    mixed[2].SeriesInstanceUID, mixed[2].SeriesDescription = "1.2.4", "localizer"
    message = _refusal(_folder(mixed, tmp_path / "two"))
    assert "2 DICOM series" in message
    assert "localizer: 1 images" in message
    turned = _slices([0, 1, 2])
    turned[1].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    assert "differ in orientation" in _refusal(_folder(turned, tmp_path / "turned"))
    sizes = _slices([0, 1, 2])
    sizes[1].Rows, sizes[1].PixelData = 3, sizes[1].PixelData[:24]
    assert "differ in size" in _refusal(_folder(sizes, tmp_path / "sizes"))
    exam = [_dicom(GREY), _dicom(GREY)]
    assert "not a volume" in _refusal(_folder(exam, tmp_path / "exam"), pixel_size=1)


def _enhanced(positions: list[list[float]], volume: str = "", patient: str = "Patient") -> Dataset:
    """A multi-frame file with a position of each frame in its functional groups."""
    shared = _item(
        PixelMeasuresSequence=[_item(PixelSpacing=[0.8, 0.5])],
        **{
            f"PlaneOrientation{volume}Sequence": [
                _item(**{f"ImageOrientation{patient}": [0, 1, 0, 0, 0, 1]})
            ]
        },
    )
    frames = [
        _item(
            **{f"PlanePosition{volume}Sequence": [_item(**{f"ImagePosition{patient}": position})]}
        )
        for position in positions
    ]
    sop_class = ENHANCED_US_VOLUME if volume else ENHANCED_MR
    return _dicom(
        CINE[: len(positions)],
        sop_class,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )


@pytest.mark.parametrize("names", [("", "Patient"), ("Volume", "Volume")])
def test_positioned_frames_are_a_volume(tmp_path: Path, names: tuple[str, str]) -> None:
    dataset = _enhanced([[3, 0, 0], [1, 0, 0], [2, 0, 0]], *names)
    path = _save(dataset, tmp_path / "volume.dcm")
    volume = Volume.read(path)
    assert volume.grid == Grid((8, 6, 3), (0.5, 0.8, 1), (1, 0, 0), (0, 0, 1, 1, 0, 0, 0, 1, 0))
    np.testing.assert_array_equal(volume.array, CINE[[1, 2, 0]])
    one = Volume.read(path, frame=0)
    np.testing.assert_array_equal(one.array, CINE[:1])
    assert one.grid.origin == (3, 0, 0)


def test_frames_of_several_time_points_are_refused(tmp_path: Path) -> None:
    dataset = _enhanced([[1, 0, 0], [2, 0, 0], [1, 0, 0]])
    assert "same position" in _refusal(_save(dataset, tmp_path / "time.dcm"))


# Damage


@pytest.mark.parametrize("part", [0.05, 0.3, 0.99])
def test_truncated_files(tmp_path: Path, capfd: pytest.CaptureFixture[str], part: float) -> None:
    path = _save(_dicom(np.tile(GREY, (40, 40))), tmp_path / "cut.dcm")
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "damaged" in _refusal(path, pixel_size=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_damaged_bytes_are_refused_or_read_but_never_a_failure_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], syntax: str
) -> None:
    dataset = _dicom(GREY, SequenceOfUltrasoundRegions=[_region(0.02, 0.02)])
    dataset.file_meta.TransferSyntaxUID = syntax
    path = _save(dataset, tmp_path / "image.dcm")
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
    dataset = _dicom(GREY)
    _encapsulate(dataset, b"not a JPEG-LS stream", JPEGLSLossless)
    message = _refusal(_save(dataset, tmp_path / "jpegls.dcm"), pixel_size=1)
    assert "JPEG-LS Lossless" in message
    assert "without compression" in message
    assert capfd.readouterr() == ("", "")


def test_dicom_without_an_image(tmp_path: Path) -> None:
    report = _dicom(GREY)
    del report.Rows, report.Columns, report.PixelData
    assert "without an image" in _refusal(_save(report, tmp_path / "report.dcm"))
    no_pixels = _dicom(GREY)
    del no_pixels.PixelData
    assert "damaged" in _refusal(_save(no_pixels, tmp_path / "empty.dcm"), pixel_size=1)
