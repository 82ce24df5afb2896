"""The midline of a head: found by the falx where the outline of the skull does not tell it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Testing.made_cine import GRID, SHAPE, SPACING
from USToMRILib import Volume
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.fetal.biometry import Biometry
from USToMRILib.fetal.ellipse import Ellipse, axis_angle
from USToMRILib.fetal.frame import HeadFrame
from USToMRILib.fetal.frame_spec import HEAD, FrameSpec
from USToMRILib.fetal.midline import with_midline
from USToMRILib.fetal.outline import smooth_motion
from USToMRILib.fetal.tracking import HeadTracker

SPEC = FrameSpec(HEAD, (128, 128), long_axis_pixels=112)


def a_head(
    outline: Ellipse, falx_deg: float, seed: int = 0, falx: float = 60.0, shape=(300, 400)
) -> np.ndarray:
    """Speckle in a bright skull, with a bright line through the middle; pixels of 0.4 mm."""
    y, x = np.indices(shape) * 0.4
    radius = outline.radius(x, y)
    speckle = np.random.default_rng(seed).rayleigh(20.0, shape)
    image = np.where(radius < 1, speckle, 5.0)
    image[(radius > 0.96) & (radius < 1)] = 200
    turn = np.radians(falx_deg)
    beside = (y - outline.centre[1]) * np.cos(turn) - (x - outline.centre[0]) * np.sin(turn)
    image[(np.abs(beside) < 0.8) & (radius < 0.85)] += falx
    return image.clip(0, 255)


@settings(max_examples=15, deadline=None)
@given(
    angle=st.floats(-80, 80),
    turn=st.floats(-60, 60),
    ratio=st.floats(0.93, 1.0),
    seed=st.integers(0, 99),
)
def test_in_a_round_head_the_falx_tells_the_midline(angle, turn, ratio, seed):
    outline = Ellipse((80.0, 60.0), (45.0, 45.0 * ratio), np.radians(angle))
    pixels = a_head(outline, angle + turn, seed)
    found = with_midline(outline, pixels, (0.4, 0.4)).midline_angle
    assert abs(axis_angle(found - np.radians(angle + turn))) < np.radians(8)


def test_in_a_long_head_the_long_axis_does():
    outline = Ellipse((80.0, 60.0), (50.0, 36.0), 0.3)
    assert with_midline(outline, a_head(outline, 75.0, falx=20.0), (0.4, 0.4)) == outline
    nothing_seen = a_head(outline, 0.0, falx=0.0)
    assert with_midline(outline, nothing_seen, (0.4, 0.4)) == outline


def test_an_outline_too_small_for_a_brain_stays_as_it_is():
    outline = Ellipse((80.0, 60.0), (2.0, 1.0), 0.3)
    assert with_midline(outline, np.ones((300, 400)), (0.4, 0.4)) == outline


def test_the_frame_lays_the_midline_level_and_a_landmark_returns():
    outline = Ellipse((80.0, 60.0), (46.0, 42.0), 0.2, midline=0.7)
    frame = HeadFrame.around(outline, (300, 400), (0.4, 0.4), SPEC)
    along, _ = outline.extents
    assert frame.size_mm == pytest.approx(2 * along)
    place = np.array(outline.centre) + outline.head_axes @ np.array([0.8 * along, 0.0])
    y, x = np.indices((300, 400)) * 0.4
    spot = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 8) * 100
    framed = frame.to_frame(spot)
    row, column = np.unravel_index(framed.argmax(), framed.shape)
    assert (row, column) == pytest.approx((63.5, 63.5 + 0.8 * 56), abs=1)
    back = frame.to_source(framed)
    row, column = np.unravel_index(back.argmax(), back.shape)
    assert np.array([column, row]) * 0.4 == pytest.approx(place, abs=0.6)
    # What is shown is the head's ellipse, however the midline lies in it.
    plain = HeadFrame.around(replace(outline, midline=0.0), (300, 400), (0.4, 0.4), SPEC)
    np.testing.assert_array_equal(frame.source_mask, plain.source_mask)
    assert frame.mask.sum() * frame.pixel_mm**2 == pytest.approx(
        plain.mask.sum() * plain.pixel_mm**2, rel=0.01
    )


def test_diameters_are_measured_along_and_across_the_midline():
    outline = Ellipse((0.0, 0.0), (50.0, 40.0), 0.4, midline=np.pi / 2)
    biometry = Biometry.of(outline)
    assert biometry.occipitofrontal_diameter_mm == pytest.approx(80)
    assert biometry.biparietal_diameter_mm == pytest.approx(100)
    head = {
        "centre_mm": (0.0, 0.0),
        "semi_axes_mm": (50.0, 40.0),
        "angle_rad": 0.4,
        "midline_rad": np.pi / 2,
    }
    assert Biometry.of_record({"parameters": {"head": head}}) == biometry


def test_a_cine_s_midline_turns_with_the_head_and_does_not_jump():
    turns = np.radians(np.linspace(20, 60, 21))
    rng = np.random.default_rng(0)
    found = {
        # The long axis of a round head is anywhere.
        n: Ellipse((80.0, 60.0), (45.0, 44.5), rng.uniform(-1.5, 1.5)).with_midline_at(
            turn + rng.normal(0, 0.05)
        )
        for n, turn in enumerate(turns)
    }
    smooth = smooth_motion(found, 0.05)
    angles = np.unwrap([smooth[n].midline_angle for n in range(21)], period=np.pi)
    off = (angles - turns + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(off[2:-2]).max() < 0.1
    assert np.abs(np.diff(angles)).max() < 0.1


def test_a_round_head_is_followed_by_its_midline(tiny_models):
    """Its long axis leaps about; the falx turns by four degrees a frame."""
    tracker = HeadTracker(load_bundle("fetal_head_seg", "cpu").net)
    outline = Ellipse((62.0, 48.0), (40.0, 39.6), 0.0)
    rows, columns = np.indices(SHAPE) * SPACING[0]
    found = []
    for n in range(8):
        turn = np.radians(30.0 + 4 * n)
        beside = (rows - 48.0) * np.cos(turn) - (columns - 62.0) * np.sin(turn)
        falx = (np.abs(beside) < 0.8) & (outline.radius(columns, rows) < 0.85)
        speckle = np.random.default_rng(n).normal(1, 0.08, SHAPE)
        pixels = np.where(outline.mask(SHAPE, SPACING), 150, 12) * speckle + 80 * falx
        found.append(tracker.follow(Volume(pixels[None], GRID), n * 0.1).midline_angle)
    truth = np.radians(30.0 + 4 * np.arange(8))
    off = [abs(axis_angle(angle - true)) for angle, true in zip(found, truth)]
    assert tracker.searches == 1
    assert max(off) < np.radians(10)
