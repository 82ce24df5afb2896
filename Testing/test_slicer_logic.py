"""The module's logic on Slicer's real MRML core: a node goes in, a node comes out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_scene()

import slicer  # noqa: E402
from slicer_host import volumes  # noqa: E402

from USToMRILib import METHODS, Cancelled, InputError, Volume, translate  # noqa: E402
from USToMRILib.bundle import list_bundles  # noqa: E402

slicer_host.start()
slicer_host.add_module_folder(Path(__file__).parent.parent / "USToMRI")

from USToMRIModule import OutputNodes, VolumeNodes  # noqa: E402
from USToMRIModule.USToMRILogic import USToMRILogic  # noqa: E402

RNG = np.random.default_rng(7)
TABLE = np.array([[0, -1, 0, 10], [1, 0, 0, -20], [0, 0, 1, 5], [0, 0, 0, 1]], float)


@pytest.fixture(autouse=True)
def scene() -> Any:
    """Give every test an empty scene."""
    yield slicer_host.new_scene()
    slicer_host.close_scene()


def halved(volume: Volume, method: str, **options: Any) -> VolumeNodes.Result:
    """Stand in for the networks with something whose outcome is known."""
    provenance = {"method": method, "options": options, "note": "synthetic"}
    return VolumeNodes.Result(volume.with_array(volume.array.astype(np.float32) / 2), provenance)


def test_output_has_the_inputs_geometry_bit_for_bit() -> None:
    """Rotated, left-handed, swapped and anisotropic volumes: the very same numbers."""
    for geometry in volumes.GEOMETRIES:
        node = volumes.add_volume("US", RNG.random((4, 5, 6)).astype(np.float32), geometry)
        output = USToMRILogic(halved).translate(node)
        np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
        np.testing.assert_array_equal(
            slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(node) / 2
        )


@pytest.mark.parametrize("geometry", volumes.GEOMETRIES)
def test_library_sees_the_voxels_where_slicer_shows_them(geometry: str) -> None:
    """The grid given to the library (LPS) puts a voxel where MRML (RAS) puts it."""
    seen = []

    def look(volume: Volume, **options: Any) -> VolumeNodes.Result:
        seen.append(volume)
        return halved(volume, **options)

    array = RNG.random((4, 5, 6)).astype(np.float32)
    node = volumes.add_volume("US", array, geometry)
    USToMRILogic(look).translate(node)
    ijk = (5, 1, 3)
    lps = seen[0].grid.index_to_physical(np.array(ijk))
    np.testing.assert_allclose(lps * [-1, -1, 1], volumes.world_position(node, ijk), atol=1e-9)
    assert seen[0].array[3, 1, 5] == array[3, 1, 5]


@pytest.mark.parametrize("geometry", volumes.GEOMETRIES)
def test_landmark_lies_in_the_same_place_of_the_world(geometry: str) -> None:
    """Under a parent transform, a bright voxel shows up in the output where the input has it."""
    array = np.zeros((4, 5, 6), np.uint8)
    array[3, 1, 5] = 200
    node = volumes.add_volume("US", array, geometry)
    node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
    output = USToMRILogic(halved).translate(node)
    assert output.GetTransformNodeID() == node.GetTransformNodeID()
    k, j, i = np.argwhere(slicer.util.arrayFromVolume(output) == 100)[0]
    np.testing.assert_array_equal(
        volumes.world_position(output, (i, j, k)), volumes.world_position(node, (5, 1, 3))
    )


def test_input_is_not_touched() -> None:
    """Not its voxels, even when the translation scribbles on its array, and nothing else."""

    def scribble(volume: Volume, **options: Any) -> VolumeNodes.Result:
        volume.array[...] = 0
        return halved(volume, **options)

    array = RNG.integers(1, 200, (2, 3, 4)).astype(np.int16)
    node = volumes.add_volume("US", array)
    modified = node.GetMTime(), node.GetImageData().GetMTime()
    USToMRILogic(scribble).translate(node)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array)
    assert (node.GetMTime(), node.GetImageData().GetMTime()) == modified


def test_colour_becomes_grey() -> None:
    """A colour picture is one volume of grey values; a grey pixel keeps its value."""
    colours = np.repeat(RNG.integers(0, 255, (1, 5, 6, 1)).astype(np.uint8), 3, axis=3)
    node = volumes.add_volume("US", colours, colour=True)
    output = USToMRILogic(halved).translate(node)
    assert output.GetClassName() == "vtkMRMLScalarVolumeNode"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), colours[..., 0] / 2)


def test_output_says_that_it_is_synthetic() -> None:
    """Name, attributes, and a text node beside it; shown grey on the papers' scale."""
    node = volumes.add_volume("Patient 7", np.ones((2, 3, 4), np.float32))
    output = USToMRILogic(halved).translate(node, method="ddib", seed=3)
    assert output.GetName() == "Patient 7 SYNTHETIC MRI (DDIB)"
    assert output.GetAttribute("USToMRI.synthetic") == "true"
    assert output.GetAttribute("USToMRI.method") == "ddib"
    assert json.loads(output.GetAttribute("USToMRI.options")) == {"seed": 3}
    text = output.GetNodeReference(OutputNodes.PROVENANCE_ROLE)
    assert json.loads(text.GetText())["options"] == {"seed": 3}
    display = output.GetDisplayNode()
    assert display.GetColorNode().GetName() == "Grey"
    assert (display.GetWindow(), display.GetLevel()) == (255, 127.5)
    assert not display.GetAutoWindowLevel()


