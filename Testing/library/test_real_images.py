"""The whole line on real fetal ultrasound with the weights of the repository."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.hc18 import read_hc18
from USToMRILib import Grid, InputError, Volume, translate
from USToMRILib.fetal.head import find_head


@pytest.fixture(scope="module")
def heads(data_dir):
    """Five images of subjects that no network was trained on."""
    return list(read_hc18(data_dir / "hc18", "test"))[::15]


def test_the_head_of_unseen_subjects_is_found(heads):
    for head in heads:
        found = find_head(head.volume)
        drawn, mask = head.mask, found.mask.array[0] > 0
        assert 2 * (drawn & mask).sum() / (drawn.sum() + mask.sum()) > 0.93
        assert found.circumference_mm == pytest.approx(head.circumference_mm, rel=0.08)


def test_a_turned_image_gives_the_turned_head(heads):
    volume = heads[0].volume
    i, j, _ = volume.grid.size
    grid = Grid((j, i, 1), volume.grid.spacing)
    turned = Volume(np.ascontiguousarray(np.rot90(volume.array, axes=(1, 2))), grid)
    straight, other = find_head(volume), find_head(turned)
    assert other.circumference_mm == pytest.approx(straight.circumference_mm, rel=0.04)
    expected = np.rot90(straight.mask.array[0])
    overlap = 2 * (expected & other.mask.array[0]).sum()
    assert overlap / (expected.sum() + other.mask.array.sum()) > 0.95


@pytest.mark.parametrize("kind", ["noise", "speckle", "ramp", "emptied"])
def test_images_without_a_head_are_refused(heads, kind):
    volume = heads[0].volume
    shape = volume.array.shape
    random = np.random.default_rng(0)
    array = {
        "noise": random.random(shape),
        "speckle": random.rayleigh(1.0, shape),
        "ramp": np.indices(shape).sum(axis=0).astype(float),
        "emptied": np.where(heads[0].mask, 0, volume.array),
    }[kind]
    with pytest.raises(InputError, match="No fetal head was found"):
        find_head(volume.with_array(array))


def test_a_translated_head_lies_on_the_ultrasound_head_in_mri_contrast(heads):
    head = heads[0]
    volume = head.volume
    result = translate(volume, "ddic", steps=20, device="cpu")
    assert result.volume.grid == volume.grid
    shown, drawn = result.volume.array[0] > 0, head.mask
    assert 2 * (shown & drawn).sum() / (shown.sum() + drawn.sum()) > 0.93
    assert (shown & ~drawn).sum() < 0.08 * drawn.sum()
    # Brain tissue of T2 is grey, half of the head's ultrasound nearly black.
    core = result.volume.array[0][drawn]
    assert np.median(core) > 2 * np.median(volume.array[0][drawn])
    again = translate(volume, "ddic", steps=20, device="cpu")
    np.testing.assert_array_equal(again.volume.array, result.volume.array)


def test_imposing_the_correlation_raises_it(heads):
    volume = heads[1].volume
    inside = heads[1].mask

    def correlation(method):
        mri = translate(volume, method, steps=20, device="cpu").volume.array[0]
        return np.corrcoef(mri[inside], volume.array[0][inside])[0, 1]

    assert correlation("ddic") > correlation("ddib")
