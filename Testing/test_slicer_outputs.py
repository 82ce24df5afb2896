"""What a pseudo-MRI is in the scene: its place, its folder, its record, after saving too."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_scene()

import slicer  # noqa: E402
from slicer_host import volumes  # noqa: E402

from USToMRILib import InputError, Volume  # noqa: E402

slicer_host.start()
slicer_host.add_module_folder(Path(__file__).parent.parent / "USToMRI")

from USToMRIModule import HeadCurve, OutputNodes, RegionVoxels, SyntheticMark  # noqa: E402
from USToMRIModule.SequenceNodes import sequenceOf  # noqa: E402
from USToMRIModule.USToMRILogic import USToMRILogic  # noqa: E402
from USToMRIModule.VolumeNodes import Result, lacksPixelSize  # noqa: E402

RNG = np.random.default_rng(11)
TABLE = np.array([[0, -1, 0, 10], [1, 0, 0, -20], [0, 0, 1, 5], [0, 0, 0, 1]], float)
NOTICE = 'Künstlich: "not a scan"'


@pytest.fixture(autouse=True)
def scene() -> Any:
    """Give every test an empty scene."""
    yield slicer_host.new_scene()
    slicer_host.close_scene()


def halved(volume: Volume, method: str, **options: Any) -> Result:
    """Stand in for the networks with something whose outcome is known."""
    provenance = {"method": method, "notice": NOTICE, "warnings": ["Be careful."]}
    return Result(volume.with_array(volume.array.astype(np.float32) / 2), provenance)


def add_ultrasound(*shape: int) -> Any:
    """Add an ultrasound of a shape (k, j, i)."""
    return volumes.add_volume("US", RNG.random(shape).astype(np.float32))


def hierarchy() -> Any:
    """Return the subject hierarchy."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def test_output_is_in_the_inputs_folder() -> None:
    """And so is its record."""
    node = add_ultrasound(2, 3, 4)
    folder = hierarchy().CreateFolderItem(hierarchy().GetSceneItemID(), "Patient 7")
    hierarchy().CreateItem(folder, node)
    output = USToMRILogic(halved).translate(node)
    for made in (output, output.GetNodeReference(OutputNodes.PROVENANCE_ROLE)):
        assert hierarchy().GetItemParent(hierarchy().GetItemByDataNode(made)) == folder


def test_scene_bundle_keeps_everything(tmp_path: Path) -> None:
    """Transform, window, colour, record, mark and reference are there in the reopened MRB."""
    node = add_ultrasound(2, 3, 4)
    node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
    output = USToMRILogic(halved).translate(node)
    voxels = slicer.util.arrayFromVolume(output).copy()
    position = volumes.world_position(output, (3, 2, 1))
    path = tmp_path / "scene.mrb"
    assert slicer.mrmlScene.WriteToMRB(str(path))
    scene = slicer_host.new_scene()
    assert scene.ReadFromMRB(str(path))
    output = slicer.util.getNode("US SYNTHETIC MRI (DDIC)")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), voxels)
    np.testing.assert_allclose(volumes.world_position(output, (3, 2, 1)), position, atol=1e-6)
    assert output.GetAttribute("USToMRI.synthetic") == "true"
    assert output.GetAttribute("USToMRI.notice") == NOTICE
    assert OutputNodes.warningsOf(output) == ["Be careful."]
    display = output.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (255, 127.5)
    assert display.GetColorNode().GetName() == "Grey"
    assert SyntheticMark.markOf(output).GetTitleText().startswith("SYNTHETIC MRI")


def test_single_file_keeps_the_record(tmp_path: Path) -> None:
    """Saved by its own storage node, the NRRD has the attributes in its header."""
    output = USToMRILogic(halved).translate(add_ultrasound(2, 3, 4))
    storage = output.GetStorageNode()
    assert storage.GetClassName() == "vtkMRMLNRRDStorageNode"
    storage.SetFileName(str(tmp_path / "one.nrrd"))
    assert storage.WriteData(output)
    again = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    reader = slicer.vtkMRMLNRRDStorageNode()
    reader.SetFileName(str(tmp_path / "one.nrrd"))
    assert reader.ReadData(again)
    assert again.GetAttribute("USToMRI.synthetic") == "true"
    assert again.GetAttribute("USToMRI.notice") == NOTICE
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(again), slicer.util.arrayFromVolume(output)
    )


def test_a_rotated_region_is_translated_in_its_box() -> None:
    """The output holds the box of whole voxels around it, in the same place of the world."""
    node = add_ultrasound(6, 9, 10)
    node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenterWorld(*volumes.world_position(node, (5, 4, 3)))
    roi.SetSize(2.1, 2.1, 3.0)
    output = USToMRILogic(halved).translate(node, region=roi)
    inside = RegionVoxels.voxelsOf(roi, node).within(
        tuple(slice(0, n) for n in (6, 9, 10))  # type: ignore[arg-type]
    )
    low, high = np.argwhere(inside).min(axis=0), np.argwhere(inside).max(axis=0)
    expected = slicer.util.arrayFromVolume(node)[tuple(map(slice, low, high + 1))] / 2
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)
    assert 1 < expected.size < node.GetImageData().GetNumberOfPoints()
    np.testing.assert_allclose(
        volumes.world_position(output, (0, 0, 0)),
        volumes.world_position(node, tuple(int(n) for n in low[::-1])),  # type: ignore[arg-type]
        atol=1e-9,
    )


