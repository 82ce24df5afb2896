from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import FRAME_PIXEL_MM, HeadFrame, normalise_head
from USToMRILib.image.intensity import rescale

SHAPE, SPACING = (300, 400), (0.4, 0.5)


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


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(-1.5, 1.5),
    along=st.floats(-0.6, 0.6),
    across=st.floats(-0.6, 0.6),
)
def test_a_landmark_arrives_where_it_belongs_and_returns_where_it_was(angle, along, across):
    ellipse = Ellipse((78.0, 73.0), (48.0, 38.0), angle)
    frame = HeadFrame(ellipse, SHAPE, SPACING)
    place = np.array(ellipse.centre) + ellipse.rotation @ [along * 48 * 0.7, across * 38 * 0.7]
    there = frame.to_frame(blob(*place))
    expected = 63.5 * FRAME_PIXEL_MM + np.array([along * 48 * 0.7, across * 38 * 0.7])
    assert peak(there, (FRAME_PIXEL_MM,) * 2) == pytest.approx(expected, abs=0.1)
    back = frame.to_source(there)
    assert peak(back.clip(1) - 1, SPACING) == pytest.approx(place, abs=0.1)


def test_the_way_there_and_back_keeps_a_smooth_image():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 0.3), SHAPE, SPACING)
    image = blob(70, 70, 12) + blob(95, 85, 9)
    back = frame.to_source(frame.to_frame(image))
    inside = frame.source_mask
    assert np.abs(back - image)[inside].max() < 2.0
    assert (back[~inside] == 0).all()


def test_the_skulls_edge_is_as_sharp_as_the_slice():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 0.3), SHAPE, SPACING)
    cut_out = np.where(frame.mask, 100.0, 0.0)
    np.testing.assert_allclose(frame.to_source(cut_out), np.where(frame.source_mask, 100, 0))


def test_fine_texture_does_not_fold_into_the_frame():
    # Stripes of 1 mm, which pixels of 1.094 mm cannot carry, must vanish, not become broad ones.
    shape, spacing = (800, 800), (0.125, 0.125)
    stripes = np.tile(np.where(np.arange(800) // 4 % 2, 200.0, 0.0), (800, 1))
    frame = HeadFrame(Ellipse((50.0, 50.0), (45.0, 36.0), 0.0), shape, spacing)
    inside = frame.to_frame(stripes)[frame.mask]
    assert inside.mean() == pytest.approx(100, abs=2)
    assert inside.std() < 15


def test_the_mask_is_the_skull_upright_and_centred():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 1.1), SHAPE, SPACING)
    rows, columns = np.nonzero(frame.mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((63.5, 63.5))
    assert frame.mask.sum() * FRAME_PIXEL_MM**2 == pytest.approx(np.pi * 50 * 40, rel=0.01)
    assert np.ptp(columns) > np.ptp(rows)


def test_normalisation_is_unit_range_inside_and_background_outside():
    frame = HeadFrame(Ellipse((80.0, 75.0), (50.0, 40.0), 0.0), SHAPE, SPACING)
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
