"""Masks as people draw them, on an image of their own or on a viewer's screen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image, ImageFilter
from scipy.ndimage import binary_erosion, gaussian_filter
from skimage.draw import ellipse as draw_ellipse

from Testing.image.hand_written import write_nrrd
from USToMRILib.errors import InputError
from USToMRILib.fetal.head import Head
from USToMRILib.fetal.heads import read_head_hint
from USToMRILib.image.grid import Grid
from USToMRILib.image.masks import inside_of, is_outline, read_mask
from USToMRILib.image.regions import Box, read_region
from USToMRILib.image.volume import Volume

GRID = Grid((300, 200, 1), (0.6, 0.6, 1.0), (10.0, 20.0, 0.0))
HEAD = np.zeros((200, 300), bool)
HEAD[draw_ellipse(100, 150, 70, 95)] = True
IMAGE = Volume(np.zeros(GRID.shape, np.uint8), GRID)
TRUE_HC = Head.from_mask(Volume(HEAD[None].astype(np.uint8), GRID), IMAGE).circumference_mm


def circumference(path: Path) -> float:
    """Head circumference in mm of what a mask file marks on the image."""
    return Head.from_mask(read_head_hint(str(path), IMAGE), IMAGE).circumference_mm


def outline(width: int) -> np.ndarray:
    """The outermost pixels of the head."""
    return HEAD & ~binary_erosion(HEAD, iterations=width)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("suffix", ["png", "nrrd"])
def test_an_outline_is_filled(tmp_path: Path, width: int, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    Volume((outline(width) * np.uint8(255))[None], GRID).write(path)
    assert circumference(path) == pytest.approx(TRUE_HC, rel=1e-3)


def test_a_smooth_outline_is_filled(tmp_path: Path) -> None:
    line = Image.fromarray(outline(2) * np.uint8(255)).filter(ImageFilter.GaussianBlur(1))
    line.save(tmp_path / "m.png")
    assert circumference(tmp_path / "m.png") == pytest.approx(TRUE_HC, rel=0.02)


def test_an_open_outline_is_refused(tmp_path: Path) -> None:
    line = outline(3)
    line[:110, 140:160] = False
    Image.fromarray(line).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="not closed"):
        circumference(tmp_path / "m.png")


def test_a_mask_that_is_inverted_or_the_image_itself_is_refused(tmp_path: Path) -> None:
    screen = np.where(outline(3)[..., None], (255, 0, 0), 90).astype(np.uint8)
    for picture in (~HEAD * np.uint8(255), screen, np.full(HEAD.shape, 255, np.uint8)):
        Image.fromarray(picture).save(tmp_path / "m.png")
        with pytest.raises(InputError, match="up to its corners"):
            circumference(tmp_path / "m.png")
    tifffile.imwrite(tmp_path / "m.tif", HEAD)  # as one bit, of which 0 is white
    with pytest.raises(InputError, match="up to its corners"):
        circumference(tmp_path / "m.tif")


def test_an_outline_is_no_region_to_measure_in(tmp_path: Path) -> None:
    Image.fromarray(outline(3)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="is an outline"):
        read_region(tmp_path / "m.png", GRID)
    ring = HEAD & ~binary_erosion(HEAD, iterations=20)
    Image.fromarray(ring).save(tmp_path / "ring.png")
    np.testing.assert_array_equal(read_region(tmp_path / "ring.png", GRID)[0], ring)


@pytest.mark.parametrize("paint", [0, 90, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_paint_on_a_transparent_layer_is_the_mask(
    tmp_path: Path, paint: int, mode: str, suffix: str
) -> None:
    channels = [np.where(HEAD, paint, 255).astype(np.uint8)] * (len(mode) - 1)
    layer = np.stack([*channels, HEAD * np.uint8(255)], axis=-1)
    path = tmp_path / f"m.{suffix}"
    Image.fromarray(layer, mode).save(path)
    np.testing.assert_array_equal(read_mask(path, GRID)[0], HEAD)


def test_an_opaque_alpha_says_nothing(tmp_path: Path) -> None:
    mask = np.repeat((HEAD * np.uint8(255))[..., None], 4, axis=-1)
    for alpha in (255, 0):
        mask[..., 3] = alpha
        Image.fromarray(mask).save(tmp_path / "m.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png", GRID)[0], HEAD)


def test_soft_masks_end_at_half(tmp_path: Path) -> None:
    probability = gaussian_filter(HEAD.astype(np.float32), 6)
    small = Image.fromarray(HEAD * np.uint8(255)).resize((100, 67))
    for name, values in {
        "float": probability,
        "percent": (100 * probability).astype(np.uint8),
        "bytes": (255 * probability).astype(np.uint8),
        "words": (60000 * probability).astype(np.uint16),
        "resized": np.array(small.resize((300, 200), Image.Resampling.BICUBIC)),
    }.items():
        path = tmp_path / f"{name}.nrrd"
        Volume(values[None], GRID).write(path)
        assert circumference(path) == pytest.approx(TRUE_HC, rel=0.01), name
    for quality in (20, 50, 90):
        Image.fromarray(HEAD * np.uint8(255)).save(tmp_path / "m.jpg", quality=quality)
        assert circumference(tmp_path / "m.jpg") == pytest.approx(TRUE_HC, rel=0.003), quality


def test_every_label_of_a_label_map_is_inside() -> None:
    labels = np.zeros((1, 40, 60), np.uint8)
    labels[0, 5:20, 5:20], labels[0, 20:35, 20:50], labels[0, 30:38, 2:9] = 1, 4, 8
    for scale in (1, 10, 31):
        np.testing.assert_array_equal(inside_of(labels * np.uint8(scale)), labels > 0)
        np.testing.assert_array_equal(inside_of((labels * scale).astype(np.float32)), labels > 0)
    logits = np.linspace(-3, 3, 60, dtype=np.float32).reshape(1, 6, 10)
    np.testing.assert_array_equal(inside_of(logits), logits > 0)
    assert not inside_of(np.zeros((1, 4, 4))).any()
    assert not is_outline(np.zeros((1, 4, 4), bool))


def test_a_mask_that_was_cropped_lies_where_it_was_cut_out(tmp_path: Path) -> None:
    part = HEAD[20:180, 50:260]
    origin = tuple(GRID.index_to_physical(np.array([50, 20, 0])))
    cut = Volume(part[None].astype(np.uint8), Grid((210, 160, 1), GRID.spacing, origin))
    cut.write(tmp_path / "m.nrrd")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nrrd", GRID)[0], HEAD)
    wider = np.pad(HEAD, 5)
    origin = tuple(GRID.index_to_physical(np.array([-5, -5, 0])))
    grid = Grid((310, 210, 1), GRID.spacing, origin)
    Volume(wider[None].astype(np.uint8), grid).write(tmp_path / "w.nii.gz")
    np.testing.assert_array_equal(read_mask(tmp_path / "w.nii.gz", GRID)[0], HEAD)


def test_a_segmentation_is_what_any_of_its_layers_marks(tmp_path: Path) -> None:
    layers = np.stack([HEAD & (np.arange(300) < 150), HEAD & (np.arange(300) >= 150)], axis=-1)
    path = write_nrrd(
        tmp_path / "s.seg.nrrd",
        layers[None, :180].astype(np.uint8),
        "space: left-posterior-superior",
        "space directions: none (0.6,0,0) (0,0.6,0) (0,0,1)",
        *("kinds: list domain domain domain", "space origin: (10,20,0)"),
        *("Segment0_Layer:=0", "Segment1_Layer:=1"),
    )
    np.testing.assert_array_equal(read_mask(path, GRID)[0], HEAD & (np.arange(200) < 180)[:, None])


def test_digits_that_were_rounded_off_do_not_move_a_mask(tmp_path: Path) -> None:
    rounded = Grid((300, 200, 1), (0.60001, 0.59999, 1.0), (10.0, 20.0, 0.0))
    Volume(HEAD[None].astype(np.uint8), rounded).write(tmp_path / "m.nrrd")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nrrd", GRID)[0], HEAD)
    far = Grid((300, 200, 1), (0.61, 0.6, 1.0), (10.0, 20.0, 0.0))
    Volume(HEAD[None].astype(np.uint8), far).write(tmp_path / "m.nrrd")
    with pytest.raises(InputError, match="drawn on this image"):
        read_mask(tmp_path / "m.nrrd", GRID)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [(), (0,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("cropped", [False, True])
def test_a_mask_that_another_program_stored_the_other_way_round_lies_where_it_says(
    tmp_path: Path, order: tuple[int, ...], flipped: tuple[int, ...], cropped: bool
) -> None:
    grid = Grid((8, 6, 4), (0.5, 0.6, 2.0), (10.0, 20.0, 30.0), (0, 0, 1, 1, 0, 0, 0, 1, 0))
    mask = np.zeros(grid.shape, np.uint8)
    mask[1:3, 2:4, 1:6] = 1
    mask[1, 2, 6] = 1
    stored = sitk.GetImageFromArray(mask)
    stored.SetSpacing(grid.spacing)
    stored.SetOrigin(grid.origin)
    stored.SetDirection(grid.direction)
    if cropped:
        stored = stored[1:7, 1:5, 1:3]
    stored = sitk.Flip(sitk.PermuteAxes(stored, order), [axis in flipped for axis in range(3)])
    sitk.WriteImage(stored, str(tmp_path / "m.nrrd"))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nrrd", grid), mask == 1)


def test_masks_of_other_images_are_refused(tmp_path: Path) -> None:
    for name, grid, words in (
        ("apart", Grid((300, 200, 1), GRID.spacing, (1000.0, 20.0, 0.0)), "beside the image"),
        ("between", Grid((300, 200, 1), GRID.spacing, (10.3, 20.0, 0.0)), "drawn on this image"),
        ("other", Grid((200, 200, 1), GRID.spacing, GRID.origin), "drawn on this image"),
    ):
        path = tmp_path / f"{name}.nrrd"
        Volume(np.ones(grid.shape, np.uint8), grid).write(path)
        with pytest.raises(InputError, match=words):
            read_mask(path, GRID)


def test_a_mask_drawn_on_what_a_viewer_shows_fits_a_turned_photograph(tmp_path: Path) -> None:
    shown = Image.fromarray(np.where(HEAD, 200, 20).astype(np.uint8))
    turns = {3: 3, 6: 2, 8: 4, 5: 5, 2: 0}
    for orientation, back in turns.items():
        stored = shown.transpose(back)
        exif = Image.Exif()
        exif[0x0112] = orientation
        for suffix in ("jpg", "png"):
            path = tmp_path / f"{orientation}.{suffix}"
            stored.save(path, exif=exif)
            array = Volume.read(path, pixel_size=0.6).array[0]
            np.testing.assert_array_equal(array > 110, HEAD)


def test_a_box_turned_inside_out_is_refused(tmp_path: Path) -> None:
    roi = {"type": "ROI", "center": [0, 0, 0], "orientation": np.eye(3).ravel().tolist()}
    path = tmp_path / "r.mrk.json"
    for inside_out in (False, True):
        markup = {**roi, "size": [4, 4, 4], "insideOut": inside_out}
        path.write_text(json.dumps({"markups": [markup]}))
        if inside_out:
            with pytest.raises(InputError, match="inside out"):
                Box.from_markups(path)
        else:
            assert Box.from_markups(path).size.tolist() == [4, 4, 4]