def test_a_segment_is_a_region() -> None:
    """Its box is translated."""
    node = add_ultrasound(4, 5, 6)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
    segmentId = segmentation.GetSegmentation().AddEmptySegment("brain")
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 2:5, 3:5] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segmentId, node)
    output = USToMRILogic(halved).translate(
        node, region=RegionVoxels.Region(segmentation, segmentId)
    )
    expected = slicer.util.arrayFromVolume(node)[1:3, 2:5, 3:5] / 2
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)


def test_a_region_beside_the_image_is_refused() -> None:
    """In one sentence, and nothing is added."""
    node = add_ultrasound(4, 5, 6)
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Elsewhere")
    roi.SetCenterWorld(500, 500, 500)
    roi.SetSize(2, 2, 2)
    before = volumes.scene_contents()
    with pytest.raises(InputError, match="Elsewhere holds no voxel"):
        USToMRILogic(halved).translate(node, region=roi)
    assert volumes.scene_contents() == before


def add_sequence() -> tuple[Any, Any]:
    """Add a sequence of three slices; return its browser and the volume that shows one."""
    scene = slicer.mrmlScene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    for index in range(3):
        frame = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(frame, np.full((1, 4, 5), 10.0 * index, np.float32))
        frame.SetOrigin(1, 2, 3)
        sequence.SetDataNodeAtValue(frame, str(40 * index))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    show(browser, 1)
    return browser, browser.GetProxyNode(sequence)


def show(browser: Any, index: int) -> None:
    """Show a time point."""
    browser.SetSelectedItemNumber(index)
    slicer.app.applicationLogic().GetModuleLogic("Sequences").UpdateProxyNodesFromSequences(browser)


def test_the_current_frame_is_a_volume() -> None:
    """Without being asked for all time points, only the one that is shown is translated."""
    _, node = add_sequence()
    output = USToMRILogic(halved).translate(node)
    assert slicer.util.arrayFromVolume(output).max() == 5
    assert sequenceOf(output) is None


def test_all_time_points_are_translated() -> None:
    """The output follows the browser of the input, synthetic at every time point."""
    browser, node = add_sequence()
    output = USToMRILogic(halved).translate(node, allFrames=True)
    for index, value in enumerate((0.0, 5.0, 10.0)):
        show(browser, index)
        assert (slicer.util.arrayFromVolume(output) == value).all()
        assert output.GetName() == f"{node.GetName()} SYNTHETIC MRI (DDIC)"
        assert output.GetAttribute("USToMRI.synthetic") == "true"
        np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    sequence = sequenceOf(output)
    assert sequence is not None
    assert sequence.browser is browser
    assert sequence.node.GetNthIndexValue(2) == "80"
    assert sequence.node.GetIndexUnit() == "ms"


ELLIPSE = {"centre": [20.0, 15.0], "semi_axes": [12.0, 9.0], "angle": 0.4}


def test_the_heads_outline_is_a_curve_where_the_head_is() -> None:
    """Its inside is the ellipse's, to the voxels on the edge, under a transform too."""
    node = volumes.add_volume("US", RNG.random((1, 70, 90)).astype(np.float32))
    node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
    curve = HeadCurve.showEllipse(ELLIPSE, node, 0.0)
    inside = RegionVoxels.voxelsOf(curve, node).within((slice(0, 1), slice(0, 70), slice(0, 90)))
    from USToMRILib.ellipse import Ellipse

    expected = Ellipse(**{k: v if k == "angle" else tuple(v) for k, v in ELLIPSE.items()}).mask(
        (70, 90), node.GetSpacing()[:2]
    )
    assert (inside[0] != expected).sum() < 0.03 * expected.sum()


def test_a_found_outline_is_a_hint_only_once_it_was_moved() -> None:
    """Then its inside goes to the library as the head's mask."""
    node = volumes.add_volume("US", RNG.random((1, 70, 90)).astype(np.float32))
    curve = HeadCurve.showEllipse(ELLIPSE, node, 0.0)
    assert not HeadCurve.isEdited(curve)
    curve.SetNthControlPointPosition(0, np.array(curve.GetNthControlPointPosition(0)) + 2)
    assert HeadCurve.isEdited(curve)
    seen: dict[str, Any] = {}

    def look(volume: Volume, method: str, head: Volume) -> Result:
        seen["head"] = head
        return halved(volume, method)

    USToMRILogic(look).translate(node, head=curve)
    assert seen["head"].array.sum() > 100
    assert seen["head"].grid == seen["head"].grid
    assert HeadCurve.showEllipse(ELLIPSE, node, 0.0, curve) is curve
    assert not HeadCurve.isEdited(curve)


