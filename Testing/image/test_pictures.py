"""PNG, JPEG, TIFF and BMP pictures: values, pixel size, pages."""

from __future__ import annotations

import csv
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from Testing.image.made_volumes import PICTURES, numbered
from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.grid import Grid
from USToMRILib.image.sequence import ImageSequence
from USToMRILib.image.volume import Volume, check_usable

DATA = os.environ.get("USTOMRI_DATA")


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_pictures_round_trip(tmp_path: Path, suffix: str) -> None:
    volume = numbered(Grid((7, 5, 1), (0.4, 0.4, 1.0)))
    volume.write(tmp_path / f"p.{suffix}", {"synthetic": "yes"})
    back = Volume.read(tmp_path / f"p.{suffix}", pixel_size=0.4)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.array.dtype == np.uint8
    assert back.grid == volume.grid


@pytest.mark.parametrize("suffix", PICTURES)
def test_names_of_fields_that_a_picture_has_no_letters_for(tmp_path: Path, suffix: str) -> None:
    """As the fields of an ultrasound's header may have, which go into what is made of it."""
    volume = numbered(Grid((7, 5, 1)))
    volume.write(tmp_path / f"p.{suffix}", {"名前": "値", "": "none", "x" * 99: "long", "ä": "ö"})
    fields = Volume.read(tmp_path / f"p.{suffix}", 1.0).metadata
    if suffix == "png":
        assert fields == {r"\u540d\u524d": "値", "x" * 79: "long", "ä": "ö"}


def test_floats_are_rounded_and_clipped_and_masks_stretched(tmp_path: Path) -> None:
    grid = Grid((4, 1, 1))
    values = np.array([[[-3.0, 0.6, 254.4, 300.0]]], np.float32)
    Volume(values, grid).write(tmp_path / "f.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "f.png")), [[0, 1, 254, 255]])
    Volume(values > 0, grid).write(tmp_path / "m.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "m.png")), [[0, 255, 255, 255]])


@pytest.mark.parametrize("array", [np.zeros((1, 1, 4), np.int16), np.full((1, 1, 4), np.nan)])
def test_a_picture_refuses_what_it_cannot_hold(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="nrrd"):
        Volume(array, Grid((4, 1, 1))).write(tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", PICTURES)
def test_a_picture_needs_a_pixel_size_and_its_print_resolution_is_not_one(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.new("L", (6, 4), 7).save(path, dpi=(300, 300))
    message = refusal(path)
    assert message == f"{path} has no pixel size; give it with --pixel-size MM (pixel_size=...)."
    assert Volume.read(path, pixel_size=0.5).grid == Grid((6, 4, 1), (0.5, 0.5, 1.0))


@pytest.mark.parametrize("pixel_size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_pixel_size_is_a_length(tmp_path: Path, pixel_size: float) -> None:
    Image.new("L", (6, 4), 7).save(tmp_path / "p.png")
    with pytest.raises(InputError, match="above zero"):
        Volume.read(tmp_path / "p.png", pixel_size=pixel_size)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_picture_mode_becomes_grey(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    grey = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    grey.convert(mode).save(tmp_path / f"p.{suffix}")
    array = Volume.read(tmp_path / f"p.{suffix}", pixel_size=1).array
    assert array.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    np.testing.assert_array_equal(array, [[[0, 255], [255, 0]]])


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("zeros", [2, 20, 300])
def test_a_jpeg_that_ends_in_zeros_is_damaged(
    tmp_path: Path, progressive: bool, zeros: int
) -> None:
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    Image.fromarray(noise).save(path, progressive=progressive)
    content = path.read_bytes()
    path.write_bytes(content[:-zeros] + bytes(zeros))
    assert "damaged" in refusal(path, pixel_size=1.0)
    path.write_bytes(content + b"more")
    assert Volume.read(path, 1.0).grid.size == (50, 40, 1)


def test_a_jpeg_whose_data_make_no_sense_is_damaged(tmp_path: Path) -> None:
    """As libjpeg's warnings tell, which Pillow keeps for itself: about a fifth of flipped bits."""
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    Image.fromarray(noise).resize((200, 160)).save(path, comment=b"a note", dpi=(72, 72))
    content = path.read_bytes()
    middle = (content.index(b"\xff\xda") + len(content)) // 2
    for changed in (
        content[:middle] + b"\xff\xd9",  # cut, and closed again
        content[:middle] + content[middle + 400 :],
        content[:middle] + bytes([0xFF, 0x00] * 40) + content[middle + 80 :],
    ):
        path.write_bytes(changed)
        assert "damaged" in refusal(path, pixel_size=1.0)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 2, "4:1:1"])
def test_whole_jpegs_of_all_forms_are_read(
    tmp_path: Path, mode: str, progressive: bool, subsampling: int | str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 11)).astype(np.uint8)
    smooth = Image.fromarray(noise).resize((83, 57)).convert("RGB").convert(mode)
    how = {"progressive": progressive, "subsampling": subsampling, "restart_marker_blocks": 7}
    smooth.save(tmp_path / "a.jpg", icc_profile=bytes(70_000), quality=97, **how)
    (tmp_path / "b.jfif").write_bytes((tmp_path / "a.jpg").read_bytes() + b"more\xff\xd8")
    expected = np.array(Image.open(tmp_path / "a.jpg").convert("RGB").convert("L"))
    for name in ("a.jpg", "b.jfif"):
        array = Volume.read(tmp_path / name, 1.0).array[0]
        np.testing.assert_allclose(array.astype(int), expected, atol=1)


@pytest.mark.parametrize(
    ("suffix", "missing"), [("png", 1), ("png", 20), ("gif", 1), ("gif", 40), ("webp", 1)]
)
def test_pictures_without_an_end_are_damaged(tmp_path: Path, suffix: str, missing: int) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-missing])
    assert "damaged" in refusal(path, pixel_size=1.0)
    path.write_bytes(content + (b"\0\0" if suffix == "gif" else b"more"))
    assert Volume.read(path, 1.0).grid.size == (30, 20, 1)


@pytest.mark.parametrize("durations", [[100, 300, 50], [0, 0, 0]])
@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_an_animation_is_a_sequence(tmp_path: Path, suffix: str, durations: list[int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 30)).astype(np.uint8)
    first, *others = map(Image.fromarray, frames)
    path = tmp_path / f"a.{suffix}"
    how = {"lossless": True} if suffix == "webp" else {}
    first.save(path, save_all=True, append_images=others, duration=durations, **how)
    assert "3 frames of an animation" in refusal(path, pixel_size=1.0)
    for n in range(3):
        volume = Volume.read(path, 1.0, n)
        np.testing.assert_array_equal(volume.array[0], frames[n])
    sequence = ImageSequence.read(path, 1.0)
    np.testing.assert_array_equal(sequence.array[:, 0], frames)
    assert sequence.seconds == pytest.approx((0, 0.1, 0.4) if any(durations) else ())


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_pictures_that_are_only_read(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="no suffix that can be written"):
        numbered(Grid((7, 5, 1))).write(tmp_path / f"a.{suffix}")


def png_with(path: Path, values: np.ndarray, across: int, down: int, unit: int) -> Path:
    """A PNG with a pHYs chunk, which states aspect (unit 0) or pixels a metre (1)."""
    Image.fromarray(values).save(path)
    chunk = b"pHYs" + struct.pack(">IIB", across, down, unit)
    content = path.read_bytes()
    chunk = struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:33] + chunk + content[33:])
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_of_pictures_may_be_oblong(tmp_path: Path, turned: bool) -> None:
    """The resolution of a print is no pixel size, but it says what shape the pixels are."""
    values = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    tags = [(274, 3, 1, 6, True)] if turned else []
    exif = Image.Exif()
    exif[274] = 6 if turned else 1
    picture = Image.fromarray(values)
    picture.save(tmp_path / "a.jpg", dpi=(300, 150), exif=exif)
    picture.save(tmp_path / "b.png", dpi=(300, 150), exif=exif)
    tifffile.imwrite(tmp_path / "c.tif", values, resolution=(300, 150), extratags=tags)
    for name in ("a.jpg", "b.png", "c.tif"):
        spacing = Volume.read(tmp_path / name, 0.5).grid.spacing
        np.testing.assert_allclose(spacing, (0.5, 0.25 if turned else 1.0, 1.0), rtol=1e-3)


