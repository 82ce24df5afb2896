"""The CNR section: pairs, placing, following, words, table, chart, and what is saved."""

from __future__ import annotations

import csv
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
import vtk  # noqa: E402
from slicer_host.sections import Sections  # noqa: E402
from slicer_host.waiting import let_pass, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

import qt  # noqa: E402
from USToMRIModule.CNR import CNRLogic  # noqa: E402
from USToMRIModule.CNR.CNRPairs import BACKGROUND, REGION, Pair, addPair, allPairs  # noqa: E402
from USToMRIModule.CNR.CNRSection import CNRSection  # noqa: E402
from USToMRIModule.Compare import CompareLayout  # noqa: E402
from USToMRIModule.Scene.Placement import isPlacing, modeNodes  # noqa: E402
from USToMRIModule.Scene.RegionVoxels import Region, measureContrast  # noqa: E402

TUTORIAL = Path(__file__).parents[2] / "docs" / "slicer.md"
SHAPE = (1, 120, 160)


@pytest.fixture(name="sections")
def fixture_sections() -> Any:
    """Give every test the section in a scene with an ultrasound and its pseudo-MRI."""
    slicer_host.new_scene()
    add_images()
    sections = Sections(CNRSection)
    yield sections
    sections.close()
    slicer_host.close_scene()


@pytest.fixture(name="section")
def fixture_section(sections: Sections) -> Any:
    """Give the section itself."""
    return sections.all[0]


def add_images() -> None:
    """Add an ultrasound and a pseudo-MRI with less noise, both brighter on the left."""
    rng = np.random.default_rng(2)
    for name, noise in (("US", 20), ("US SYNTHETIC MRI (DDIC)", 5)):
        array = rng.normal(80, noise, SHAPE)
        array[..., :80] += 40
        node = volumes.add_volume(name, array.astype(np.float32), "aligned")
    node.SetAttribute("USToMRI.synthetic", "true")


def images() -> tuple[Any, Any]:
    """Return ultrasound and pseudo-MRI."""
    return slicer.util.getNode("US"), slicer.util.getNode("US SYNTHETIC MRI (DDIC)")


def click_at(i: float, j: float) -> None:
    """Do what a click in a view does while one is waited for."""
    point = slicer.mrmlScene.GetNodeByID(modeNodes()[0].GetActivePlaceNodeID())
    point.AddControlPointWorld(volumes.world_position(images()[0], (i, j, 0)))
    wait_until(lambda: point.GetScene() is None)


def current_pair(section: Any) -> Pair:
    """Return the pair whose name the panel shows."""
    return next(pair for pair in allPairs() if pair.name == section.ui.pairSelector.currentText)


def place_both(section: Any) -> tuple[Any, Any]:
    """Place region and background with one click each; return the two ROIs."""
    section.ui.regionPlaceButton.click()
    click_at(40, 60)
    click_at(120, 60)
    pair = current_pair(section)
    return pair.region(REGION).node, pair.region(BACKGROUND).node


def table_of(section: Any) -> list[list[str]]:
    """Return the texts of the panel's table, [row][column]."""
    table = section.ui.measurementTable
    return [[table.item(row, column).text() for column in (0, 1)] for row in range(8)]


def test_two_clicks_measure(section: Any) -> None:
    """One click for the region, one for the background, and the numbers are there."""
    assert "Press Place" in section.ui.cnrStatusLabel.text
    nodes = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")
    assert nodes == 0
    section.ui.regionPlaceButton.click()
    assert section.ui.regionPlaceButton.checked
    assert "Click in a view to place the region" in section.ui.cnrStatusLabel.text
    click_at(40, 60)
    assert section.ui.backgroundPlaceButton.checked
    assert "to place the background" in section.ui.cnrStatusLabel.text
    click_at(120, 60)
    assert section.ui.cnrStatusLabel.text == ""
    assert not section.ui.backgroundPlaceButton.checked
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    pair = current_pair(section)
    texts = table_of(section)
    ratios = []
    for column, image in enumerate(images()):
        found = measureContrast(image, pair.region(REGION), pair.region(BACKGROUND))
        parts = (found.roi, found.background)
        expected = [f"{found.cnr:.3f}"]
        for part in parts:
            expected += [f"{part.mean:.2f}", f"{part.standard_deviation:.2f}", str(part.voxels)]
        assert [row[column] for row in [texts[0], *texts[2:]]] == expected
        ratios.append(found.cnr)
    assert texts[1] == ["", f"{ratios[1] / ratios[0]:.3f}"]
    assert ratios[1] > 3 * ratios[0] > 3


