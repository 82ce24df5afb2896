"""pix2pix3d on real intra-operative slices: what is dark stays dark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_erosion, uniform_filter

from Testing.pix2pix.known_generators import Net, bundle_of, volume_of
from USToMRILib import Grid, Volume
from USToMRILib.compute.bundle import list_bundles, load_bundle
from USToMRILib.pix2pix.cone import ultrasound_cone
from USToMRILib.pix2pix.echo import GreyLevels, ultrasound_range
from USToMRILib.pix2pix.generator import BUNDLE
from USToMRILib.pix2pix.orientation import CONE, Orientation
from USToMRILib.pix2pix.pix2pix3d import Pix2Pix3dOptions, VolumeMethod
from USToMRILib.pix2pix.translation import VolumeTranslation, translate_volume
from USToMRILib.progress import Progress
from USToMRILib.result import Request


def test_the_answer_fades_smoothly_with_the_way_to_the_nearest_echo() -> None:
    """A bright slab, a narrow dark one, and one that is dark for 28 mm."""
    array = np.full((40, 40, 64), 1, np.uint8)
    array[..., :20] = array[..., 28:36] = 150
    array[0, 0, 0] = 0
    volume = volume_of(array)
    found = translate_volume(volume, bundle_of(Net(torch.ones_like), 10**6), Progress()).array
    line = found[20, 20]
    np.testing.assert_allclose(line[:38], 255, atol=0.1)  # the narrow gap, a ventricle's, stays
    assert (line[50:] == 0).all()
    assert (np.diff(line[36:]) <= 0).all()
    assert np.abs(np.diff(line)).max() < 90


def test_echo_of_every_strength_above_the_floor_counts() -> None:
    rng = np.random.default_rng(0)
    array = rng.rayleigh(12, (24, 40, 40)).clip(1, 255).astype(np.uint8)
    array[:, :, :10] = rng.rayleigh(90, (24, 40, 10)).clip(1, 255)
    found = translate_volume(volume_of(array), bundle_of(Net(torch.ones_like), 10**6), Progress())
    np.testing.assert_allclose(found.array, 255, atol=1e-3)


def translated(array: np.ndarray, dark_echo: float | None) -> VolumeTranslation:
    """What the generator that answers what it sees makes of an array, its training this dark."""
    bundle = bundle_of(Net(), 10**6)
    metadata = {**bundle.metadata, **({} if dark_echo is None else {"dark_echo": dark_echo})}
    return translate_volume(volume_of(array), replace(bundle, metadata=metadata), Progress())


def speckle(scale: float) -> np.ndarray:
    """Echo everywhere, twice as bright on one side, its white 255."""
    grains = np.random.default_rng(1).rayleigh(scale, (4, 8, 8))
    array = np.kron(grains, np.ones((4, 4, 4)))
    array[..., 16:] *= 2
    array[:, :2] = 255
    array[0, 0, 0] = 0
    return array.clip(1, 255).astype(np.uint8)


def test_a_dark_scan_is_brightened_to_the_darkest_that_the_generator_knows() -> None:
    dark = speckle(25)
    plain, bright = translated(dark, None).array, translated(dark, 0.46)
    assert np.median(plain) < 0.2 * 255
    np.testing.assert_allclose(np.median(bright.array), 0.46 * 255, atol=3)
    assert 0.4 < bright.echo_exponent < 0.6
    np.testing.assert_allclose(bright.array, 255 * (plain / 255) ** bright.echo_exponent, atol=0.01)
    method = VolumeMethod(bundle_of(Net(), 10**6), Pix2Pix3dOptions())
    made = method.translate(volume_of(dark), Request("cpu", Progress()))
    assert made.parameters["echo_exponent"] == 1


def test_a_scan_as_bright_as_in_training_stays_as_it_is() -> None:
    bright = speckle(90)
    known = translated(bright, 0.3)
    assert known.echo_exponent == 1
    np.testing.assert_array_equal(known.array, translated(bright, None).array)


def test_noise_is_brightened_by_so_much_and_no_more() -> None:
    assert translated(speckle(8), 0.5).echo_exponent == 0.4


@pytest.fixture(scope="module")
def real_slices(data_dir: Path) -> list[np.ndarray]:
    """Three real slices, each a volume of three equal ones, uint8 [3, j, i]."""
    files = sorted((data_dir / "remind_slices").glob("*_ius.png"))
    if not files:
        pytest.skip("remind_slices is not in USTOMRI_DATA")
    return [np.repeat(np.array(Image.open(file))[None], 3, axis=0) for file in files]


def chequerboard(mri: np.ndarray, dark: np.ndarray) -> float:
    """Energy at a period of two pixels, along rows and columns, over the dark part of a slice."""
    energy = np.zeros(mri.shape)
    for axis in (0, 1):
        before, after = (np.roll(mri, step, axis) for step in (1, -1))
        energy += ((before - 2 * mri + after) / 4) ** 2
    return float(energy[dark].sum())


def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator's answer as it is: not turned to the probe, not brightened, not faded."""
    module = "USToMRILib.pix2pix.translation."
    monkeypatch.setattr(f"{module}find_orientation", lambda *_: Orientation((0, 1, 2), (), CONE))
    monkeypatch.setattr(f"{module}GreyLevels.of", lambda _, limits, *dark: GreyLevels(limits))
    monkeypatch.setattr(f"{module}echo_weight", lambda *of: np.ones(of[-1].shape, np.float32))


@pytest.mark.skipif(BUNDLE not in list_bundles(), reason="the bundle pix2pix3d is not installed")
def test_dark_parts_of_real_slices_hold_no_chequerboard(
    real_slices: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(BUNDLE)
    before, after, pixels, tissue = 0.0, 0.0, 0, []
    for array in real_slices:
        volume = Volume(array, Grid(array.shape[::-1], (0.75, 0.75, 0.75)))
        low, high = ultrasound_range(array)
        level = uniform_filter(array[1].astype(float), 7)
        # Away from the cone's edge, which is sharp and stays so.
        dark = binary_erosion(ultrasound_cone(array)[1], iterations=2)
        dark &= level < low + 0.03 * (high - low)
        found = translate_volume(volume, bundle, Progress())
        assert found.orientation.describe()["depth"] == "+i"  # the probe is on the left
        with monkeypatch.context() as raw:
            as_it_was(raw)
            was = translate_volume(volume, bundle, Progress())
        before += chequerboard(was.array[1], dark)
        after += chequerboard(found.array[1], dark)
        pixels += int(dark.sum())
        bright = level > low + 0.1 * (high - low)
        tissue.append(chequerboard(found.array[1], bright) / bright.sum())
    print(f"energy at a period of two: before {before / pixels:.1f}, after {after / pixels:.2f}")
    assert pixels > 5000
    assert before > 100 * pixels
    assert after < 0.04 * before
    assert after / pixels < min(tissue)