def test_a_picture_that_says_nothing_usable_of_its_pixels_has_square_ones(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    for numbers in ((0, 0, 0), (3780, 3779, 1), (1, 50, 0), (5, 0, 1)):
        path = png_with(tmp_path / "a.png", values, *numbers)
        assert Volume.read(path, 0.5).grid.spacing == (0.5, 0.5, 1.0)
    path = png_with(tmp_path / "a.png", values, 2, 1, 0)
    assert Volume.read(path, 0.5).grid.spacing == (0.5, 1.0, 1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_value_that_means_transparent_shows_black(tmp_path: Path, dtype: type) -> None:
    values = np.arange(200, dtype=dtype).reshape(10, 20)
    values[:, :5] = 255
    Image.fromarray(values).save(tmp_path / "a.png", transparency=255)
    array = Volume.read(tmp_path / "a.png", 1.0).array[0]
    np.testing.assert_array_equal(array, np.where(values == 255, 0, values))


def test_pages_of_a_tiff_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.new("L", (6, 4), value) for value in (10, 20, 30)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert "3 pages" in refusal(path, pixel_size=1.0)
    assert "frame=N" in refusal(path, pixel_size=1.0)
    assert Volume.read(path, pixel_size=1, frame=2).array.max() == 30
    assert "no frame 3" in refusal(path, pixel_size=1.0, frame=3)


@pytest.mark.skipif(not DATA, reason="USTOMRI_DATA names no folder with hc18")
def test_real_ultrasound_png() -> None:
    folder = Path(str(DATA)) / "hc18"
    with open(folder / "pixel_size_and_HC.csv", newline="") as table:
        row = next(csv.reader(list(table)[1:]))
    volume = Volume.read(folder / "images" / row[0], pixel_size=float(row[1]))
    assert volume.is_slice
    assert volume.array.dtype == np.uint8
    assert volume.grid.size == (*Image.open(folder / "images" / row[0]).size, 1)
    check_usable(volume)
