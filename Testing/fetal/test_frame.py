"""The frame: its two kinds, the way there and back, and what the bundles say about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Testing.conftest import frame_metadata
from USToMRILib import InputError
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import HeadFrame, normalise_head
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.image.intensity import rescale

SHAPE, SPACING = (300, 400), (0.4, 0.5)
PAPER = FrameSpec("fixed", (128, 128), pixel_mm=1.094)
SCALED = FrameSpec("head", (128, 128), long_axis_pixels=112, inside="skull")
WIDE = FrameSpec("head", (128, 160), long_axis_pixels=140, inside="skull")
KINDS = pytest.mark.parametrize("spec", [PAPER, SCALED, WIDE], ids=["fixed", "head", "wide"])


def blob(x, y, width=2.5):
    """A smooth spot at (x, y) mm in a slice of SHAPE."""
    rows, columns = np.meshgrid(
        np.arange(SHAPE[0]) * SPACING[1], np.arange(SHAPE[1]) * SPACING[0], indexing="ij"
    )
    return 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))


def peak(pixels, spacing):
    """Centre of mass in mm, (x, y)."""
    rows, columns = np.indices(pixels.shape)
    return np.array([(columns * pixels).sum() * spacing[0], (rows * pixels).sum() * spacing[1]]) / (
        pixels.sum()
    )


@KINDS
@settings(max_examples=25)
@given(
    angle=st.floats(-1.5, 1.5),
    long=st.floats(35, 52),
    along=st.floats(-0.6, 0.6),
    across=st.floats(-0.6, 0.6),
)
def test_a_landmark_arrives_where_it_belongs_and_returns_where_it_was(
    spec, angle, long, along, across
):
    outline = Ellipse((78.0, 73.0), (long, 0.8 * long), angle)
    frame = HeadFrame.around(outline, SHAPE, SPACING, spec)
    offset = np.array([along * long, across * 0.8 * long]) * 0.7
    place = np.array(outline.centre) + outline.rotation @ offset
    there = frame.to_frame(blob(*place))
    middle = (np.array(spec.shape[::-1]) - 1) / 2 * frame.pixel_mm
    assert peak(there, (frame.pixel_mm,) * 2) == pytest.approx(middle + offset, abs=0.1)
    back = frame.to_source(there)
    assert peak(back.clip(1) - 1, SPACING) == pytest.approx(place, abs=0.1)


@pytest.mark.parametrize("long", [28.0, 48.0, 61.0])
def test_a_frame_of_the_kind_head_shows_every_brain_in_one_length(long):
    outline = Ellipse((80.0, 75.0), (long, 0.78 * long), 0.4)
    frame = HeadFrame.around(outline, SHAPE, SPACING, SCALED)
    brain = 2 * (long - 1.5 - 0.02 * 2 * long)
    assert frame.size_mm == pytest.approx(brain)
    assert frame.pixel_mm == pytest.approx(brain / 112)
    rows, columns = np.nonzero(frame.mask)
    assert np.ptp(columns) == pytest.approx(111, abs=1)
    across = brain / 2 - 0.22 * long  # the skull is as thick on every side
    assert np.ptp(rows) * frame.pixel_mm == pytest.approx(2 * across, abs=2 * frame.pixel_mm)


def test_bundles_say_what_their_frame_is():
    metadata = frame_metadata()
    assert FrameSpec.from_metadata(metadata) == FrameSpec.paper() == PAPER
    for spec in (PAPER, SCALED):
        assert FrameSpec.from_metadata({**metadata, "frame": spec.metadata}) == spec


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "magic", "shape": [128, 128]},
        {"kind": "head", "shape": [128, 128], "pixel_mm": 1.0},
        {"kind": "fixed", "shape": [128, 128]},
        {"kind": "fixed", "shape": [128], "pixel_mm": 1.0},
        {"kind": "fixed", "shape": [96, 96], "pixel_mm": 1.0},
        {"kind": "head", "shape": [128, 128], "long_axis_pixels": 112, "inside": "out"},
        {"kind": "head", "shape": [128, 128], "long_axis_pixels": 112, "colour": "red"},
        {"kind": "fixed", "pixel_mm": 1.0},
    ],
)
def test_a_frame_that_cannot_be_is_refused(frame):
    with pytest.raises(InputError, match="frame"):
        FrameSpec.from_metadata({**frame_metadata(), "frame": frame})


@KINDS
def test_the_way_there_and_back_keeps_a_smooth_image(spec):
    frame = HeadFrame.around(Ellipse((80.0, 75.0), (50.0, 40.0), 0.3), SHAPE, SPACING, spec)
    image = blob(70, 70, 12) + blob(95, 85, 9)
    back = frame.to_source(frame.to_frame(image))
    inside = frame.source_mask
    assert np.abs(back - image)[inside].max() < 2.0
    assert (back[~inside] == 0).all()


def test_the_skulls_edge_is_as_sharp_as_the_slice():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 0.3), SHAPE, SPACING, PAPER)
    cut_out = np.where(frame.mask, 100.0, 0.0)
    np.testing.assert_allclose(frame.to_source(cut_out), np.where(frame.source_mask, 100, 0))


def test_fine_texture_does_not_fold_into_the_frame():
    # Stripes of 1 mm, which pixels of 1.094 mm cannot carry, must vanish, not become broad ones.
    shape, spacing = (800, 800), (0.125, 0.125)
    stripes = np.tile(np.where(np.arange(800) // 4 % 2, 200.0, 0.0), (800, 1))
    frame = HeadFrame(Ellipse((50.0, 50.0), (45.0, 36.0), 0.0), shape, spacing, PAPER)
    inside = frame.to_frame(stripes)[frame.mask]
    assert inside.mean() == pytest.approx(100, abs=2)
    assert inside.std() < 15


def test_the_mask_is_the_skull_upright_and_centred():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 1.1), SHAPE, SPACING, PAPER)
    rows, columns = np.nonzero(frame.mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((63.5, 63.5))
    assert frame.mask.sum() * 1.094**2 == pytest.approx(np.pi * 50 * 40, rel=0.01)
    assert np.ptp(columns) > np.ptp(rows)


@KINDS
def test_a_head_between_the_pixels_is_refused(spec):
    with pytest.raises(InputError, match="which cannot be"):
        HeadFrame.around(Ellipse((80.0, 75.0), (0.3, 0.2), 0.0), SHAPE, SPACING, spec)


def test_normalisation_is_unit_range_inside_and_background_outside():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 0.0), SHAPE, SPACING, PAPER)
    values = np.random.default_rng(0).gamma(2.0, 20.0, (128, 128))
    scaled = normalise_head(values, frame.mask)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (-1, 1)
    assert (scaled[~frame.mask] == -1).all()
    np.testing.assert_allclose(normalise_head(3 * values + 7, frame.mask), scaled, atol=1e-5)


def test_rescaling_maps_black_and_white_and_clips():
    values = np.array([-5.0, 0.0, 25.0, 100.0, 300.0])
    np.testing.assert_allclose(rescale(values, 0, 100), [-1, -1, -0.5, 1, 1])
    np.testing.assert_array_equal(rescale(values, 7, 7), -1)
