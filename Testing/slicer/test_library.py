"""The module's logic with the real library: networks of known answers, and the weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from USToMRILib import Volume, translate  # noqa: E402
from USToMRILib.compute.bundle import list_bundles  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.Logic import USToMRILogic  # noqa: E402
from USToMRIModule.Scene.HeldImage import volumeFromNode  # noqa: E402
from USToMRIModule.Worker import WorkerClient  # noqa: E402

COMMAND = [sys.executable, "-m", "USToMRILib"]
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def scene() -> Any:
    """Give every test an empty scene."""
    yield slicer_host.new_scene()
    WorkerClient.stopWorkers()
    slicer_host.close_scene()


def close(output: Any, expected: np.ndarray) -> None:
    """Compare voxels; the file between the processes rounds the spacing's last digit."""
    np.testing.assert_allclose(slicer.util.arrayFromVolume(output), expected, atol=0.01)


@pytest.mark.parametrize("method", ["ddic", "ddib"])
def test_real_library(method: str, head_slice: Volume, tiny_models: Path) -> None:
    """A node gets what the library gives for the same image, in the same place."""
    node = volumes.add_volume("US", head_slice.array, "rotated")
    node.SetSpacing(*head_slice.grid.spacing)
    output = USToMRILogic(COMMAND).translate(node, method=method, steps=4, device="cpu")
    expected = translate(volumeFromNode(node), method, steps=4, device="cpu")
    close(output, expected.volume.array)
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    bundles = json.loads(output.GetAttribute("USToMRI.bundles"))
    assert set(bundles) >= {"fetal_us_eps", "fetal_mri_eps"}


def test_volume_is_translated_slice_by_slice(head_slice: Volume, tiny_models: Path) -> None:
    """The node's slices along a chosen axis, as the library does it."""
    stack = np.repeat(head_slice.array[:, ::2, ::2], 3, axis=0)
    node = volumes.add_volume("US", stack, "aligned")
    node.SetSpacing(0.6, 0.7, 1.0)
    options: dict[str, Any] = {"axis": "k", "steps": 4, "device": "cpu"}
    output = USToMRILogic(COMMAND).translate(node, method="ddib", **options)
    expected = translate(volumeFromNode(node), "ddib", **options).volume.array
    close(output, expected)
    assert expected.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))


@pytest.mark.skipif("pix2pix3d" not in list_bundles(), reason="no bundle pix2pix3d")
def test_real_weights() -> None:
    """The whole line with nothing stood in: values in 0..255, and how they were made."""
    array = RNG.random((8, 40, 48)).astype(np.float32) * 255
    node = volumes.add_volume("US", array)
    output = USToMRILogic(COMMAND).translate(node, method="pix2pix3d", device="cpu")
    voxels = slicer.util.arrayFromVolume(output)
    assert voxels.shape == array.shape
    assert 0 <= voxels.min() < voxels.max() <= 255
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    assert output.GetAttribute("USToMRI.method") == "pix2pix3d"
