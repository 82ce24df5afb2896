"""PNG, JPEG, TIFF and BMP pictures: values, pixel size, pages."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Testing.image.made_volumes import PICTURES, numbered
from Testing.image.refused import refusal
from USToMRILib.errors import InputError
from USToMRILib.image.grid import Grid
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


def test_an_animation_is_a_sequence(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 30)).astype(np.uint8)
    first, *others = map(Image.fromarray, frames)
    first.save(tmp_path / "a.png", save_all=True, append_images=others)
    assert "3 frames of an animation" in refusal(tmp_path / "a.png", pixel_size=1.0)
    for n in range(3):
        volume = Volume.read(tmp_path / "a.png", 1.0, n)
        np.testing.assert_array_equal(volume.array[0], frames[n])


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
