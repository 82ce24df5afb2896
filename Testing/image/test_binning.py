"""Volumes of larger voxels."""

from __future__ import annotations

import numpy as np
import pytest

from USToMRILib.image import binning
from USToMRILib.image.binning import no_finer
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume


def test_voxels_are_means_of_as_many_as_make_no_more_than_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binning, "_AT_ONCE", 200)  # two slabs
    axes = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    array = np.random.default_rng(0).normal(100, 20, (9, 5, 7)).astype(np.float32)
    volume = Volume(array, Grid.of([7, 5, 9], [0.13, 0.3, 0.2], [5, -4, 3], axes))
    made = no_finer(volume, 0.4)
    assert made.array.shape == (4, 5, 2)
    blocks = array[:8, :, :6].reshape(4, 2, 5, 2, 3)
    np.testing.assert_allclose(made.array, blocks.mean(axis=(1, 4)), rtol=1e-5)
    np.testing.assert_allclose(made.grid.spacing, [0.39, 0.3, 0.4])
    np.testing.assert_allclose(
        made.grid.index_to_physical(np.zeros(3)),
        volume.grid.index_to_physical(np.array([1, 0, 0.5])),
    )
    assert no_finer(volume, 0.2).array is array
