"""A head is found once, followed with one look a frame, and found anew when it is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from Testing.made_cine import GRID, STEP_S, frame_of, head_at, made_cine
from USToMRILib import ImageSequence, InputError, Volume, translate, translate_cine
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import find_head
from USToMRILib.fetal.tracking import HeadTracker


@pytest.fixture(name="tracker")
def fixture_tracker(tiny_models: Path) -> HeadTracker:
    return HeadTracker(load_bundle("fetal_head_seg", "cpu").net)


def apart(found: Ellipse, truth: Ellipse) -> float:
    """Largest distance in mm of two outlines along their axes, and of their centres."""
    ends = [
        np.array(e.centre) + sign * e.rotation[:, axis] * e.semi_axes[axis]
        for e in (found, truth)
        for axis in (0, 1)
        for sign in (1, -1)
    ]
    # The axes have no sign.
    pairs = [min(np.hypot(*(ends[n] - other)) for other in ends[4:]) for n in range(4)]
    return float(max(pairs))


def test_one_search_is_enough(tracker: HeadTracker) -> None:
    """The head moves by 10 mm and turns by more than a right angle; the angle never jumps."""
    cine = made_cine(26, turn=0.08)
    outlines = tracker.outlines(cine, STEP_S)
    assert tracker.searches == 1
    assert sorted(outlines) == list(range(26))
    assert max(apart(outlines[n], head_at(n, 0.08)) for n in range(3, 23)) < 1.5
    steps = np.diff([outlines[n].angle for n in range(26)])
    assert (steps > 0).all()
    assert steps.max() < 0.12


def test_a_head_that_was_lost_is_found_anew(tracker: HeadTracker) -> None:
    cine = made_cine(30, without=range(8, 20))
    outlines = tracker.outlines(cine, STEP_S)
    assert sorted(outlines) == [*range(8), *range(20, 30)]
    assert apart(outlines[21], head_at(21)) < 1.5
    # Elsewhere all at once, as after a cut: not taken for the head that was followed.
    before = tracker.searches
    far = Ellipse((100.0, 50.0), (30.0, 24.0), 1.0)
    assert apart(tracker.look(Volume(frame_of(far, 99)[None], GRID)), far) < 1.5
    assert tracker.searches == before + 1


def test_live_outlines_are_steadied_without_the_future(tracker: HeadTracker) -> None:
    """They lag behind by no more than the time constant, and start afresh with a new head."""
    frames = list(made_cine(20))
    followed = [tracker.follow(frame, n * STEP_S) for n, frame in enumerate(frames)]
    behind = [head_at(n).centre[0] - each.centre[0] for n, each in enumerate(followed)]
    assert abs(behind[0]) < 0.5
    assert max(behind) < 0.4 * 0.15 / STEP_S + 0.5
    with pytest.raises(InputError, match="No fetal head was found"):
        tracker.follow(Volume(frame_of(None, 5)[None], GRID), 20 * STEP_S)
    with pytest.raises(InputError, match="empty"):
        tracker.follow(Volume(np.zeros(GRID.shape, np.uint8), GRID), 21 * STEP_S)
    again = tracker.follow(frames[3], 22 * STEP_S)
    assert apart(again, head_at(3)) < 1.5


def test_followed_heads_flicker_less_than_searched_ones(tracker: HeadTracker) -> None:
    """A head at rest, with new speckle in each frame, whose outline jitters."""
    frames = [frame_of(head_at(0), n)[None] for n in range(12)]
    cine = ImageSequence(np.stack(frames), GRID, tuple(n * STEP_S for n in range(12)))
    made = translate_cine(cine, "pix2pix2d")
    alone = np.stack([translate(volume, "pix2pix2d").volume.array for volume in cine])

    def flips(made: np.ndarray) -> float:
        """How many pixels change between head and background, from frame to frame."""
        shown = np.stack([binary_fill_holes(frame[0] > 0) for frame in made])
        return float((shown[1:] ^ shown[:-1]).mean())

    assert flips(made.sequence.array) < 0.75 * flips(alone)
    searched = [find_head(volume).ellipse for volume in cine]
    followed = tracker.outlines(cine, STEP_S)

    def jitter(ellipses: list[Ellipse]) -> float:
        return float(np.abs(np.diff([e.semi_axes for e in ellipses], axis=0)).mean())

    assert jitter([followed[n] for n in range(12)]) < 0.5 * jitter(searched)


def test_a_cine_with_a_gap_says_so(tiny_models: Path) -> None:
    result = translate_cine(
        made_cine(24, without=range(6, 18)), "pix2pix2d", maps=frozenset({"tissues"})
    )
    shown = [frame.max() > 0 for frame in result.sequence.array]
    assert shown == [n not in range(6, 18) for n in range(24)]
    assert any("No head was found in the frames 6-17" in text for text in result.warnings)
    assert result.provenance["parameters"]["frames_with_head"] == "0-5, 18-23"
    assert "fetal_head_seg" in result.provenance["bundles"]
    assert result.maps["tissues"].array.max() > 0
    with pytest.raises(InputError, match="in any of the 3 frames"):
        translate_cine(made_cine(3, without=range(3)), "pix2pix2d")
