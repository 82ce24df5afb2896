"""Calipers, outlines and text that a scanner draws on an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from Testing.conftest import HEAD
from USToMRILib import Grid, Volume, translate
from USToMRILib.fetal import find_head
from USToMRILib.fetal.frame_spec import HEAD as SCALED
from USToMRILib.fetal.frame_spec import SKULL, FrameSpec
from USToMRILib.fetal.pipeline import FramedStack
from USToMRILib.fetal.stack import Stack
from USToMRILib.image.burned_in import burned_in_marks, painted_over

SAMPLE = Path(__file__).parents[2] / "Resources/Sample/fetal_head.png"
PIXEL = 0.116  # mm, of that image
SHAPE = (160, 200)
FRAME = FrameSpec(SCALED, (128, 128), long_axis_pixels=112, inside=SKULL)


def speckle(seed: int, sigma: float = 2.0) -> np.ndarray:
    """Ultrasound of 0 .. 255: blurred over several pixels, with an echo that is a thin line."""
    rng = np.random.default_rng(seed)
    parts = (gaussian_filter(rng.standard_normal(SHAPE), sigma) for _ in range(2))
    pixels = np.hypot(*parts)
    pixels = pixels / pixels.max() * 120
    line = np.zeros(SHAPE)
    line[70:73, 30:170] = 255
    return np.clip(pixels + gaussian_filter(line, sigma), 0, 255).astype(np.float32)


def with_calipers(pixels: np.ndarray, ends: list[tuple[float, float]], value: int) -> np.ndarray:
    """The image with a dotted line from one place (column, row) to the other, a cross on each."""
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for part in np.linspace(0, 1, 30):
        x, y = (1 - part) * np.array(ends[0]) + part * np.array(ends[1])
        draw.ellipse([x - 1.2, y - 1.2, x + 1.2, y + 1.2], fill=value)
    for x, y in ends:
        draw.line([x - 6, y, x + 6, y], fill=value, width=2)
        draw.line([x, y - 6, x, y + 6], fill=value, width=2)
    return np.asarray(image, np.float32)


@given(
    seed=st.integers(0, 2**31),
    value=st.integers(220, 255),
    left=st.tuples(st.floats(15, 60), st.floats(15, 60)),
    right=st.tuples(st.floats(140, 185), st.floats(100, 145)),
)
def test_marks_are_found_and_painted_over(seed, value, left, right):
    plain = speckle(seed)
    assert not burned_in_marks(plain).any()
    drawn = with_calipers(plain, [left, right], value)
    marks = burned_in_marks(drawn)
    changed = np.abs(drawn - np.floor(plain)) > 100
    assert marks[changed].mean() > 0.9
    assert marks.sum() < 6 * changed.sum()
    painted = painted_over(drawn, marks)
    np.testing.assert_array_equal(painted[~marks], drawn[~marks])
    assert np.abs(painted - plain)[marks].mean() < 0.3 * np.abs(drawn - plain)[marks].mean()


@pytest.mark.parametrize("scale", [1.0, 1 / 255, 257.0])
def test_marks_are_the_same_in_any_range_of_grey(scale):
    drawn = with_calipers(speckle(1), [(30, 30), (170, 130)], 255)
    marks = burned_in_marks(drawn)
    assert marks.any()
    np.testing.assert_array_equal(burned_in_marks(drawn * scale), marks)


@pytest.mark.parametrize("times", [2, 3])
def test_marks_of_an_image_that_was_enlarged_are_found(times):
    plain = np.tile(speckle(2), (3, 3))
    drawn = with_calipers(plain, [(100, 100), (500, 380)], 255)
    size = [times * n for n in reversed(plain.shape)]
    large, unmarked = (
        np.asarray(Image.fromarray(image.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR))
        for image in (drawn, plain)
    )
    changed = large.astype(float) - unmarked > 100
    assert burned_in_marks(large)[changed].mean() > 0.9
    assert burned_in_marks(large).shape == large.shape


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((8, 9)),
        np.full((5, 5), 7.0),
        np.random.default_rng(0).random((60, 60)),  # sharp all over: no beam drew it
        np.eye(3),
    ],
)
def test_an_image_without_a_beam_is_left_as_it_is(pixels):
    assert not burned_in_marks(pixels).any()


def test_what_is_painted_over_wholly_black_surroundings_is_black():
    marks = np.zeros((40, 40), bool)
    marks[5:35, 5:35] = True
    assert not painted_over(np.where(marks, 255.0, 0.0), marks).any()


def measured(pixels: np.ndarray) -> np.ndarray:
    """The sample as it is stored after a measurement: both diameters of the head."""
    head = find_head(volume_of(pixels)).ellipse
    for axis, reach in zip(head.rotation.T, head.semi_axes):
        ends = [tuple((head.centre + side * reach * axis) / PIXEL) for side in (-1, 1)]
        pixels = with_calipers(pixels, ends, 255)
    return pixels


def volume_of(pixels: np.ndarray) -> Volume:
    rows, columns = pixels.shape
    return Volume(pixels[None].astype(np.float32), Grid((columns, rows, 1), (PIXEL, PIXEL, 1.0)))


def test_calipers_do_not_change_the_picture_and_a_warning_tells_of_them():
    pixels = np.asarray(Image.open(SAMPLE).convert("L"), np.float32)
    drawn = measured(pixels)
    plain, marked = translate(volume_of(pixels)), translate(volume_of(drawn))
    assert not any("calipers" in warning for warning in plain.warnings)
    assert any("calipers" in warning for warning in marked.warnings)
    one, other = plain.volume.array, marked.volume.array
    inside = (one > 0) & (other > 0)
    assert inside.sum() > 0.97 * max((one > 0).sum(), (other > 0).sum())
    assert np.corrcoef(one[inside], other[inside])[0, 1] > 0.97
    sizes = [find_head(volume_of(image)).circumference_mm for image in (pixels, drawn)]
    assert sizes[1] == pytest.approx(sizes[0], abs=1.0)


def test_real_heads_without_marks_are_hardly_touched(data_dir):
    from training.data.hc18 import read_hc18

    shares = []
    for head in read_hc18(data_dir / "hc18", "test"):
        inside = head.ellipse.mask(head.pixels.shape, (head.pixel_size_mm,) * 2)
        shares.append(burned_in_marks(head.pixels)[inside].mean())
    assert np.mean(np.array(shares) > 0) < 0.1
    assert max(shares) < 0.004


def test_slices_of_volumes_are_taken_as_they_are():
    inside = HEAD.mask((300, 340), (0.3, 0.3))
    drawn = with_calipers(inside * 60.0, [(90, 150), (250, 150)], 255)

    def seen(array: np.ndarray) -> FramedStack:
        grid = Grid((340, 300, len(array)), (0.3, 0.3, 1.0))
        stack = Stack(Volume(array.astype(np.float32), grid), "k")
        return FramedStack.on(stack, dict.fromkeys(range(len(array)), HEAD), FRAME)

    assert seen(drawn[None]).marked == [0]
    assert seen(drawn[None]).pixels.max() < 80
    assert seen(np.stack([drawn] * 3)).marked == []
    assert seen(np.stack([drawn] * 3)).pixels.max() > 150
