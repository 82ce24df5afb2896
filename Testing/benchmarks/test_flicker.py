"""The measure of flicker: volumes whose change from slice to slice is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.flicker_measure import SCALES_MM, measure
from benchmarks.flicker_report import SCALES, relative_changes

SHAPE, SPACING = (30, 80, 80), (0.8, 0.8, 1.6)
NOISE = np.random.default_rng(0).standard_normal(SHAPE)


@pytest.fixture
def inside() -> np.ndarray:
    _, j, i = np.indices(SHAPE)
    return np.hypot(j - 40, i - 40) < 35


def test_noise_changes_alike_across_and_within_slices_and_goes_with_the_blur(inside) -> None:
    found = measure(NOISE, inside, SPACING)
    expected = 2 / math.sqrt(math.pi)  # of two normal numbers, in their deviation
    assert found.across[0] == pytest.approx(expected, rel=0.01)
    assert found.within == pytest.approx(expected, rel=0.01)
    assert found.deviation == pytest.approx(1, rel=0.01)
    assert list(found.across) == sorted(found.across, reverse=True)
    assert found.across[-1] < 0.05


def test_slices_that_jump_in_brightness_do_so_at_every_scale(inside) -> None:
    steps = np.where(np.arange(SHAPE[0]) % 2, 1.0, -1.0)[:, None, None]
    found = measure(np.broadcast_to(steps, SHAPE), inside, SPACING)
    assert found.across == pytest.approx([2.0] * (len(SCALES_MM) + 1), rel=1e-6)
    assert found.within == pytest.approx(0, abs=1e-9)


def test_what_is_outside_does_not_count(inside) -> None:
    loud = np.where(inside, NOISE, 1e6 * NOISE)
    assert measure(loud, inside, SPACING) == measure(np.where(inside, NOISE, 0), inside, SPACING)


def test_a_smooth_volume_changes_less_than_a_flickering_one_in_every_column(inside) -> None:
    smooth = gaussian_filter(NOISE, 2)
    jump = 0.05 * np.random.default_rng(1).standard_normal((SHAPE[0], 1, 1))
    steady, flickering = (measure(v, inside, SPACING).across for v in (smooth, smooth + jump))
    assert all(a < b for a, b in zip(steady, flickering))


def test_changes_are_told_over_those_of_mri() -> None:
    def row(image: str, across: float, within: float) -> dict:
        return {"image": image, "way": "", "across": [across] * len(SCALES), "within": within}

    heads = [
        {"rows": [row("MRI", 0.5, 0.4), row("ddib", 1.0, 0.2)]},
        {"rows": [row("MRI", 0.2, 0.1), row("ddib", 1.6, 0.1)]},
    ]
    found = relative_changes({"subjects": heads})
    assert found["MRI", ""] == pytest.approx([1.0] * (len(SCALES) + 1))
    assert found["ddib", ""] == pytest.approx([4.0] * len(SCALES) + [math.sqrt(0.5)])