def test_existing_output_is_overwritten() -> None:
    """Its voxels, geometry, transform and provenance are the new ones; nothing is left over."""
    array = RNG.random((2, 3, 4)).astype(np.float32)
    node = volumes.add_volume("US", array, "rotated")
    logic = USToMRILogic(halved)
    output = logic.translate(node, method="ddic", steps=10)
    output.SetAttribute("USToMRI.stale", "yes")
    other = volumes.add_volume("Other", array[:1] + 1, "aligned")
    other.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    assert logic.translate(other, output, method="ddib") is output
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(other))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), (array[:1] + 1) / 2)
    assert output.GetTransformNodeID() == other.GetTransformNodeID()
    assert output.GetAttribute("USToMRI.method") == "ddib"
    assert output.GetAttribute("USToMRI.stale") is None
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_chosen_output_is_renamed_once() -> None:
    """A scan's name does not stay on a synthetic image; the user's SYNTHETIC MRI name does."""
    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    output = volumes.add_volume("T2 of the patient", np.ones((1, 1, 1), np.float32))
    logic = USToMRILogic(halved)
    logic.translate(node, output)
    assert output.GetName() == "US SYNTHETIC MRI (DDIC)"
    output.SetName("My SYNTHETIC MRI")
    logic.translate(node, output)
    assert output.GetName() == "My SYNTHETIC MRI"


def test_two_outputs_have_two_names() -> None:
    """Translating twice makes two nodes that can be told apart."""
    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    logic = USToMRILogic(halved)
    first, second = logic.translate(node), logic.translate(node)
    assert first is not second
    assert first.GetName() != second.GetName()


def test_result_of_another_size_is_refused() -> None:
    """Voxels that do not fit are never shown as if they did."""

    def smaller(volume: Volume, **options: Any) -> VolumeNodes.Result:
        grid = dataclasses.replace(volume.grid, size=(1, 1, 1))
        return VolumeNodes.Result(Volume(np.ones((1, 1, 1), np.float32), grid), {})

    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    before = volumes.scene_contents()
    with pytest.raises(ValueError, match="size"):
        USToMRILogic(smaller).translate(node)
    assert volumes.scene_contents() == before


@pytest.mark.parametrize("error", [RuntimeError("broken"), Cancelled("stop"), InputError("no")])
@pytest.mark.parametrize("overwrite", [False, True])
def test_failure_leaves_the_scene_as_it_was(error: Exception, overwrite: bool) -> None:
    """No node more, none less, none changed."""

    def fail(volume: Volume, **options: Any) -> VolumeNodes.Result:
        raise error

    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    output = volumes.add_volume("Mine", np.zeros((2, 3, 4), np.float32)) if overwrite else None
    before = volumes.scene_contents()
    with pytest.raises(type(error)):
        USToMRILogic(fail).translate(node, output)
    assert volumes.scene_contents() == before


