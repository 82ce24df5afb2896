"""The inner edge of the skull, to which the brain in an image reaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from USToMRILib import Grid, Volume, translate
from USToMRILib.fetal import find_head
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import HeadFrame
from USToMRILib.fetal.frame_spec import HEAD, SKULL, FrameSpec
from USToMRILib.fetal.skull import brain_inside
from USToMRILib.fetal.skull_edge import up_to_skull

FRAME = FrameSpec(HEAD, (128, 128), long_axis_pixels=112, inside=SKULL)
SPACING = (0.3, 0.3)
SHAPE = (420, 460)
SAMPLE = Path(__file__).parents[2] / "Resources/Sample/fetal_head.png"
BRAIN = Ellipse((68.0, 62.0), (45.0, 36.0), 0.4, 0.2)


def drawn(brain: Ellipse, thickness: float, bright: float = 200.0, seed: int = 0) -> np.ndarray:
    """A skull about a brain, with speckle and a falx."""
    outer = replace(brain, semi_axes=tuple(a + thickness for a in brain.semi_axes))
    inside, head = (e.mask(SHAPE, SPACING) for e in (brain, outer))
    rows, columns = np.indices(SHAPE) * SPACING[0]
    offset = np.stack([columns - brain.centre[0], rows - brain.centre[1]], -1) @ brain.head_axes
    falx = inside & (np.abs(offset[..., 1]) < 0.8)
    echo = np.where(head & ~inside, bright, 30.0) + falx * 100.0
    speckle = np.random.default_rng(seed).rayleigh(0.8, SHAPE)
    return gaussian_filter(echo * gaussian_filter(speckle, 1.0), 1.5)


def reached(pixels: np.ndarray, outline: Ellipse) -> Ellipse:
    """The brain that the picture of a head with this outline shows."""
    frame = HeadFrame.around(outline, SHAPE, SPACING, FRAME)
    return brain_inside(up_to_skull(frame, pixels))


def outline_of(brain: Ellipse, error: float) -> Ellipse:
    """An outline of which the expected brain is too large by so many mm."""
    frame_of = replace(brain, semi_axes=tuple(a + error for a in brain.semi_axes))
    long, short = frame_of.semi_axes
    outer = (long + 1.5) / 0.96
    return replace(frame_of, semi_axes=(outer, short + outer - long))


@pytest.mark.parametrize("error", [-3.0, -1.0, 0.0, 2.0, 4.0])
@pytest.mark.parametrize("thickness", [2.0, 4.0])
def test_the_brain_reaches_to_the_skull(error, thickness):
    pixels = drawn(BRAIN, thickness, seed=int(10 * thickness + error))
    brain = reached(pixels, outline_of(BRAIN, error))
    np.testing.assert_allclose(brain.semi_axes, BRAIN.semi_axes, atol=0.6)
    assert brain.centre == BRAIN.centre
    assert (brain.angle, brain.midline) == (BRAIN.angle, BRAIN.midline)


def test_where_no_skull_shows_the_brain_is_what_was_expected():
    brain = reached(drawn(BRAIN, 3.0, bright=30.0), outline_of(BRAIN, 2.0))
    expected = [a + 2.0 for a in BRAIN.semi_axes]
    np.testing.assert_allclose(brain.semi_axes, expected, atol=1e-6)


def test_an_empty_image_shows_no_edge():
    brain = reached(np.zeros(SHAPE), outline_of(BRAIN, 1.0))
    np.testing.assert_allclose(brain.semi_axes, [a + 1.0 for a in BRAIN.semi_axes])


@pytest.mark.parametrize("times", [0.97, 1.03])
def test_the_picture_does_not_depend_on_how_tightly_an_outline_was_drawn(times):
    pixels = np.asarray(Image.open(SAMPLE).convert("L"), np.float32)
    rows, columns = pixels.shape
    image = Volume(pixels[None], Grid((columns, rows, 1), (0.116, 0.116, 1.0)))
    head = find_head(image).ellipse
    other = replace(head, semi_axes=tuple(times * axis for axis in head.semi_axes))
    one, changed = (translate(image, head=outline).volume.array for outline in (head, other))
    inside = (one > 0) & (changed > 0)
    assert inside.sum() > 0.97 * max((one > 0).sum(), (changed > 0).sum())
    assert np.corrcoef(one[inside], changed[inside])[0, 1] > 0.97