def test_the_pixel_size_is_the_librarys_and_not_the_scenes() -> None:
    """A picture is measured in the size that the user gives; it stays where Slicer shows it."""
    node = volumes.add_volume("US", RNG.random((1, 4, 5)).astype(np.float32))
    seen = []

    def look(volume: Volume, method: str) -> Result:
        seen.append(volume.grid.spacing)
        return halved(volume, method)

    output = USToMRILogic(look).translate(node, pixelSize=0.14)
    assert seen[0][:2] == (0.14, 0.14)
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))


def test_a_picture_without_pixel_size_is_known() -> None:
    """Slicer takes 1 mm for it; the module asks."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "us")
    slicer.util.updateVolumeFromArray(node, RNG.random((1, 4, 5)).astype(np.float32))
    assert not lacksPixelSize(node)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName("/somewhere/us.PNG")
    assert lacksPixelSize(node)
    logic = USToMRILogic(halved)
    assert "pixels" in logic.reasonNotReady(node, None, "ddic")
    assert logic.reasonNotReady(node, None, "ddic", pixelSize=0.14) == ""
    node.SetSpacing(0.14, 0.14, 1)
    assert logic.reasonNotReady(node, None, "ddic") == ""


def test_residual_map_lies_on_its_pseudo_mri() -> None:
    """It goes with its output, and away when the output is made again without one."""

    def with_residual(volume: Volume, method: str, residual: bool = False) -> Result:
        made = halved(volume, method)
        return made._replace(residual=made.volume) if residual else made

    node = add_ultrasound(2, 3, 4)
    node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
    logic = USToMRILogic(with_residual)
    output = logic.translate(node, residual=True)
    residual = output.GetNodeReference(OutputNodes.RESIDUAL_ROLE)
    assert residual.GetName() == "US SYNTHETIC MRI (DDIC) residual"
    assert residual.GetAttribute("USToMRI.synthetic") == "true"
    np.testing.assert_array_equal(
        volumes.world_position(residual, (3, 2, 1)), volumes.world_position(node, (3, 2, 1))
    )
    logic.translate(node, output)
    assert output.GetNodeReference(OutputNodes.RESIDUAL_ROLE) is None
    assert residual.GetScene() is None


def test_record_of_a_removed_output_is_no_trouble() -> None:
    """An output may be overwritten after its record and its mark were deleted."""
    node = add_ultrasound(2, 3, 4)
    logic = USToMRILogic(halved)
    output = logic.translate(node)
    slicer.mrmlScene.RemoveNode(output.GetNodeReference(OutputNodes.PROVENANCE_ROLE))
    slicer.mrmlScene.RemoveNode(SyntheticMark.markOf(output))
    assert logic.translate(node, output) is output
    record = output.GetNodeReference(OutputNodes.PROVENANCE_ROLE)
    assert json.loads(record.GetText())["notice"] == NOTICE
    assert SyntheticMark.markOf(output) is not None


def test_a_result_of_another_place_is_refused() -> None:
    """A result that does not fit into its input is never shown."""
    node = add_ultrasound(2, 3, 4)
    grid = dataclasses.replace(Volume(np.ones((2, 3, 4)), _grid(node)).grid, size=(1, 1, 1))
    result = Result(Volume(np.ones((1, 1, 1), np.float32), grid), {})
    with pytest.raises(ValueError, match="size"):
        OutputNodes.publish(result, OutputNodes.Place(node, (4, 0, 0)))


def _grid(node: Any) -> Any:
    from USToMRIModule.VolumeNodes import gridFromNode

    return gridFromNode(node)


def test_sample_is_the_repositorys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered with its checksum; once loaded it has the pixel size of the file beside it."""
    from USToMRIModule.Samples import registerSamples

    sample = Path(__file__).parent.parent / "Resources" / "Sample" / "generated_fetal_head.png"
    registered: dict[str, Any] = {}
    logic: Any = types.SimpleNamespace(downloadSourceIntoCache=lambda source: [str(sample)])
    module: Any = types.ModuleType("SampleData")
    module.SampleDataLogic = lambda: logic
    module.SampleDataLogic.registerCustomSampleDataSource = registered.update
    monkeypatch.setitem(sys.modules, "SampleData", module)
    node = add_ultrasound(1, 4, 5)
    monkeypatch.setattr(slicer.util, "loadVolume", lambda path, properties: node)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda **options: None)
    registerSamples()
    assert registered["uris"].endswith("/main/Resources/Sample/generated_fetal_head.png")
    digest = hashlib.sha256(sample.read_bytes()).hexdigest()
    assert registered["checksums"] == f"SHA256:{digest}"
    source = types.SimpleNamespace(nodeNames=[registered["nodeNames"]])
    assert registered["customDownloader"](source) is node
    description = json.loads(sample.with_suffix(".json").read_text(encoding="utf-8"))
    assert node.GetSpacing()[0] == description["pixel_size_mm"]