def test_failure_while_publishing_removes_what_was_added() -> None:
    """Provenance that cannot be written takes the new nodes away again."""

    def unwritable(volume: Volume, **options: Any) -> VolumeNodes.Result:
        return VolumeNodes.Result(volume, {"library": object()})

    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    before = volumes.scene_contents()
    with pytest.raises(TypeError):
        USToMRILogic(unwritable).translate(node)
    assert volumes.scene_contents() == before


@pytest.mark.parametrize("case", ["none", "empty", "itself", "label map", "two components"])
def test_unusable_nodes_are_refused_in_one_sentence(case: str) -> None:
    """The sentence says what to choose instead; the scene stays as it was."""
    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    output = None
    if case == "none":
        node = None
    elif case == "empty":
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    elif case == "itself":
        output = node
    elif case == "label map":
        output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    else:
        node = volumes.add_volume("Field", np.ones((2, 3, 4, 2), np.float32), colour=True)
    before = volumes.scene_contents()
    with pytest.raises(InputError, match="choose"):
        USToMRILogic(halved).translate(node, output)
    assert volumes.scene_contents() == before


def test_first_ultrasound_is_no_label_map_and_not_synthetic() -> None:
    """The panel's first choice is never a mask or an output of ours."""
    assert VolumeNodes.firstUltrasound() is None
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Mask")
    node = volumes.add_volume("US", np.ones((2, 3, 4), np.float32))
    USToMRILogic(halved).translate(node)
    assert VolumeNodes.firstUltrasound() is node


def test_reasons() -> None:
    """What the panel says beside a disabled button."""
    logic = USToMRILogic(halved)
    slice_node = volumes.add_volume("Slice", np.ones((1, 3, 4), np.float32))
    volume_node = volumes.add_volume("Volume", np.ones((2, 3, 4), np.float32))
    assert "Choose" in logic.reasonNotReady(None, None, "ddic")
    assert "other than" in logic.reasonNotReady(slice_node, slice_node, "ddic")
    assert "choose DDIC" in logic.reasonNotReady(slice_node, None, "pix2pix3d")
    for method in METHODS:
        assert logic.reasonNotReady(volume_node, None, method) == ""
    assert logic.reasonNotReady(slice_node, None, "ddic") == ""


@pytest.mark.parametrize("method", ["ddic", "ddib"])
def test_real_library(method: str, head_slice: Volume, tiny_models: Path) -> None:
    """A node gets what the library gives for the same image, in the same place."""
    node = volumes.add_volume("US", head_slice.array, "rotated")
    node.SetSpacing(*head_slice.grid.spacing)
    output = USToMRILogic().translate(node, method=method, steps=4, device="cpu")
    expected = translate(VolumeNodes.volumeFromNode(node), method, steps=4, device="cpu")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected.volume.array)
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    bundles = json.loads(output.GetAttribute("USToMRI.bundles"))
    assert set(bundles) >= {"fetal_us_eps", "fetal_mri_eps"}


def test_volume_is_translated_slice_by_slice(head_slice: Volume, tiny_models: Path) -> None:
    """The node's slices along a chosen axis, as the library does it."""
    stack = np.repeat(head_slice.array[:, ::2, ::2], 3, axis=0)
    node = volumes.add_volume("US", stack, "aligned")
    node.SetSpacing(0.6, 0.7, 1.0)
    options: dict[str, Any] = {"axis": "k", "steps": 4, "device": "cpu"}
    output = USToMRILogic().translate(node, method="ddib", **options)
    expected = translate(VolumeNodes.volumeFromNode(node), "ddib", **options).volume.array
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)
    assert expected.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))


@pytest.mark.skipif("pix2pix3d" not in list_bundles(), reason="no bundle pix2pix3d")
def test_real_weights() -> None:
    """The whole line with nothing stood in: values in 0..255, and how they were made."""
    array = RNG.random((8, 40, 48)).astype(np.float32) * 255
    node = volumes.add_volume("US", array)
    output = USToMRILogic().translate(node, method="pix2pix3d", device="cpu")
    voxels = slicer.util.arrayFromVolume(output)
    assert voxels.shape == array.shape
    assert 0 <= voxels.min() < voxels.max() <= 255
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    assert output.GetAttribute("USToMRI.method") == "pix2pix3d"
