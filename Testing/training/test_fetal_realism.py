"""Simulated fetal ultrasound, its other probes, and the measures of how real it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imread
from scipy import ndimage

from Testing.training.test_fetal_data import write_brain
from training.data.fetal_volumes import find_atlas
from training.simulation.fetal_pairs import (
    FETAL_TISSUES,
    find_fetal_tissue,
    simulate_fetal_volume,
)
from training.simulation.fetal_realism import picture, texture, told_apart
from training.simulation.ultrasound import ScanRanges, TissueMaps, simulate_bmode

y, x = np.indices((128, 128)) - 63.5
HEAD = (x / 50) ** 2 + (y / 40) ** 2 < 1


def prepared(grey: np.ndarray) -> np.ndarray:
    """Grey 0..1 as a prepared slice."""
    return np.where(HEAD, np.clip(grey, 1e-3, 1) * 2 - 1, -1).astype(np.float32)


def noise(seed: int, sigma: float | tuple[float, float] = 0.0) -> np.ndarray:
    """Filtered noise about 0.5."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=HEAD.shape), sigma)
    return 0.5 + 0.12 * field / field.std()


def test_a_linear_array_sees_a_band_of_one_width() -> None:
    ones = np.ones((24, 90, 80), np.float32)
    maps = TissueMaps(ones, 0.48 * ones, 0.5 * ones)
    scan = ScanRanges.linear().draw((11.5, 2.0, 39.5), np.random.default_rng(0))
    _, cone = simulate_bmode(maps, scan, 0)
    widths = cone[12].sum(axis=1)[4 : int(scan.depth_mm)]
    assert widths.min() > 30
    assert widths.max() - widths.min() <= 3


def test_texture_of_known_images() -> None:
    flat = texture(prepared(np.full(HEAD.shape, 0.4)))
    assert flat["tone_05"] == pytest.approx(0.4, abs=1e-3)
    assert flat["tone_95"] == pytest.approx(0.4, abs=1e-3)
    assert flat["glcm_contrast"] == 0
    assert flat["glcm_energy"] == pytest.approx(1)
    assert flat["lacunarity_7"] == pytest.approx(1, abs=1e-3)
    # The autocorrelation of noise under a Gaussian of sigma falls to one half at 1.67 sigma.
    wide = texture(prepared(noise(0, (1.2, 0.7))))
    assert wide["width_along"] == pytest.approx(1.67 * 1.2, rel=0.2)
    assert wide["width_across"] == pytest.approx(1.67 * 0.7, rel=0.25)
    # Fully developed speckle: Rayleigh, mean over standard deviation 1.91.
    parts = np.random.default_rng(1).normal(size=(2, *HEAD.shape)) * 0.15
    assert texture(prepared(np.hypot(*parts)))["speckle_snr"] == pytest.approx(1.91, rel=0.12)


def test_the_classifier_tells_apart_what_differs_and_only_that() -> None:
    fine, more, coarse = (
        [texture(prepared(noise(100 * kind + n, sigma))) for n in range(20)]
        for kind, sigma in enumerate((0.8, 0.8, 1.6))
    )
    groups = [f"{kind}{n}" for kind in "ab" for n in range(20)]
    assert 0.2 < told_apart(fine, more, groups) < 0.8
    assert told_apart(fine, coarse, groups) > 0.97


def test_skull_and_scalp_lie_around_the_brain() -> None:
    _, j, i = np.indices((3, 80, 100))
    radius = np.hypot((j - 40) / 28, (i - 50) / 38)
    labels = np.select([radius < 0.3, radius < 0.8, radius < 0.9, radius < 1], [2, 1, 5, 4], 0)
    side = (j - 40) * 0.8
    tissue, head = find_fetal_tissue(labels.astype(np.uint8), side, np.random.default_rng(0))
    names = np.array(list(FETAL_TISSUES))[tissue]
    row = names[1, 40]  # along the midline
    assert list(dict.fromkeys(row[50:])) == [
        "ventricle", "white_matter", "midline", "skull", "scalp", "outside",
    ]  # fmt: skip
    column = names[1, :, 50]
    assert "sulcus" in column  # cortex against fluid
    np.testing.assert_array_equal(head, ~np.isin(names, ("scalp", "outside")))


def test_the_sheet_shows_both_kinds(tmp_path: Path) -> None:
    picture([prepared(noise(1))] * 3, [prepared(noise(2))] * 2, tmp_path / "sheet.png")
    sheet = imread(tmp_path / "sheet.png")[..., 0].astype(float)
    upper, lower = np.array_split(sheet, 2)
    assert upper.std() > 20
    assert lower.std() > 20


def test_a_simulated_volume_shows_one_head_in_all_slices(tmp_path: Path) -> None:
    write_brain(tmp_path, "A")
    (volume,) = find_atlas(tmp_path).found
    pair, again = (simulate_fetal_volume(volume, 3, 5) for _ in range(2))
    ultrasound, mri, head, brain = (
        image.array for image in (pair.ultrasound, pair.mri, pair.head, pair.brain)
    )
    np.testing.assert_array_equal(ultrasound, again.ultrasound.array)
    assert pair.ultrasound.grid == pair.mri.grid == pair.head.grid == pair.brain.grid
    assert pair.ultrasound.grid.size == (192, 192, 5)
    assert pair.ultrasound.grid.spacing == pytest.approx((0.8, 0.8, 0.8))
    assert (ultrasound.min(), mri.min(), mri.max()) == (0, 0, 255)
    assert not mri[~brain].any()
    assert not (brain & ~head).any()
    for plane, within in zip(ultrasound, head):
        rim = within & ~ndimage.binary_erosion(within, iterations=3)
        core = ndimage.binary_erosion(within, iterations=8)
        assert plane[rim].mean() > plane[core].mean() + 30  # the skull
    near, far = (np.abs(ultrasound[n:] - ultrasound[:-n])[head[n:]].mean() for n in (1, 3))
    assert near < far
