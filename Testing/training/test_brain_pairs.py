"""Simulated pairs of fetal brains: geometry, tone, warps, ultrasound, the pool."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion

from Testing.training.made_brain import a_brain
from training.data.brain_slices import (
    FRAME,
    STANDARD,
    TONE,
    TRANSCEREBELLAR,
    BrainSlice,
    beyond_its_edge,
    cut_brain,
    one_tone,
)
from training.data.fetal_mri import transthalamic_plane
from training.simulation import brain_pairs
from training.simulation.brain_pairs import PairPool, draw_pairs
from training.simulation.fetal_anatomy import Warp, warped
from training.simulation.fetal_ultrasound import simulate_brain
from USToMRILib.fetal.brain import normalise_brain
from USToMRILib.fetal.tissues import Tissue


def a_volume(rng: np.random.Generator, gain: float = 300.0) -> tuple[sitk.Image, sitk.Image]:
    """A head of 64 x 80 x 64 mm with tissues in shells, its MRI noisy, of another tone."""
    z, y, x = np.mgrid[:64, :80, :64] - np.array([31.5, 39.5, 31.5])[:, None, None, None]
    radius = np.sqrt((x / 28) ** 2 + (y / 36) ** 2 + (z / 28) ** 2)
    labels = np.select(
        [radius < 0.3, radius < 0.45, radius < 0.8, radius < 0.9, radius < 1],
        [Tissue.VENTRICLES, Tissue.DEEP_GREY_MATTER, Tissue.WHITE_MATTER, Tissue.CORTEX, 4],
        0,
    ).astype(np.uint8)
    greys = np.array([0, 0.55, 0.9, 0.5, 0.8, 0.3, 0.4, 0.4, 0.5])
    voxels = gain * (greys[labels] + 0.01 * rng.standard_normal(labels.shape) * (labels > 0))
    images = (
        sitk.GetImageFromArray(voxels.clip(0).astype(np.float32)),
        sitk.GetImageFromArray(labels),
    )
    return images


def test_volumes_of_any_tone_come_to_one():
    for gain in (1.0, 300.0):
        image, labels = a_volume(np.random.default_rng(0), gain)
        toned, tissues = (
            sitk.GetArrayFromImage(one_tone(image, labels)),
            sitk.GetArrayFromImage(labels),
        )
        for tissue, grey in TONE.items():
            assert np.median(toned[tissues == tissue]) == pytest.approx(grey, abs=0.02)
        assert toned.min() >= -1
        assert toned.max() <= 1


def test_a_volume_whose_fluid_is_dark_is_refused():
    image, labels = a_volume(np.random.default_rng(0))
    with pytest.raises(ValueError, match="order"):
        one_tone(sitk.Cast(400 - image, sitk.sitkFloat32), labels)


def test_a_spot_of_the_volume_lies_where_the_frame_says():
    _, labels = a_volume(np.random.default_rng(0))
    image = sitk.Cast(labels, sitk.sitkFloat32) * 0.0
    plane = transthalamic_plane(labels, 0.0, 0.0)
    clean = cut_brain("made", image, labels, plane)
    pixel = clean.size_mm / FRAME.long_axis_pixels
    assert clean.size_mm == pytest.approx(72, abs=1)
    # LPS: the front of the head is towards -y, and to the right in the frame.
    spot = np.array([31.5 + 12, 39.5 - 20, 31.5])
    marked = sitk.GetArrayFromImage(image)
    k, j, i = np.mgrid[:64, :80, :64]
    near = (i - spot[0]) ** 2 + (j - spot[1]) ** 2 + (k - spot[2]) ** 2 < 2.5**2
    marked[near] = 1
    marked_image = sitk.GetImageFromArray(marked)
    found = cut_brain("made", marked_image, labels, plane).mri - clean.mri
    rows, columns = np.nonzero(found > 0.5 * found.max())
    assert columns.mean() == pytest.approx(63.5 + 20 / pixel, abs=1.0)
    assert abs(rows.mean() - 63.5) == pytest.approx(12 / pixel, abs=1.0)


def test_the_brain_is_as_bright_at_its_edge_as_within():
    image, labels = a_volume(np.random.default_rng(0))
    image = beyond_its_edge(one_tone(image, labels), labels)
    brain = cut_brain("made", image, labels, transthalamic_plane(labels, 0.0, 0.0))
    fluid = brain.tissues == Tissue.EXTERNAL_CSF
    edge = fluid & ~binary_erosion(brain.tissues > 0)
    within = fluid & ~edge & ~binary_dilation(brain.tissues == Tissue.CORTEX)
    assert np.median(brain.mri[edge]) == pytest.approx(np.median(brain.mri[within]), abs=0.05)
    moved = warped(brain, Warp(angle_deg=10.0), np.random.default_rng(0))
    edge = (moved.tissues > 0) & ~binary_erosion(moved.tissues > 0)
    assert np.median(moved.mri[edge]) == pytest.approx(np.median(brain.mri[within]), abs=0.05)


def test_a_warp_leaves_the_cortical_ribbon_its_contrast():
    brain = a_brain()
    stripes = np.where(np.indices((128, 128)).sum(0) % 6 < 3, 0.5, -0.5).astype(np.float32)
    brain = dataclasses.replace(brain, mri=np.where(brain.tissues > 0, stripes, -1))
    moved = warped(brain, Warp(angle_deg=5.0), np.random.default_rng(0))
    # Splines keep 95 % of the deviation of stripes three pixels wide, straight lines 79 %.
    assert moved.mri[moved.tissues > 0].std() > 0.92 * brain.mri[brain.tissues > 0].std()


def test_transcerebellar_planes_pass_thalami_and_cerebellum():
    voxels = np.zeros((64, 80, 64), np.uint8)
    voxels[8:56, 8:72, 8:56] = Tissue.WHITE_MATTER
    voxels[30:38, 34:42, 24:40] = Tissue.DEEP_GREY_MATTER
    voxels[10:20, 56:68, 24:40] = Tissue.CEREBELLUM  # below and behind
    labels = sitk.GetImageFromArray(voxels)
    rng = np.random.default_rng(0)
    for planes, crossed in ((STANDARD, False), (TRANSCEREBELLAR, True)):
        for _ in range(8):
            plane = planes.draw(labels, rng)
            cut = sitk.Resample(labels, plane, sitk.Transform(), sitk.sitkNearestNeighbor)
            seen = set(np.unique(sitk.GetArrayViewFromImage(cut)))
            assert (Tissue.CEREBELLUM in seen) == crossed
            assert Tissue.DEEP_GREY_MATTER in seen or not crossed


def test_a_cerebellum_is_outlined():
    brain = a_brain()
    rows, columns = np.mgrid[:128, :128] - np.array([63.5, 63.5])[:, None, None]
    place = ((columns + 40) / 9) ** 2 + (rows / 14) ** 2 <= 1
    tissues = np.where(place, np.uint8(Tissue.CEREBELLUM), brain.tissues)
    cerebellum = dataclasses.replace(brain, tissues=tissues)
    rim = place & ~binary_erosion(place, iterations=2)
    inside = binary_erosion(place, iterations=4) & (np.abs(rows) > 5)
    brighter = []
    for seed in range(24):
        us = simulate_brain(cerebellum, np.random.default_rng(seed))
        brighter.append(us[rim].mean() - us[inside].mean())
    assert np.mean(brighter) > 0.1


def test_no_warp_changes_nothing():
    brain = a_brain()
    same = warped(brain, Warp(), np.random.default_rng(0))
    np.testing.assert_array_equal(same.tissues, brain.tissues)
    np.testing.assert_allclose(same.mri, brain.mri, atol=1e-5)


def ventricles(brain: BrainSlice) -> int:
    return int((brain.tissues == Tissue.VENTRICLES).sum())


def test_ventricles_grow_and_shrink_as_told_and_the_brain_bulges_little():
    brain = a_brain()
    sizes = [
        ventricles(warped(brain, Warp(ventricle_pixels=push), np.random.default_rng(0)))
        for push in (-2, 0, 3, 6, 10)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.75 * sizes[1]
    assert sizes[2] > 1.5 * sizes[1]
    grown = warped(brain, Warp(ventricle_pixels=6.0), np.random.default_rng(0))
    changed = (grown.tissues > 0) != (brain.tissues > 0)
    assert changed.mean() < 0.02  # it bulges a little


def test_a_slit_grows_without_what_lies_beyond_its_far_wall():
    brain = a_brain()
    slit = brain.tissues.copy()
    slit[slit == Tissue.VENTRICLES] = Tissue.WHITE_MATTER
    slit[80:83, 30:62] = Tissue.VENTRICLES
    slit[83:86, 30:62] = Tissue.CORTEX  # beside one wall only
    grown = warped(
        dataclasses.replace(brain, tissues=slit),
        Warp(ventricle_pixels=7.0),
        np.random.default_rng(0),
    )
    column = grown.tissues[:, 46]
    inside = np.nonzero(column == Tissue.VENTRICLES)[0]
    assert len(inside) > 10
    assert (np.diff(inside) == 1).all()
    assert not (column[: inside[0]] == Tissue.CORTEX)[-6:].any()


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_every_drawn_pair_is_one_brain_in_the_frame(seed: int):
    rng = np.random.default_rng(seed)
    brain = warped(a_brain(), Warp.draw(rng, a_brain().cephalic_index), rng)
    assert ((brain.mri > -1) <= (brain.tissues > 0)).all()
    us = simulate_brain(brain, rng)
    assert us.shape == FRAME.shape
    assert us.dtype == np.float32
    assert np.isfinite(us).all()
    assert us.min() == -1
    assert us.max() <= 1
    shown, inside = us > -1, brain.tissues > 0
    assert (shown & ~inside).sum() < 0.2 * inside.sum()


def test_fluid_is_darker_than_the_tissue_around_it_and_the_midline_brighter():
    """On average, which is all that random appearance leaves."""
    brain, rng = a_brain(size_mm=110), np.random.default_rng(0)
    images = np.stack([simulate_brain(brain, rng) for _ in range(60)])
    mean = images.mean(0)
    white = mean[brain.tissues == Tissue.WHITE_MATTER].mean()
    y, x = np.mgrid[:128, :128] - 63.5
    core = (np.abs(np.abs(y) - 18) < 2) & (np.abs(x + 8) < 5)  # front of a plexus
    assert mean[core].mean() < white
    assert mean[63:65, 10:30].mean() > white + 0.1


def test_the_same_seed_draws_the_same_pairs():
    one, two = (draw_pairs([a_brain()], 2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.us, two.us)
    np.testing.assert_array_equal(one.tissues, two.tissues)


def test_a_pool_is_the_same_whoever_fills_it(tmp_path, monkeypatch):
    for name, value in (("SHARD", 4), ("FIRST_SHARDS", 1), ("STEPS_A_SHARD", 10)):
        monkeypatch.setattr(brain_pairs, name, value)
    brains = [a_brain(70), a_brain(100)]

    def drawn(folder: str, steps: list[int]) -> list[np.ndarray]:
        pool = PairPool(brains, tmp_path / folder, seed=3)
        return [pool.draw(step, 5, np.random.default_rng(step)).us for step in steps]

    whole = drawn("a", [0, 25])
    resumed = drawn("b", [25])
    np.testing.assert_array_equal(whole[1], resumed[0])
    kept = drawn("a", [0, 25])
    np.testing.assert_array_equal(whole[0], kept[0])
    assert len(list((tmp_path / "a").glob("*.npz"))) == 3


def test_normalisation_takes_out_gain_and_slow_shading_but_no_structure():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128] - 63.5
    mask = (x / 56) ** 2 + (y / 44) ** 2 <= 1
    tissue = 40 + 20 * rng.random((128, 128))
    tissue[(np.abs(y - 20) < 4) & (np.abs(x) < 20)] = 5
    plain = normalise_brain(tissue, mask)
    np.testing.assert_allclose(normalise_brain(3 * tissue, mask), plain, atol=1e-5)
    shaded = normalise_brain(tissue * np.exp(-y / 50), mask)
    core = (x / 45) ** 2 + (y / 33) ** 2 <= 1
    assert np.corrcoef(shaded[core], plain[core])[0, 1] > 0.8
    halves = [shaded[core & (s * y > 0) & (plain > -0.6)].mean() + 1 for s in (-1, 1)]
    assert np.exp(2 * np.abs(y[core]).mean() / 50) > 1.7  # of the brighter half, as it came
    assert max(halves) < 1.3 * min(halves)
    assert (plain[~mask] == -1).all()