def test_giving_up_leaves_nothing(section: Any) -> None:
    """Esc ends Slicer's place mode: no point is left, and the button is up again."""
    section.ui.regionPlaceButton.click()
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    wait_until(lambda: not section.ui.regionPlaceButton.checked)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0
    section.ui.regionPlaceButton.click()
    section.ui.regionPlaceButton.click()
    assert not isPlacing()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0


def test_numbers_follow_and_are_throttled(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred moves in a row are measured a few times, and the last of them is shown."""
    region, _ = place_both(section)
    let_pass(0.3)  # until all is measured
    calls = []
    measure = CNRLogic.measureAll
    monkeypatch.setattr(
        CNRLogic, "measureAll", lambda *nodes: (calls.append(1), measure(*nodes))[1]
    )
    start = time.monotonic()
    for step in range(100):
        region.SetCenterWorld(volumes.world_position(images()[0], (40 + step * 0.3, 60, 0)))
        slicer.app.processEvents()
    pair = current_pair(section)
    found = measureContrast(images()[0], pair.region(REGION), pair.region(BACKGROUND))
    wait_until(lambda: table_of(section)[2][0] == f"{found.roi.mean:.2f}")
    # One for every tenth of a second.
    assert 1 <= len(calls) <= 2 + (time.monotonic() - start) / 0.1


def test_numbers_follow_image_and_transform(section: Any) -> None:
    """New voxels and a moved image count at once."""
    place_both(section)
    before = table_of(section)
    ultrasound = images()[0]
    slicer.util.updateVolumeFromArray(ultrasound, slicer.util.arrayFromVolume(ultrasound) + 100)
    wait_until(lambda: table_of(section) != before)
    assert float(table_of(section)[2][0]) == pytest.approx(float(before[2][0]) + 100, abs=0.01)
    moved = volumes.add_transform(np.eye(4))
    ultrasound.SetAndObserveTransformNodeID(moved.GetID())
    shift = np.eye(4)
    shift[0, 3] = 500
    moved.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    wait_until(lambda: table_of(section)[0][0] == "")
    assert "Ultrasound: The region of interest holds no voxel" in section.ui.cnrStatusLabel.text
    assert table_of(section)[0][1] != ""


def test_overlap_is_said_and_not_computed(section: Any) -> None:
    """Words in the place of numbers, and empty cells in the table node."""
    region, background = place_both(section)
    background.SetCenterWorld(region.GetCenterWorld())
    wait_until(lambda: "share" in section.ui.cnrStatusLabel.text)
    assert all(text == "" for row in table_of(section) for text in row)
    assert "\n" not in section.ui.cnrStatusLabel.text  # the same sentence for both images
    column = CNRLogic.tableNode().GetTable().GetColumnByName("CNR ultrasound")
    assert np.isnan(column.GetValue(0))


def test_several_named_pairs(section: Any) -> None:
    """Presets and names of one's own, each with its numbers; one can go."""
    place_both(section)
    assert section.ui.newPairSelector.currentText == "Distal lateral ventricle"
    section.ui.addPairButton.click()
    section.ui.newPairSelector.setEditText("Tumour")
    section.ui.addPairButton.click()
    assert section.ui.pairSelector.currentText == "Tumour"
    names = ["Proximal lateral ventricle", "Distal lateral ventricle", "Tumour"]
    assert [pair.name for pair in allPairs()] == names
    assert "Place the region" in section.ui.cnrStatusLabel.text
    section.ui.pairSelector.currentIndex = 0
    assert table_of(section)[0][0] != ""
    section.ui.removePairButton.click()
    assert [pair.name for pair in allPairs()] == names[1:]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == 0
    assert CNRLogic.tableNode().GetNumberOfRows() == 2


def test_a_users_own_region_is_never_removed(section: Any) -> None:
    """Only what Place made goes with its pair, and only if no other pair uses it."""
    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Own")
    section.ui.regionSelector.setCurrentNode(own)
    assert current_pair(section).region(REGION).node is own
    section.ui.backgroundPlaceButton.click()
    click_at(120, 60)
    placed = current_pair(section).region(BACKGROUND).node
    other = addPair("Other")
    other.setRegion(BACKGROUND, placed)
    section.ui.removePairButton.click()
    assert slicer.mrmlScene.IsNodePresent(own)
    assert slicer.mrmlScene.IsNodePresent(placed)


def test_no_other_region_takes_the_place_of_a_deleted_one(section: Any) -> None:
    """Slicer's selectors would choose their next region."""
    region, _background = place_both(section)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Another")
    slicer.mrmlScene.RemoveNode(region)
    assert section.ui.regionSelector.currentNode() is None
    assert current_pair(section).region(REGION) is None


def test_segments_are_chosen_by_name(section: Any) -> None:
    """A segmentation shows its segments; each of the two may be region or background."""
    ultrasound = images()[0]
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segments")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ultrasound)
    array = np.zeros(SHAPE, np.uint8)
    array[0, 10:30, 10:30] = 1
    array[0, 10:30, 90:130] = 2
    label = volumes.add_volume("label", array, "aligned", kind="LabelMap")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(label, segmentation)
    section.ui.regionSelector.setCurrentNode(segmentation)
    section.ui.backgroundSelector.setCurrentNode(segmentation)
    assert "share" in section.ui.cnrStatusLabel.text  # the same segment twice
    section.ui.backgroundSegmentSelector.currentIndex = 1
    assert section.ui.cnrStatusLabel.text == ""
    assert [row[0] for row in table_of(section)][4::3] == ["400", "800"]
    assert section.ui.regionSegmentSelector.count == 2
    segmentation.GetSegmentation().RemoveSegment(current_pair(section).region(REGION).segmentId)
    wait_until(lambda: "Choose a segment" in section.ui.cnrStatusLabel.text)


def test_deleted_nodes_and_closed_scenes(sections: Sections, section: Any) -> None:
    """Regions, images and the scene may go at any time."""
    region, _ = place_both(section)
    slicer.mrmlScene.RemoveNode(region)
    wait_until(lambda: "Place the region" in section.ui.cnrStatusLabel.text)
    for image in images():
        slicer.mrmlScene.RemoveNode(image)
    wait_until(lambda: section.ui.pseudoMriSelector.currentNode() is None)
    wait_until(lambda: not section.ui.regionPlaceButton.enabled)
    assert "Choose the ultrasound or the pseudo-MRI" in section.ui.cnrStatusLabel.text
    add_images()
    section.ui.ultrasoundSelector.setCurrentNode(images()[0])
    wait_until(lambda: section.ui.regionPlaceButton.enabled)
    section.ui.regionPlaceButton.click()
    assert isPlacing()
    section.setParameterNode(None)
    assert not isPlacing()
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()


def test_copy_and_csv_hold_every_digit(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tabs for the clipboard, commas for the file; why something is missing stands at the end."""
    place_both(section)
    section.ui.addPairButton.click()
    section.ui.copyButton.click()
    lines = [line.split("\t") for line in slicer.app.clipboard().text().splitlines()]
    path = tmp_path / "cnr.csv"
    chosen = types.SimpleNamespace(getSaveFileName=lambda *arguments: str(path))
    monkeypatch.setattr(qt, "QFileDialog", chosen)
    section.ui.saveButton.click()
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == lines
    assert rows[0][:4] == ["Pair", "CNR ultrasound", "CNR pseudo-MRI", "Ratio of the CNRs"]
    pair = allPairs()[0]
    found = measureContrast(images()[1], pair.region(REGION), pair.region(BACKGROUND))
    assert float(rows[1][2]) == found.cnr
    assert rows[2][1:4] == ["", "", ""]
    assert rows[2][-1] == "Place the region, or choose one."


def test_chart_shows_bars_of_both_images(section: Any) -> None:
    """A chart of two series in a layout with a plot view, from zero upwards."""
    place_both(section)
    section.ui.chartButton.click()
    section.ui.chartButton.click()
    (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    assert chart.GetNumberOfPlotSeriesNodes() == 2
    for index in range(2):
        series = chart.GetNthPlotSeriesNode(index)
        assert series.GetTableNode() is CNRLogic.tableNode()
        table = series.GetTableNode().GetTable()
        assert table.GetColumnByName(series.GetYColumnName()).GetValue(0) > 0
        assert series.GetLabelColumnName() == "Pair"
    assert chart.GetYAxisRange()[0] == 0
    shown = slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID()
    assert shown == chart.GetID()
    assert slicer.util.getNodesByClass("vtkMRMLPlotViewNode")


def test_a_chart_is_shown_below_the_comparison(section: Any) -> None:
    """The three views stay, and the button that ends the comparison still does."""
    CompareLayout.show()
    place_both(section)
    section.ui.chartButton.click()
    assert CompareLayout.isShown()
    (chart,) = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    views = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    assert [view.GetPlotChartNodeID() for view in views] == [chart.GetID()]


@pytest.mark.parametrize("act", ["remove", "choose"])
def test_a_click_places_no_region_of_another_pair(section: Any, act: str) -> None:
    """Where the pair that it was for is removed, or another one is shown, none is waited for."""
    _, background = place_both(section)
    section.ui.addPairButton.click()
    section.ui.regionPlaceButton.click()
    click_at(40, 20)
    assert isPlacing()
    if act == "remove":
        section.ui.removePairButton.click()
    else:
        section.ui.pairSelector.currentIndex = 0
    assert not isPlacing()
    assert not section.ui.backgroundPlaceButton.checked
    assert allPairs()[0].region(BACKGROUND).node is background


def test_a_deleted_table_is_made_again_for_the_chart(section: Any) -> None:
    """It is a node as any other, and the user may not have wanted it in the list."""
    place_both(section)
    slicer.mrmlScene.RemoveNode(CNRLogic.tableNode())
    let_pass(0.3)  # until all is measured
    section.ui.chartButton.click()
    assert CNRLogic.tableNode().GetNumberOfRows() == 1


def test_everything_is_saved_with_the_scene(section: Any, tmp_path: Path) -> None:
    """A data bundle holds pairs, regions, table, its references and the chart."""
    place_both(section)
    section.ui.chartButton.click()
    before = CNRLogic.asText(CNRLogic.measureAll(*images()))
    path = tmp_path / "scene.mrb"
    assert slicer.mrmlScene.WriteToMRB(str(path))
    section.setParameterNode(None)
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(path))
    ultrasound, pseudo_mri = images()
    (pair,) = allPairs()
    assert pair.name == "Proximal lateral ventricle"
    table = CNRLogic.tableNode()
    assert table.GetNodeReference(CNRLogic.ULTRASOUND_ROLE) is ultrasound
    assert table.GetNodeReference(CNRLogic.PSEUDO_MRI_ROLE) is pseudo_mri
    assert table.GetNodeReference(CNRLogic.PAIR_ROLE) is pair.node
    saved = table.GetTable().GetColumnByName("CNR ultrasound")
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")) == 2
    measured = CNRLogic.measureAll(ultrasound, pseudo_mri)
    assert saved.IsA("vtkDoubleArray")
    assert saved.GetValue(0) == pytest.approx(measured[0].ultrasound.cnr.cnr, rel=1e-5)
    again = [float(x) for x in CNRLogic.asText(measured).splitlines()[1].split(",")[1:-2]]
    once = [float(x) for x in before.splitlines()[1].split(",")[1:-2]]
    np.testing.assert_allclose(again, once, rtol=1e-6)
    assert not pair.region(REGION).node.GetDisplayNode().GetPropertiesLabelVisibility()


class PluginBase:
    """As much of ``SegmentStatisticsPluginBase`` as a plugin meets."""

    def __init__(self) -> None:
        self.parameterNode: Any = None

    def getParameterNode(self) -> Any:  # noqa: N802
        """Return the parameters of Segment Statistics."""
        return self.parameterNode

    def getRequestedKeys(self) -> list[str]:  # noqa: N802
        """Return all keys."""
        keys: list[str] = self.keys  # type: ignore[attr-defined]
        return keys

    @staticmethod
    def createMeasurementInfo(name: str, description: str, units: str) -> dict[str, str]:  # noqa: N802
        """Describe a measurement."""
        return {"name": name, "description": description, "units": units}


def test_segment_statistics_plugin(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every segment against the one called background; registered once."""
    base = types.ModuleType("SegmentStatisticsPlugins")
    base.SegmentStatisticsPluginBase = PluginBase  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "SegmentStatisticsPlugins", base)
    monkeypatch.delitem(sys.modules, "USToMRIModule.CNR.CNRStatisticsPlugin", raising=False)
    from USToMRIModule.CNR import CNRStatisticsPlugin

    statistics = types.ModuleType("SegmentStatistics")
    registered: list[type] = []
    statistics.SegmentStatisticsLogic = types.SimpleNamespace(  # type: ignore[attr-defined]
        registeredPlugins=registered,
        registerPlugin=lambda plugin: registered.append(type(plugin)),
    )
    monkeypatch.setitem(sys.modules, "SegmentStatistics", statistics)
    CNRStatisticsPlugin.register()
    CNRStatisticsPlugin.register()
    assert [plugin.__name__ for plugin in registered] == ["CNRStatisticsPlugin"]
    ultrasound = images()[0]
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segments")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ultrasound)
    array = np.zeros(SHAPE, np.uint8)
    array[0, 10:30, 10:30] = 1
    array[0, 10:30, 90:130] = 2
    label = volumes.add_volume("label", array, "aligned", kind="LabelMap")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(label, segmentation)
    ventricle, background = (segmentation.GetSegmentation().GetNthSegmentID(n) for n in (0, 1))
    plugin = registered[0]()
    plugin.parameterNode = slicer.vtkMRMLScriptedModuleNode()
    plugin.parameterNode.SetParameter("Segmentation", segmentation.GetID())
    plugin.parameterNode.SetParameter("ScalarVolume", ultrasound.GetID())
    assert plugin.computeStatistics(ventricle) == {}
    segmentation.GetSegmentation().GetSegment(background).SetName("Background")
    found = measureContrast(
        ultrasound, Region(segmentation, ventricle), Region(segmentation, background)
    )
    computed = plugin.computeStatistics(ventricle)
    assert computed["cnr"] == found.cnr
    assert computed["background_voxel_count"] == 800
    assert plugin.computeStatistics(background) == {}
    assert all(plugin.getMeasurementInfo(key)["name"] for key in plugin.keys)
    plugin.parameterNode.SetParameter(CNRStatisticsPlugin.BACKGROUND_PARAMETER, ventricle)
    assert plugin.computeStatistics(background)["cnr"] == pytest.approx(found.cnr)


def test_example_of_the_tutorial_runs(section: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines about contrast, as they stand there."""
    region, background = place_both(section)
    region.SetName("Region")
    background.SetName("Background")
    images()[1].SetName("pseudo-MRI")
    blocks = TUTORIAL.read_text(encoding="utf-8").split("```python\n")
    (example,) = [block.split("```")[0] for block in blocks if "measureContrast" in block]
    exec(example, {"slicer": slicer})
    found = measureContrast(images_named("pseudo-MRI"), region, background)
    assert capsys.readouterr().out.split()[0] == str(found.cnr)


def images_named(name: str) -> Any:
    """Return a node by its name."""
    return slicer.util.getNode(name)


def test_events_of_regions_are_the_ones_that_slicer_sends() -> None:
    """Every way to change a region fires an event that the section follows."""
    from USToMRIModule.Scene.NodeEvents import eventsOf

    slicer_host.new_scene()
    curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode")
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    changes = {
        roi: [lambda: roi.SetSize(3, 4, 5), lambda: roi.SetCenterWorld(1, 2, 3)],
        curve: [lambda: curve.AddControlPointWorld(vtk.vtkVector3d(1, 2, 3))],
        segmentation: [
            lambda: segmentation.GetSegmentation().AddEmptySegment("a"),
            lambda: segmentation.GetSegmentation().RemoveSegment("a"),
        ],
    }
    for node, actions in changes.items():
        heard: list[str] = []
        for event in eventsOf(node):
            node.AddObserver(event, lambda caller, name, heard=heard: heard.append(name))
        for action in actions:
            heard.clear()
            action()
            assert heard, node.GetClassName()
