"""The part of the panel that measures contrast-to-noise ratios."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..Compare.ComparisonParameterNode import comparisonOf
from ..ParameterNode import bind
from ..Scene.NodeEvents import eventsOf
from ..Scene.Throttle import Throttle
from . import CNRLogic
from .CNRChart import showChart
from .CNRPairs import BACKGROUND, REGION, ROLES, Pair, addPair, allPairs, presetNames, removePair
from .CNRPlacement import OneClick, addBox
from .CNRTable import showMeasurement
from .TissuePair import addTissuePair, hasTissues

# ms; the numbers follow a dragged region about ten times a second.
_UPDATE_INTERVAL = 100

# Parameter: the ID of the pair that is shown.
_CURRENT_PAIR = "currentCnrPair"


class CNRSection(VTKObservationMixin):
    """Shows the scene's pairs of regions, lets the user place them, and keeps the numbers true."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        VTKObservationMixin.__init__(self)
        self._chosen: Any = None
        self._guiTag: Any = None
        self._isFilling = False
        self._placedRole = REGION
        self._written = ""
        self._pairs: list[Pair] = []
        self._measured: list[CNRLogic.PairMeasurement] = []
        uiWidget = slicer.util.loadUI(resourcePath("UI/CNR.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self._throttle = Throttle(self._update, _UPDATE_INTERVAL)
        self._click = OneClick(self._onClicked)
        self.ui.newPairSelector.addItems(presetNames())
        self._connect()

    def _connect(self) -> None:
        self.ui.addPairButton.connect("clicked(bool)", self.onAddPair)
        self.ui.tissuePairButton.connect("clicked(bool)", self.onTissuePair)
        self.ui.removePairButton.connect("clicked(bool)", self.onRemovePair)
        self.ui.pairSelector.connect("currentIndexChanged(int)", self.onPairChosen)
        self.ui.chartButton.connect("clicked(bool)", self.onChart)
        self.ui.copyButton.connect("clicked(bool)", self.onCopy)
        self.ui.saveButton.connect("clicked(bool)", self.onSave)
        for role in ROLES:
            place, node, segment = self._widgets(role)
            place.connect("clicked(bool)", lambda wanted, role=role: self.onPlace(role, wanted))
            node.connect(
                "currentNodeChanged(vtkMRMLNode*)",
                lambda chosen, role=role: self.onRegionChosen(role, chosen),
            )
            segment.connect(
                "currentIndexChanged(int)", lambda index, role=role: self.onSegmentChosen(role)
            )

    def cleanup(self) -> None:
        """Let go of everything; called when the application closes or the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._throttle.stop()
        self._click.stop()
        self.removeObservers()
        if self._chosen:
            self._chosen.disconnectGui(self._guiTag)
        self._chosen = comparisonOf(parameterNode) if parameterNode else None
        self._written = ""
        if self._chosen:
            self._guiTag = bind(self._chosen, self.ui)
            self._update()

    def onAddPair(self) -> None:
        """Add a pair of the name that is chosen, and show it."""
        name = self.ui.newPairSelector.currentText.strip() or _("Pair")
        self._show(addPair(name))
        following = (self.ui.newPairSelector.currentIndex + 1) % self.ui.newPairSelector.count
        self.ui.newPairSelector.currentIndex = following

    def onTissuePair(self) -> None:
        """Measure the ventricles against the white matter beside them."""
        self._chosen.tissuesShown = True  # to be seen where it is measured
        self._show(addTissuePair(self._chosen.pseudoMri))

    def onRemovePair(self) -> None:
        """Remove the pair that is shown."""
        pair = self._currentPair()
        if pair is not None:
            self._click.stop()
            removePair(pair)
            self._update()

    def onPairChosen(self, index: int) -> None:
        """Show another pair."""
        if not self._isFilling and 0 <= index < len(self._pairs):
            self._show(self._pairs[index])

    def onPlace(self, role: str, wanted: bool) -> None:
        """Wait for a click that places a region, or no longer."""
        self._click.stop()
        if wanted:
            if self._currentPair() is None:
                self.onAddPair()
            self._placedRole = role
            self._click.start()
        self._showButtons()
        self._showNumbers()

    def onRegionChosen(self, role: str, node: Optional[Any]) -> None:
        """Take a node of the scene as a region of the pair that is shown."""
        if self._isFilling or self._chosen is None:
            return
        pair = self._currentPair()
        if pair is None and node is not None:
            self.onAddPair()
            pair = self._currentPair()
        if pair is not None:
            pair.setRegion(role, node)
            self._update()

    def onSegmentChosen(self, role: str) -> None:
        """Take another segment of the segmentation that is a region of the pair."""
        pair = None if self._isFilling else self._currentPair()
        region = pair.region(role) if pair else None
        if pair is not None and region is not None:
            pair.setRegion(role, region.node, self._widgets(role)[2].currentData)
            self._update()

    def onChart(self) -> None:
        """Show all pairs as bars; below the comparison where that is shown."""
        self._written = ""  # the table may have been deleted
        self._update()
        showChart(self._writeTable())

    def onCopy(self) -> None:
        """Copy all pairs in a form that spreadsheets take."""
        self._update()
        slicer.app.clipboard().setText(CNRLogic.asText(self._measured, separator="\t"))

    def onSave(self) -> None:
        """Ask for a file and write all pairs into it."""
        self._update()
        title, kinds = _("Save the contrast-to-noise ratios"), _("Comma-separated values (*.csv)")
        path = qt.QFileDialog.getSaveFileName(None, title, "contrast_to_noise.csv", kinds)
        if path:
            with slicer.util.tryWithErrorDisplay(_("The file could not be written.")):
                saveText(CNRLogic.asText(self._measured), Path(path))

    def _onClicked(self, position: Optional[tuple[float, float, float]]) -> None:
        """Make a region where the user clicked; go on to the background if that is missing."""
        pair = self._currentPair()
        volumeNode = self._chosen.ultrasound or self._chosen.pseudoMri if self._chosen else None
        if position is not None and pair is not None and volumeNode is not None:
            name = pair.regionName(self._placedRole)
            pair.setRegion(self._placedRole, addBox(position, volumeNode, self._placedRole, name))
            if pair.region(BACKGROUND) is None:
                self.onPlace(BACKGROUND, True)
        self._update()

    def _currentPair(self) -> Optional[Pair]:
        if self._chosen is None:
            return None
        pairs = allPairs()
        known = self._chosen.parameterNode.GetNodeReference(_CURRENT_PAIR)
        for pair in pairs:
            if pair.node is known:
                return pair
        return pairs[0] if pairs else None

    def _show(self, pair: Pair) -> None:
        self._click.stop()  # which was to place a region of another pair
        self._chosen.parameterNode.SetNodeReferenceID(_CURRENT_PAIR, pair.node.GetID())
        self._update()

    def _widgets(self, role: str) -> tuple[Any, Any, Any]:
        """Return the widgets of a region: button, node selector, segment selector."""
        names = ("PlaceButton", "Selector", "SegmentSelector")
        button, node, segment = (getattr(self.ui, role + name) for name in names)
        return button, node, segment

    def _update(self) -> None:
        """Measure all pairs, and bring panel, table node and observers up to date."""
        if self._chosen is None:
            return
        ultrasound, pseudoMri = self._chosen.ultrasound, self._chosen.pseudoMri
        self._pairs = allPairs()
        self._measured = CNRLogic.measureAll(ultrasound, pseudoMri)
        self._isFilling = True
        self._fillPairs()
        for role in ROLES:
            self._fillRegion(role)
        self._isFilling = False
        self._showButtons()
        self._showNumbers()
        self._writeTable()
        self._observe()

    def _fillPairs(self) -> None:
        current, selector = self._currentPair(), self.ui.pairSelector
        selector.clear()
        selector.addItems([pair.name for pair in self._pairs])
        selector.currentIndex = self._pairs.index(current) if current else -1

    def _fillRegion(self, role: str) -> None:
        pair = self._currentPair()
        region = pair.region(role) if pair else None
        selector, segments = self._widgets(role)[1:]
        selector.setCurrentNode(region.node if region else None)
        isSegment = region is not None and region.node.IsA("vtkMRMLSegmentationNode")
        getattr(self.ui, role + "SegmentLabel").visible = isSegment
        segments.visible = isSegment
        segments.clear()
        if region is not None and isSegment:
            segmentation = region.node.GetSegmentation()
            for index in range(segmentation.GetNumberOfSegments()):
                segment = segmentation.GetNthSegment(index)
                segments.addItem(segment.GetName(), segmentation.GetNthSegmentID(index))
            segments.currentIndex = segments.findData(region.segmentId)

    def _showButtons(self) -> None:
        for role in ROLES:
            place = self._widgets(role)[0]
            place.enabled = self._hasImage()
            place.checked = self._click.waiting and self._placedRole == role
        self.ui.tissuePairButton.enabled = hasTissues(self._chosen.pseudoMri)
        for button in ("removePairButton", "chartButton", "copyButton", "saveButton"):
            getattr(self.ui, button).enabled = bool(self._pairs)

    def _hasImage(self) -> bool:
        return self._chosen is not None and bool(self._chosen.ultrasound or self._chosen.pseudoMri)

    def _showNumbers(self) -> None:
        current = self._currentPair()
        measured = next((each for each in self._measured if each.pair == current), None)
        showMeasurement(self.ui.measurementTable, measured)
        self.ui.cnrStatusLabel.text = self._message(measured)

    def _message(self, measured: Optional[CNRLogic.PairMeasurement]) -> str:
        """Return what to do next, or why a number is missing."""
        if self._click.waiting:
            isRegion = self._placedRole == REGION
            part = _("the region") if isRegion else _("the background")
            return _("Click in a view to place {part}; Esc to give up.").format(part=part)
        if not self._hasImage():
            return _("Choose the ultrasound or the pseudo-MRI to measure.")
        if measured is None:
            return _(
                "Press Place and click in a view, once for the region, once for the background."
            )
        reasons = [measured.ultrasound.reason, measured.pseudoMri.reason]
        if reasons[0] == reasons[1]:
            return reasons[0]
        images = (_("Ultrasound"), _("Pseudo-MRI"))
        return "\n".join(f"{image}: {text}" for image, text in zip(images, reasons) if text)

    def _writeTable(self) -> Any:
        """Write the table node where a number changed; return it, or None where there is none."""
        node = CNRLogic.tableNode()
        text = CNRLogic.asText(self._measured)
        if text != self._written and (self._measured or node):
            self._written = text
            images = (self._chosen.ultrasound, self._chosen.pseudoMri)
            node = CNRLogic.updateTable(self._measured, *images)
        return node

    def _observe(self) -> None:
        """Follow whatever a number depends on."""
        self.removeObservers()
        follow, scene, modified = self._onChange, slicer.mrmlScene, vtk.vtkCommand.ModifiedEvent
        for event in (scene.NodeRemovedEvent, scene.EndImportEvent):
            self.addObserver(scene, event, follow)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeLeaving)
        self.addObserver(self._chosen.parameterNode, modified, follow)
        volumes = {self._chosen.ultrasound, self._chosen.pseudoMri}
        regions = {region for pair in self._pairs for region in map(pair.region, ROLES) if region}
        for pair in self._pairs:
            self.addObserver(pair.node, modified, follow)
        for node in {*volumes, *(region.node for region in regions)} - {None}:
            for event in eventsOf(node):
                self.addObserver(node, event, follow)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeLeaving(self, caller: Any, event: str, node: Any) -> None:
        """Choose nothing in the place of a region that goes; its selector would choose another."""
        self._isFilling = True
        for role in ROLES:
            selector = self._widgets(role)[1]
            if selector.currentNode() is node:
                selector.setCurrentNode(None)
        self._isFilling = False

    def _onChange(self, caller: Any, event: str) -> None:
        self._throttle.request()


def saveText(text: str, path: Path) -> None:
    """Write text into a file, whole or not at all."""
    from USToMRILib import files

    with files.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
