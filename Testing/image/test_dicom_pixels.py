"""The pixels of DICOM images: colours, palettes, bits and compression."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate as encapsulated
from pydicom.encaps import get_frame
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from Testing.image.dicom_files import (
    CINE,
    GREY,
    MR_IMAGE,
    US_MULTIFRAME,
    dicom_image,
    encapsulate,
    item,
    palette,
    save,
)
from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume


def test_rgb_and_ybr_become_luma(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    expected = np.rint(colour @ [0.299, 0.587, 0.114])
    for photometric in ("RGB", "YBR_FULL"):
        pixels = convert_color_space(colour, "RGB", photometric) if photometric != "RGB" else colour
        path = save(dicom_image(pixels, photometric=photometric), tmp_path / f"{photometric}.dcm")
        array = Volume.read(path, pixel_size=1).array[0]
        assert array.dtype == np.uint8
        # YBR was rounded to 8 bits before.
        np.testing.assert_allclose(array, expected, atol=0 if photometric == "RGB" else 1)


def test_colour_cine_frame(tmp_path: Path) -> None:
    colour = np.repeat(CINE[..., np.newaxis], 3, axis=-1)
    path = save(dicom_image(colour, US_MULTIFRAME, "RGB"), tmp_path / "cine.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1, frame=1).array, CINE[1:2])


def test_palette_colour(tmp_path: Path) -> None:
    table = np.random.default_rng(2).permutation(256).astype("<u2") << 8
    dataset = dicom_image(GREY, photometric="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table.tobytes())
    array = Volume.read(save(dataset, tmp_path / "palette.dcm"), pixel_size=1).array
    np.testing.assert_array_equal(array[0], table[GREY] >> 8)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = save(dicom_image(GREY, photometric="MONOCHROME1"), tmp_path / "inverse.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], 255 - GREY)


def test_rescale_is_applied(tmp_path: Path) -> None:
    dataset = dicom_image(
        GREY.astype(np.uint16), MR_IMAGE, RescaleSlope="0.5", RescaleIntercept="-3", Modality="MR"
    )
    array = Volume.read(save(dataset, tmp_path / "mr.dcm"), pixel_size=1).array
    np.testing.assert_array_equal(array[0], GREY * 0.5 - 3)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_compression(tmp_path: Path, syntax: str) -> None:
    pixels = np.tile(GREY, (10, 10))
    dataset = dicom_image(pixels)
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    else:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True)
        encapsulate(dataset, stream.getvalue(), syntax)
    path = save(dataset, tmp_path / "compressed.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], pixels)


def test_palettes_and_indices_of_16_bits(tmp_path: Path) -> None:
    grey = np.repeat((np.arange(65536) // 256 * 257)[:, None], 3, axis=1)
    values = palette(grey, 16)
    for name in list(values):
        if name.endswith("Descriptor"):
            values[name] = [0, 0, 16]  # 65536 entries
    indices = GREY.astype(np.uint16) * 256
    path = save(dicom_image(indices, photometric="PALETTE COLOR", **values), tmp_path / "aloka.dcm")
    array = Volume.read(path, pixel_size=1).array[0]
    np.testing.assert_array_equal(array, GREY)
    assert array.dtype == np.uint8


def test_a_palette_of_8_bit_colours_in_16_bits(tmp_path: Path) -> None:
    table = np.random.default_rng(2).permutation(256)
    values = palette(np.repeat(table[:, None], 3, axis=1), 16)
    path = save(dicom_image(GREY, photometric="PALETTE COLOR", **values), tmp_path / "low.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], table[GREY])


def test_values_in_the_high_bits(tmp_path: Path) -> None:
    dataset = dicom_image(GREY.astype(np.uint16) << 8, BitsStored=8, HighBit=15)
    array = Volume.read(save(dataset, tmp_path / "high.dcm"), pixel_size=1).array[0]
    np.testing.assert_array_equal(array, GREY)


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("stored", ["YCbCr", "RGB"])
def test_jpeg_colours_are_what_the_stream_says(tmp_path: Path, label: str, stored: str) -> None:
    smooth = np.linspace(0, 255, 64, dtype=np.uint8)
    grey = np.minimum(smooth[:, None], smooth[None])
    picture = Image.fromarray(np.dstack([grey, grey, grey]))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95, keep_rgb=stored == "RGB")
    dataset = dicom_image(np.dstack([grey] * 3), photometric="RGB")
    dataset.PhotometricInterpretation = label
    encapsulate(dataset, stream.getvalue(), JPEGBaseline8Bit)
    array = Volume.read(save(dataset, tmp_path / "jpeg.dcm"), pixel_size=1).array[0]
    np.testing.assert_allclose(array.astype(int), grey, atol=6)


@pytest.mark.parametrize("colours", [False, True])
def test_a_jpeg_that_has_other_colours_than_its_label(tmp_path: Path, colours: bool) -> None:
    smooth = np.linspace(0, 255, 64, dtype=np.uint8)
    grey = np.minimum(smooth[:, None], smooth[None])
    stream = io.BytesIO()
    Image.fromarray(np.dstack([grey] * 3) if colours else grey).save(stream, "JPEG", quality=95)
    labelled = (grey, "MONOCHROME2") if colours else (np.dstack([grey] * 3), "RGB")
    dataset = dicom_image(labelled[0], photometric=labelled[1])
    encapsulate(dataset, stream.getvalue(), JPEGBaseline8Bit)
    array = Volume.read(save(dataset, tmp_path / "jpeg.dcm"), pixel_size=1).array[0]
    np.testing.assert_allclose(array.astype(int), grey, atol=6)


def test_a_jpeg_of_another_size_is_damaged(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(GREY[:4]).save(stream, "JPEG")
    dataset = dicom_image(GREY)
    encapsulate(dataset, stream.getvalue(), JPEGBaseline8Bit)
    assert "damaged" in refusal(save(dataset, tmp_path / "jpeg.dcm"), pixel_size=1)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_file_without_a_preamble(tmp_path: Path, implicit: bool) -> None:
    dataset = dicom_image(GREY)
    del dataset.file_meta
    dataset.save_as(tmp_path / "old.dcm", implicit_vr=implicit, little_endian=True)
    assert (tmp_path / "old.dcm").read_bytes()[128:132] != b"DICM"
    array = Volume.read(tmp_path / "old.dcm", pixel_size=1).array[0]
    np.testing.assert_array_equal(array, GREY)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("slope", [1, 2])
def test_padding_is_black(tmp_path: Path, compressed: bool, slope: int) -> None:
    values = GREY.astype(np.int16) - 100
    padded = values.copy()
    padded[:2] = -2000
    dataset = dicom_image(padded.view(np.uint16), RescaleSlope=slope, RescaleIntercept=7)
    dataset.PixelRepresentation = 1
    dataset.PixelPaddingValue = -2000
    if compressed:
        dataset.compress(RLELossless)
    array = Volume.read(save(dataset, tmp_path / "a.dcm"), pixel_size=1).array[0]
    np.testing.assert_array_equal(array[2:], values[2:].astype(int) * slope + 7)
    assert (array[:2] == array[2:].min()).all()


@pytest.mark.parametrize("cut", [2, 10, 100])
@pytest.mark.parametrize("shape", [(6, 8), (48, 64)])
def test_run_lengths_that_end_too_early(tmp_path: Path, cut: int, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 4096, shape).astype(np.uint16)
    dataset = dicom_image(values)
    dataset.compress(RLELossless)
    path = save(dataset, tmp_path / "whole.dcm")
    np.testing.assert_array_equal(Volume.read(path, pixel_size=1).array[0], values)
    encapsulate(dataset, get_frame(dataset.PixelData, 0)[:-cut], RLELossless)
    assert "damaged" in refusal(save(dataset, tmp_path / "cut.dcm"), pixel_size=1)


def jpeg(pixels: np.ndarray) -> bytes:
    """A JPEG stream."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=100)
    return stream.getvalue()


