from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from USToMRILib.errors import InputError
from USToMRILib.fetal.ellipse import Ellipse


def test_circumference_of_a_circle_and_of_a_known_ellipse():
    assert Ellipse((0, 0), (50, 50), 0).circumference_mm == pytest.approx(2 * np.pi * 50)
    # Gauss-Kummer series, 50 and 40 mm.
    assert Ellipse((0, 0), (50, 40), 0).circumference_mm == pytest.approx(283.6167, abs=1e-3)


@settings(max_examples=40)
@given(
    long=st.floats(25, 45),
    ratio=st.floats(0.6, 0.9),
    angle=st.floats(-np.pi / 2 + 0.01, np.pi / 2),
    dx=st.floats(0.3, 0.6),
    dy=st.floats(0.3, 0.6),
)
def test_the_ellipse_of_a_drawn_ellipse_is_the_ellipse(long, ratio, angle, dx, dy):
    drawn = Ellipse((60.0, 55.0), (long, ratio * long), angle)
    found = Ellipse.from_mask(drawn.mask((360, 380), (dx, dy)), (dx, dy))
    assert found.centre == pytest.approx(drawn.centre, abs=0.1)
    assert found.semi_axes == pytest.approx(drawn.semi_axes, abs=0.2)
    turn = (found.angle - drawn.angle + np.pi / 2) % np.pi - np.pi / 2
    assert abs(turn) < 0.03


def test_only_the_largest_part_of_a_mask_counts():
    drawn = Ellipse((50, 40), (30, 20), 0.4)
    mask = drawn.mask((90, 110), (1, 1))
    mask[2:6, 2:6] = True
    assert Ellipse.from_mask(mask, (1, 1)).centre == pytest.approx((50, 40), abs=0.1)


def test_radius_is_one_on_the_ends_of_the_axes():
    ellipse = Ellipse((10, -5), (8, 3), 0.7)
    ends = np.array(ellipse.centre)[:, None] + ellipse.rotation * np.array(ellipse.semi_axes)
    assert ellipse.radius(*ends) == pytest.approx(1.0)
    assert ellipse.radius(np.array(10.0), np.array(-5.0)) == 0


def test_what_is_no_ellipse_is_refused():
    with pytest.raises(InputError, match="empty"):
        Ellipse.from_mask(np.zeros((8, 8)), (1, 1))
    with pytest.raises(InputError, match="only a line"):
        Ellipse.from_mask(np.eye(8), (0.3, 0.7))
    with pytest.raises(InputError, match="longer axis first"):
        Ellipse((0, 0), (3, 5), 0)
    with pytest.raises(InputError, match="finite"):
        Ellipse((0, np.nan), (5, 3), 0)


def test_the_mean_of_ellipses_knows_that_an_axis_has_no_sign():
    steep = [Ellipse((10.0, 20.0), (50.0, 40.0), angle) for angle in (1.5, -1.5)]
    mean = Ellipse.mean(steep)
    assert abs(mean.angle) == pytest.approx(np.pi / 2)
    assert mean.centre == (10, 20)
    assert mean.semi_axes == pytest.approx((50, 40), abs=0.1)
    one = Ellipse((3.0, 4.0), (45.0, 30.0), -0.7)
    same = Ellipse.mean([one])
    assert (*same.centre, *same.semi_axes, same.angle) == pytest.approx((3, 4, 45, 30, -0.7))
