"""One smooth outline through the ellipses of parallel slices."""

from __future__ import annotations

import numpy as np
import pytest

from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.outline import smooth_outline, steady_brightness

ANGLE = np.pi / 2 - 0.02  # jitter takes it over the end of the range


def section(mm: float) -> Ellipse:
    """The section of an ellipsoid, its centre drifting, ``mm`` from its middle."""
    size = np.sqrt(1 - (mm / 60) ** 2)
    return Ellipse((50 + 0.1 * mm, 40 - 0.05 * mm), (50 * size, 38 * size), ANGLE)


def jittered(ellipse: Ellipse, rng: np.random.Generator) -> Ellipse:
    angle = ellipse.angle + rng.normal(0, 0.06)
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2
    long, short = np.array(ellipse.semi_axes) + rng.normal(0, 1, 2)
    x, y = np.array(ellipse.centre) + rng.normal(0, 1, 2)
    return Ellipse((x, y), (max(long, short), min(long, short)), angle)


def test_jitter_gaps_and_slips_are_smoothed_away() -> None:
    rng = np.random.default_rng(0)
    places = np.arange(-40, 41)
    found = {n: jittered(section(mm), rng) for n, mm in enumerate(places)}
    for gap in (20, 21, 22, 60):
        del found[gap]
    found[30] = Ellipse((10, 90), (15, 14), 0.0)  # something else was taken for the head
    outline = smooth_outline(found, 1.0)
    assert sorted(outline) == list(range(81))
    for n, mm in enumerate(places):
        true, got = section(mm), outline[n]
        np.testing.assert_allclose(got.centre, true.centre, atol=2)
        np.testing.assert_allclose(got.semi_axes, true.semi_axes, atol=2.5)
        assert abs(np.sin(got.angle - ANGLE)) < 0.05
    changes = np.diff(
        [e.semi_axes[0] - section(m).semi_axes[0] for e, m in zip(outline.values(), places)]
    )
    assert np.abs(changes).max() < 0.6  # 1.4 on average where nothing is smoothed


def test_of_runs_far_apart_the_longest_counts() -> None:
    found = {n: section(0) for n in (*range(3), *range(30, 40))}
    assert sorted(smooth_outline(found, 1.0)) == list(range(30, 40))
    assert smooth_outline({}, 1.0) == {}
    assert smooth_outline({4: section(0)}, 3.0) == {4: section(0)}


def test_where_a_head_is_wider_across_it_is_taken_as_round() -> None:
    found = {n: Ellipse((0, 0), (30, 20), 0.0 if n < 9 else np.pi / 2) for n in range(12)}
    last = smooth_outline(found, 5.0)[11]
    assert last.semi_axes[0] == pytest.approx(last.semi_axes[1])


def test_brightness_that_jumps_is_steadied_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(0)
    trend, jumps = np.linspace(-0.2, 0.2, 900), rng.normal(0, 0.05, 900)
    masks = np.zeros((900, 12, 12), bool)
    masks[:, 2:10, 2:10] = True
    texture = rng.uniform(-0.2, 0.2, masks.shape)
    frames = np.where(masks, texture + (trend + jumps)[:, None, None], -1).astype(np.float32)
    steady = steady_brightness(frames, masks, 2.0)
    assert steady.dtype == np.float32
    assert (steady[~masks] == -1).all()
    within = [f[m] - f[m].mean() for f, m in zip(steady, masks)]
    before = [f[m] - f[m].mean() for f, m in zip(frames, masks)]
    np.testing.assert_allclose(within, before, atol=1e-6)
    left = np.array([f[m].mean() for f, m in zip(steady, masks)]) - trend
    # White noise after a Gaussian of sigma s keeps 1 / sqrt(2 sqrt(pi) s) of its deviation.
    texture_means = np.array([t[m].mean() for t, m in zip(texture, masks)])
    expected = (jumps + texture_means).std() * (2 * np.sqrt(np.pi) * 2) ** -0.5
    assert left[8:-8].std() == pytest.approx(expected, rel=0.15)
    np.testing.assert_array_equal(steady_brightness(frames[:1], masks[:1], 2.0), frames[:1])


def test_steadied_brightness_stays_in_range() -> None:
    frames = np.full((4, 8, 8), 0.98, np.float32)
    frames[1] = -1
    assert np.abs(steady_brightness(frames, np.ones(frames.shape, bool), 1.0)).max() <= 1
