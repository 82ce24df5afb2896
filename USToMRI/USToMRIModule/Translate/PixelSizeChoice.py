"""The size of the pixels of a picture that does not say it: asked for beside the picture."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..ParameterNode import PixelSizeWay
from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.PixelSize import lacksPixelSize, writePixelSize
from ..Scene.Placement import startPlacing, stopPlacing
from ..Scene.VolumeNodes import holdsImage, isSlice
from ..Scene.WorldSpace import worldFromIjk

# Of a pixel, in mm: the limits of the parameter.
_LARGEST = 10.0

_RULER_COLOUR = (1.0, 0.8, 0.2)


class PixelSizeChoice(VTKObservationMixin):
    """Asks for the width of a pixel, the length of the depth scale, or the head circumference."""

    def __init__(self, ui: Any, findHead: Callable[[float], None]) -> None:
        """Follow the widgets of the section.

        :param findHead: called with a head circumference in mm to start :meth:`~..Logic.
            USToMRILogic.startPixelSizeSearch`.
        """
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._findHead = findHead
        self._parameterNode: Any = None
        ui.rulerButton.connect("clicked(bool)", self.onRuler)
        ui.circumferenceButton.connect("clicked(bool)", self.onFindHead)
        ui.writePixelSizeButton.connect("clicked(bool)", self.onWrite)

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self.removeObservers()
        if self._parameterNode is not None and self._ui.rulerButton.checked:
            stopPlacing()
        self._parameterNode = parameterNode

    def update(self, isIdle: bool) -> None:
        """Show what is asked for, and compute the size from the ruler."""
        chosen = self._parameterNode
        node, way = chosen.inputVolume, chosen.pixelSizeWay
        isAsked = bool(node and holdsImage(node) and isSlice(node)) and (
            chosen.pixelSize > 0 or lacksPixelSize(node)
        )
        self._followRuler()
        if isAsked and way is PixelSizeWay.RULER:
            self._useRuler()
        ui, hasSize = self._ui, chosen.pixelSize > 0
        for widget in (ui.pixelSizeLabel, ui.pixelSizeWaySelector):
            widget.visible = isAsked
        ui.pixelSizeSpinBox.visible = isAsked and way is PixelSizeWay.PIXEL
        for widget in (ui.rulerLengthSpinBox, ui.rulerButton):
            widget.visible = isAsked and way is PixelSizeWay.RULER
        for widget in (ui.knownCircumferenceSpinBox, ui.circumferenceButton):
            widget.visible = isAsked and way is PixelSizeWay.CIRCUMFERENCE
        ui.circumferenceButton.enabled = isIdle and chosen.knownCircumference > 0
        for widget in (ui.pixelSizeResultLabel, ui.writePixelSizeButton):
            widget.visible = isAsked and hasSize
        ui.pixelSizeResultLabel.text = _("A pixel is {size:.4f} mm wide.").format(
            size=chosen.pixelSize
        )

    def onRuler(self, wanted: bool) -> None:
        """Wait for two clicks on the scale of the image, or no longer."""
        if not wanted:
            stopPlacing()
            return
        self.forgetRuler()
        ruler = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", _("Depth scale"))
        ruler.CreateDefaultDisplayNodes()
        display = ruler.GetDisplayNode()
        display.SetSelectedColor(*_RULER_COLOUR)
        display.SetPropertiesLabelVisibility(False)  # its length in mm is what is not known yet
        display.SetPointLabelsVisibility(False)
        self._parameterNode.rulerLine = ruler
        startPlacing(ruler)

    def onFindHead(self) -> None:
        """Find the head whose circumference is known."""
        self._findHead(self._parameterNode.knownCircumference)

    def onWrite(self) -> None:
        """Write the size into the volume; what was drawn on it lies elsewhere then, and goes."""
        chosen = self._parameterNode
        node, size = chosen.inputVolume, chosen.pixelSize
        self.forgetRuler()
        for drawn in (chosen.headCurve, chosen.biparietalLine, chosen.occipitofrontalLine):
            if drawn is not None:
                removeDisplayable(drawn)
        chosen.pixelSize = 0.0
        writePixelSize(node, size)
        slicer.util.setSliceViewerLayers(background=node, fit=True)

    def setSize(self, size: float) -> str:
        """Take a size that was computed, in mm; return why it cannot be, or nothing."""
        if not 0 < size <= _LARGEST:
            return _("A pixel would be {size:.3g} mm wide; check the length.").format(size=size)
        self._parameterNode.pixelSize = size
        return ""

    def forgetRuler(self) -> None:
        """Take the line on the scale away."""
        ruler = self._parameterNode.rulerLine
        if ruler is not None:
            removeDisplayable(ruler)

    def _followRuler(self) -> None:
        self.removeObservers()
        ruler = self._parameterNode.rulerLine
        if ruler is not None:
            markups = slicer.vtkMRMLMarkupsNode
            for event in (markups.PointModifiedEvent, markups.PointPositionDefinedEvent):
                self.addObserver(ruler, event, self._onRulerMoved)

    def _onRulerMoved(self, caller: Any, event: str) -> None:
        self._useRuler()

    def _useRuler(self) -> None:
        chosen = self._parameterNode
        ruler = chosen.rulerLine
        if ruler is None or ruler.GetNumberOfDefinedControlPoints() < 2:
            return
        self._ui.rulerButton.checked = False
        toIjk = worldFromIjk(chosen.inputVolume).GetInverse()
        ends = [
            np.array(toIjk.TransformPoint(ruler.GetNthControlPointPositionWorld(n)))[:2]
            for n in range(2)
        ]
        pixels = float(np.linalg.norm(ends[1] - ends[0]))
        size = chosen.rulerLength / pixels if pixels else 0.0
        if abs(size - chosen.pixelSize) > 1e-6:
            self.setSize(size)
