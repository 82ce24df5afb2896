"""Cutting a volume into windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from USToMRILib.pix2pix.windows import Padded, plan_windows, smallest_window

DIVISORS = (2, 4, 8)


@st.composite
def jobs(draw):
    """Shape, box, reach and room of a volume to cut."""
    shape = [by * draw(st.integers(1, 9)) for by in DIVISORS]
    ends = [sorted(draw(st.tuples(*[st.integers(0, n - 1)] * 2))) for n in shape]
    box = [slice(a, b + 1) for a, b in ends]
    reach = draw(st.tuples(*[st.integers(0, 11)] * 3))
    room = smallest_window(shape, reach, DIVISORS) + draw(st.integers(0, 20000))
    return shape, box, reach, room


@given(jobs())
def test_cores_cover_the_box_once_and_see_all_within_reach(job):
    shape, box, reach, room = job
    covered = np.zeros(shape, int)
    for window in plan_windows(shape, box, reach, DIVISORS, room):
        covered[window.core] += 1
        assert np.prod([s.stop - s.start for s in window.seen]) <= room
        for core, seen, far, by, n in zip(window.core, window.seen, reach, DIVISORS, shape):
            assert seen.start <= max(0, core.start - far)
            assert seen.stop >= min(n, core.stop + far)
            assert 0 <= seen.start < seen.stop <= n
            assert seen.start % by == seen.stop % by == core.start % by == core.stop % by == 0
    assert covered.max() == 1
    assert covered[tuple(box)].min() == 1


def test_one_window_where_it_fits_and_the_cheapest_cut_where_it_does_not():
    shape, box = (64, 64, 64), [slice(0, 64)] * 3
    (whole,) = plan_windows(shape, box, (4, 30, 30), (2, 2, 2), 64**3)
    assert whole.core == whole.seen == tuple(box)
    cut = plan_windows(shape, box, (4, 30, 30), (2, 2, 2), 64**3 - 1)
    assert [w.core for w in cut] == [(slice(a, a + 32), *box[1:]) for a in (0, 32)]
    assert [w.seen[0] for w in cut] == [slice(0, 36), slice(28, 64)]


@pytest.mark.parametrize("part", [(0, 8), (4, 6), (6, 8)])
def test_padding_repeats_slices_and_continues_the_background(part):
    array = np.arange(1, 2 * 3 * 5 + 1, dtype=np.uint8).reshape(2, 3, 5)
    padded = Padded(array, (8, 4, 8))
    expected = np.pad(array, ((3, 3), (0, 0), (0, 0)), mode="edge")
    expected = np.pad(expected, ((0, 0), (0, 1), (1, 2)), constant_values=1)
    cut = (slice(*part), slice(0, 4), slice(0, 8))
    found = padded.read(cut)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected[cut])


def test_overlap_finds_the_array_in_a_window():
    padded = Padded(np.arange(6 * 6 * 6).reshape(6, 6, 6), (8, 8, 8))
    core, seen = ((slice(2, 6), slice(0, 8), slice(4, 8)), (slice(0, 8),) * 3)
    place, within = padded.overlap(core, seen)
    np.testing.assert_array_equal(padded.array[place], padded.read(seen)[within])
    assert padded.array[place].shape == (4, 6, 4 - 1)
    assert padded.box(padded.array > 210) == [slice(6, 7), slice(6, 7), slice(2, 7)]
