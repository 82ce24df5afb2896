"""Even gain of dark heads."""

from __future__ import annotations

import numpy as np
import pytest

from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.gain import GREATEST, MEAN, even_gain, is_dark

PIXEL_MM = 1.094
HALF = 127 / 2 * PIXEL_MM
MASK = Ellipse((HALF, HALF), (55.0, 45.0), 0.0).mask((128, 128), (PIXEL_MM,) * 2)
CORE = Ellipse((HALF, HALF), (40.0, 32.0), 0.0).mask((128, 128), (PIXEL_MM,) * 2)


def frame(levels):
    return np.where(MASK, np.broadcast_to(levels, MASK.shape) * 2 - 1, -1).astype(np.float32)


@pytest.mark.parametrize("level", [MEAN, 0.5])
def test_a_head_that_is_bright_enough_stays_as_it_is(level):
    np.testing.assert_allclose(even_gain(frame(level), MASK, PIXEL_MM), frame(level), atol=1e-6)
    assert not is_dark(frame(level), MASK, PIXEL_MM)


@pytest.mark.parametrize(("level", "expected"), [(0.1, MEAN), (0.01, 0.01 * GREATEST)])
def test_a_dark_head_is_raised_to_the_mean_but_not_without_limit(level, expected):
    raised = even_gain(frame(level), MASK, PIXEL_MM)
    np.testing.assert_allclose((raised[CORE] + 1) / 2, expected, rtol=1e-5)
    assert (raised[~MASK] == -1).all()


def test_a_dark_side_comes_up_and_a_small_structure_keeps_its_contrast():
    side = np.where(np.arange(128) < 64, 0.3, 0.04) * np.ones((128, 1))
    side[60:66, 90:96] *= 0.5  # a ventricle of 7 mm
    raised = (even_gain(frame(side), MASK, PIXEL_MM) + 1) / 2
    left, right = raised[50:78, 35:45].mean(), raised[50:78, 100:105].mean()
    assert left == pytest.approx(0.3, abs=0.02)
    assert right > 0.12
    assert raised[63, 93] / raised[63, 98] == pytest.approx(0.5, abs=0.05)
    assert (raised >= (frame(side) + 1) / 2 - 1e-6).all()
    assert is_dark(frame(side), MASK, PIXEL_MM)