def cine_of(streams: list[bytes], **how: int) -> Dataset:
    """A cine of JPEG streams, of frames like GREY."""
    dataset = dicom_image(CINE, US_MULTIFRAME, FrameTime=40)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulated(streams, **how)
    dataset["PixelData"].is_undefined_length = True
    return dataset


def test_frames_in_several_fragments(tmp_path: Path) -> None:
    streams = [jpeg(frame) for frame in CINE]
    path = save(cine_of(streams, fragments_per_frame=2), tmp_path / "a.dcm")
    whole = ImageSequence.read(path, 1.0)
    assert np.abs(whole.array[:, 0].astype(int) - CINE).max() <= 3
    np.testing.assert_array_equal(Volume.read(path, 1.0, 1).array, whole.array[1])


def test_a_damaged_frame_of_a_cine_is_noticed_and_the_others_are_read(tmp_path: Path) -> None:
    streams = [jpeg(frame) for frame in CINE]
    streams[1] = streams[1][:-20]
    path = save(cine_of(streams), tmp_path / "a.dcm")
    assert "could not be decoded" in refusal(path, pixel_size=1, frame=1)
    with pytest.raises(InputError, match="could not be decoded"):
        ImageSequence.read(path, 1.0)
    assert np.abs(Volume.read(path, 1.0, 2).array[0].astype(int) - CINE[2]).max() <= 3


@pytest.mark.parametrize("name", ["jpegls", "jpeg2k", "ljpeg", "jpeg8"])
def test_a_compressed_image_that_ends_too_early_is_noticed(tmp_path: Path, name: str) -> None:
    values = np.add.outer(np.arange(24) * 5, np.arange(32) * 4).astype(np.uint8)
    syntax = {
        "jpegls": JPEGLSLossless,
        "jpeg2k": JPEG2000Lossless,
        "ljpeg": JPEGLosslessSV1,
        "jpeg8": JPEGBaseline8Bit,
    }[name]
    how = {"level": 0, "codecformat": "j2k", "reversible": True} if name == "jpeg2k" else {}
    stream = getattr(imagecodecs, f"{name}_encode")(values, **how)
    for end in (len(stream), -2, len(stream) // 2):
        dataset = dicom_image(values)
        encapsulate(dataset, stream[:end], syntax)
        path = save(dataset, tmp_path / "a.dcm")
        if end == len(stream):
            assert np.abs(Volume.read(path, 1).array[0].astype(int) - values).max() <= 4
        else:
            assert "could not be decoded" in refusal(path, pixel_size=1)


@pytest.mark.parametrize("label", ["HSV", "ARGB", "CMYK"])
def test_colours_of_kinds_that_are_not_read_are_named(tmp_path: Path, label: str) -> None:
    dataset = dicom_image(np.repeat(GREY[..., None], 3, -1), photometric="RGB")
    dataset.PhotometricInterpretation = label
    assert f"colours as {label}" in refusal(save(dataset, tmp_path / "a.dcm"), pixel_size=1)


def test_a_table_of_what_values_mean_is_named(tmp_path: Path) -> None:
    table = item(LUTDescriptor=[256, 0, 8], ModalityLUTType="US", LUTData=bytes(512))
    path = save(dicom_image(GREY, ModalityLUTSequence=[table]), tmp_path / "a.dcm")
    assert "Modality LUT" in refusal(path, pixel_size=1)
