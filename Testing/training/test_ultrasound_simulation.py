"""The simulation of ultrasound against textbook answers, and the pairs made with it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Testing.training.adult_phantom import SCAN, SHAPE, SMALL, phantom, priors, uniform
from training.data.pairs import Pair
from training.data.splits import PARTS, read_split
from training.simulation.adult_anatomy import (
    TISSUE_INDEX,
    TISSUES,
    Head,
    MriPriors,
    draw_mri,
    read_head,
)
from training.simulation.adult_domain import WIDE
from training.simulation.adult_pairs import make_case
from training.simulation.freehand import FreehandSweep
from training.simulation.ultrasound import (
    Beams,
    Scan,
    envelope,
    simulate_bmode,
)


def decibels(image: np.ndarray, scan: Scan) -> np.ndarray:
    """The echo in dB that a grey value stands for."""
    return (image / 255 - 1) * scan.dynamic_range_db + scan.white_db


@pytest.fixture(scope="module")
def head() -> Head:
    return phantom()


@pytest.fixture(scope="module")
def pair(head: Head) -> Pair:
    return make_case(head, priors(), 3, (24, 64, 64), SMALL).pair


@pytest.mark.parametrize("spread", [0.0, 0.03])
def test_homogeneous_tissue_has_rayleigh_speckle_of_the_tissues_power(spread: float) -> None:
    """Mean over standard deviation sqrt(pi / (4 - pi)) = 1.913, mean square 1, at every depth."""
    scan = replace(SCAN, lateral_spread=spread)
    beams = Beams.of(scan)
    rng = np.random.default_rng(0)
    envelopes = np.stack([envelope(uniform(0.0), scan, beams, rng) for _ in range(4)])
    for part in np.array_split(envelopes, 3, axis=1):
        assert part.mean() / part.std() == pytest.approx(1.913, rel=0.03)
        assert (part**2).mean() == pytest.approx(1, rel=0.05)


def test_averaged_looks_smooth_speckle_by_their_square_root() -> None:
    """Of the envelope; on the logarithmic scale the spread falls from 5.57 dB accordingly."""
    spreads = {}
    for looks in (1, 4):
        scan = replace(SCAN, looks=looks)
        image, cone = simulate_bmode(uniform(), scan, seed=1)
        values = 10 ** (decibels(image[cone], scan) / 20)
        spreads[looks] = values.std() / values.mean()
    assert spreads[1] / spreads[4] == pytest.approx(2, rel=0.1)


def test_speckle_widens_away_from_the_focus() -> None:
    scan = replace(SCAN, lateral_spread=0.08, focus_mm=10.0)
    beams = Beams.of(scan)
    echo = envelope(uniform(0.0), scan, beams, np.random.default_rng(0))
    widths = []
    for depth in (10.0, 50.0):
        row = np.argmin(np.abs(beams.r - scan.radius_mm - depth))
        values = echo[row - 3 : row + 4] - echo[row - 3 : row + 4].mean()
        neighbours = (values[..., 1:] * values[..., :-1]).mean() / values.var()
        step = (beams.theta[1] - beams.theta[0]) * beams.r[row]
        widths.append(step / np.sqrt(-np.log(max(neighbours, 1e-3))))
    assert widths[1] > 1.5 * widths[0]


def test_attenuation_without_gain_is_its_coefficient() -> None:
    """Two ways, 5 MHz, 0.5 dB/cm/MHz: 5 dB a centimetre; and none where the gain follows it."""
    for gain_error, expected in ((-1.0, -5.0), (0.0, 0.0)):
        scan = replace(SCAN, gain_error=gain_error, dynamic_range_db=120.0)
        image, cone = simulate_bmode(uniform(), scan, seed=2)
        depths = np.arange(8, 50)
        j = depths + int(scan.face[1])
        profile = np.array([decibels(image[:, d][cone[:, d]], scan).mean() for d in j])
        slope = np.polyfit(depths / 10, profile, 1)[0]
        assert slope == pytest.approx(expected, abs=0.3)


def test_bone_shadows_and_fluid_enhances() -> None:
    maps = uniform()
    side = np.arange(SHAPE[2]) < 32
    bone, fluid = maps.attenuation.copy(), maps.attenuation.copy()
    bone[:, 20:24, side] = 8.0
    fluid[:, 20:40, side] = 0.0
    plain, cone = simulate_bmode(maps, SCAN, seed=4)
    below = cone.copy()
    below[:, :45] = False
    below[:, :, ~side] = False
    below[:, :, 26:] = False
    changes = []
    for attenuation in (bone, fluid):
        image, _ = simulate_bmode(replace(maps, attenuation=attenuation), SCAN, seed=4)
        changes.append(float((decibels(image, SCAN) - decibels(plain, SCAN))[below].mean()))
    assert changes[0] < -15
    # 20 mm at 5 MHz without 0.5 dB/cm/MHz: 10 dB, a little more on slanted beams.
    assert changes[1] == pytest.approx(10, abs=2)


def test_interfaces_echo_most_where_they_are_met_head_on() -> None:
    """A plane at the same depth, across the beams and tilted by 45 degrees to them."""
    levels = []
    for tilt in (0.0, 1.0):
        i = np.arange(SHAPE[2])
        beyond = np.arange(SHAPE[1])[:, None] > 30 + tilt * (i - 31.5)
        maps = replace(
            uniform(), log_impedance=np.broadcast_to(np.where(beyond, 0.48, 0.42), SHAPE).copy()
        )
        image, _ = simulate_bmode(maps, replace(SCAN, looks=8), seed=5)
        levels.append(float(decibels(image, SCAN)[14:18, 27:35, 29:35].max(axis=1).mean()))
    assert levels[0] > 6  # above the speckle of white matter, 0 dB
    assert levels[0] > levels[1] + 5


def hand_sweep(**changes: object) -> FreehandSweep:
    """A frame a degree, nothing misplaced, full contact."""
    beams = Beams.of(SCAN)
    tilts = np.radians(np.arange(-12, 13)).astype(np.float32)
    full = np.zeros((len(beams.phi), len(beams.theta)), np.float32)
    return replace(FreehandSweep(tilts, np.zeros((25, 2), np.float32), 2.0, full), **changes)


def test_a_voxel_far_from_every_frame_stays_empty() -> None:
    """Without the frames from 2 to 8 degrees there is a hole: at 40 mm, 4 mm wide less 2 x 1."""
    motor, cone = simulate_bmode(uniform(), SCAN, seed=0)
    whole, _ = simulate_bmode(uniform(), SCAN, 0, hand_sweep())
    assert (whole[cone] > 0).all()
    tilts = np.radians([*range(-12, 3), *range(8, 13)]).astype(np.float32)
    few = hand_sweep(tilts=tilts, misplaced_mm=np.zeros((20, 2), np.float32), filled_mm=1.0)
    image, same_cone = simulate_bmode(uniform(), SCAN, 0, few)
    assert (same_cone == cone).all()
    k, j, _ = np.nonzero(cone & (image == 0))
    tilt = np.degrees(np.arctan2(k - SCAN.face[0], j - SCAN.face[1] + SCAN.radius_mm))
    assert len(k) > 200
    assert tilt.min() > 2
    assert tilt.max() < 8
    assert (motor[cone] > 0).all()


def test_misplaced_frames_move_what_they_show() -> None:
    """All of them shown 3 mm too shallow: a plane of echo at 30 mm appears at 27 mm."""
    maps = uniform()
    maps.backscatter[:, 32, :] = 1e4
    deeper = np.tile(np.array([3, 0], np.float32), (25, 1))
    depths = []
    for sweep in (hand_sweep(), hand_sweep(misplaced_mm=deeper)):
        image, _ = simulate_bmode(maps, SCAN, 0, sweep)
        depths.append(int(image[15, :, 31].argmax()))
    assert depths[0] - depths[1] == pytest.approx(3, abs=1)


def test_where_contact_is_lost_only_noise_is_left() -> None:
    beams = Beams.of(SCAN)
    lost = np.zeros((len(beams.phi), len(beams.theta)), np.float32)
    lost[:, beams.theta > 0.2] = 60
    image, cone = simulate_bmode(uniform(), SCAN, 0, hand_sweep(contact_db=lost))
    whole, _ = simulate_bmode(uniform(), SCAN, 0, hand_sweep())
    j, i = np.indices(SHAPE[1:])
    theta = np.arctan2(i - SCAN.face[2], j - SCAN.face[1] + SCAN.radius_mm)[None] + 0 * whole
    change = (decibels(image, SCAN) - decibels(whole, SCAN))[cone & (theta > 0.3)]
    assert change.mean() < -40
    np.testing.assert_array_equal(image[cone & (theta < 0.1)], whole[cone & (theta < 0.1)])


def test_the_wide_domain_is_wider_and_swept_by_hand(head: Head) -> None:
    """Of 30 draws: both probes, depths and levels beyond the narrow ones, holes and lost sides."""
    face, drawn = (12.0, 4.0, 32.0), []
    for seed in range(30):
        rngs = [np.random.default_rng([seed, key]) for key in (0, 1)]
        drawn.append(WIDE.draw_scan(face, *rngs))
    scans = [scan for scan, _ in drawn]
    assert {scan.radius_mm > 1000 for scan in scans} == {True, False}
    convex = [scan.depth_mm for scan in scans if scan.radius_mm < 1000]
    assert min(convex) < 70
    assert max(convex) > 105
    greys = [1 - scan.white_db / scan.dynamic_range_db for scan in scans]
    assert min(greys) < 0.15
    assert max(greys) > 0.4
    sweeps = [sweep for _, sweep in drawn if sweep is not None]
    assert 15 < len(sweeps) < 30
    assert np.mean([sweep.contact_db.max() > 25 for sweep in sweeps]) > 0.6
    again, other = (make_case(head, priors(), 3, (24, 64, 64), WIDE).pair for _ in range(2))
    np.testing.assert_array_equal(again.ultrasound, other.ultrasound)
    levels = [
        WIDE.draw_echoes(TISSUES, np.random.default_rng(seed))["cortex"].backscatter_db[0]
        for seed in range(30)
    ]
    assert np.ptp(levels) > 5


def test_outside_the_cone_there_is_nothing() -> None:
    image, cone = simulate_bmode(uniform(), SCAN, seed=0)
    assert not image[~cone].any()
    assert (image[cone] > 0).all()
    assert image.max() <= 255
    assert not cone[16, :2, 31].any()  # behind the face
    assert cone[16, 3:56, 31].all()
    assert not cone[16, 59:, 31].any()  # beyond the depth
    assert not cone[16, 10, :14].any()  # beside the cone
    assert 0.1 < cone.mean() < 0.7


def test_same_seed_same_pair(head: Head, pair: Pair) -> None:
    again = make_case(head, priors(), 3, (24, 64, 64), SMALL).pair
    other = make_case(head, priors(), 4, (24, 64, 64), SMALL).pair
    for name in ("ultrasound", "mri", "cone"):
        assert (getattr(again, name) == getattr(pair, name)).all()
        assert (getattr(other, name) != getattr(pair, name)).any()


def test_ventricle_is_dark_in_both_images_and_they_lie_alike(pair: Pair) -> None:
    """In T1 below white matter by the priors; in ultrasound nearly black."""
    deep = pair.cone.copy()
    deep[:, :20] = False
    fluid = deep & (pair.mri < 60)
    white = deep & (pair.mri > 140)
    assert fluid.sum() > 500
    assert white.sum() > 500
    assert np.median(pair.ultrasound[fluid]) < 0.5 * np.median(pair.ultrasound[white])


def test_craniotomy_opens_the_skull_above_the_probe(pair: Pair) -> None:
    """With bone in the way all below would be in its shadow."""
    assert np.median(pair.ultrasound[10:14, 10:30, 28:36]) > 40


def test_falx_and_sulci_are_found(head: Head) -> None:
    size = len(head.labels)
    k, j, i = (axis - (size - 1) / 2 for axis in np.ogrid[:size, :size, :size])
    r = np.sqrt(k**2 + j**2 + i**2)
    fluid, lateral = head.labels == 24, np.abs(i) > 10
    in_fissure = fluid & (i == 0) & (r < 35)
    for where, name in (
        (in_fissure, "falx"),
        (fluid & lateral & (r < 36.5), "sulcus"),
        (fluid & lateral & (r > 38.5), "cistern"),
        (np.isin(head.labels, (4, 43)), "ventricle"),
    ):
        assert where.sum() > 100
        assert (head.tissue[where] == TISSUE_INDEX[name]).all(), name


def test_t2_is_a_spin_echo_of_published_relaxation_times(tmp_path: Path) -> None:
    """BrainWeb's grey and white matter over fluid, TR 4000 and TE 100 ms; fluid is the brightest.

    0.86 (1 - exp(-4000/833)) exp(-100/83), the same of (500, 70, 0.77) and (2569, 329, 1).
    """
    t2 = MriPriors.of("T2", tmp_path)
    labels = np.repeat(np.array([2, 3, 4, 515], np.uint16), 20)[:, None, None] * np.ones(
        (1, 40, 40), np.uint16
    )
    images = [draw_mri(labels, t2, np.random.default_rng(seed)) for seed in range(8)]
    white, grey, fluid, bone = (
        float(np.mean([image[start + 5 : start + 15] for image in images]))
        for start in (0, 20, 40, 60)
    )
    assert white / fluid == pytest.approx(0.1845 / 0.5827, rel=0.1)
    assert grey / fluid == pytest.approx(0.2556 / 0.5827, rel=0.1)
    assert bone < 10
    assert fluid == pytest.approx(220, rel=0.1)


def test_contrasts_differ_in_the_mri_and_not_in_the_ultrasound(head: Head, pair: Pair) -> None:
    t2 = make_case(head, MriPriors.of("T2", Path()), 3, (24, 64, 64), SMALL).pair
    np.testing.assert_array_equal(t2.ultrasound, pair.ultrasound)
    np.testing.assert_array_equal(t2.cone, pair.cone)
    fluid = pair.cone & (pair.mri < 60)
    assert np.median(t2.mri[fluid]) > 180


def test_t1_follows_the_priors_of_each_label() -> None:
    labels = np.repeat(np.array([2, 3, 4], np.uint16), 20)[:, None, None] * np.ones(
        (1, 40, 40), np.uint16
    )
    image = draw_mri(labels, priors(), np.random.default_rng(0))
    white, grey, fluid = (image[start + 5 : start + 15].mean() for start in (0, 20, 40))
    assert white == pytest.approx(160, rel=0.1)
    assert grey == pytest.approx(100, rel=0.15)
    assert fluid == pytest.approx(40, rel=0.35)


def test_every_head_is_in_one_part_of_the_split_and_every_label_is_a_tissue() -> None:
    folder = os.environ.get("USTOMRI_DATA")
    files = sorted(Path(folder or "nowhere").glob("adult_labels/seg_*.nii.gz"))
    if not folder or not files:
        pytest.skip("set USTOMRI_DATA to a folder with adult_labels")
    split, names = read_split("adult"), [path.name.partition(".")[0] for path in files]
    assert sorted(name for part in PARTS for name in split[part]) == names
    known = {label for tissue in TISSUES.values() for label in tissue.labels}
    found = set(np.unique(read_head(Path(folder), names[0]).labels).tolist())
    assert found <= known


def test_a_scan_is_laid_on_any_places() -> None:
    plain, cone = simulate_bmode(uniform(), SCAN, seed=0)
    every_other = np.indices(plain.shape, np.float32)[:, ::2, 1:]
    image, inside = simulate_bmode(uniform(), SCAN, seed=0, at=every_other)
    np.testing.assert_array_equal(inside, cone[::2, 1:])
    np.testing.assert_allclose(image, plain[::2, 1:], atol=1e-3)
