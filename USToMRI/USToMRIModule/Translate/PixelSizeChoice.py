"""The size of the pixels of a picture that does not say it: asked for beside the picture."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..ParameterNode import PixelSizeWay
from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.PixelSize import filePixelSize, lacksPixelSize, spacingOf
from ..Scene.Placement import isPlacing, modeNodes, startPlacing, stopPlacing
from ..Scene.VolumeNodes import holdsImage, isSlice
from ..Scene.WorldSpace import worldFromIjk
from ..Synthetic.Resizing import resize

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
            self.forgetRuler()
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
        stated = filePixelSize(node) if node and not chosen.pixelSize else None
        size = stated[0] if stated else chosen.pixelSize
        ui = self._ui
        for widget in (ui.pixelSizeLabel, ui.pixelSizeWaySelector):
            widget.visible = isAsked
        ui.pixelSizeSpinBox.visible = isAsked and way is PixelSizeWay.PIXEL
        for widget in (ui.rulerLengthSpinBox, ui.rulerButton):
            widget.visible = isAsked and way is PixelSizeWay.RULER
        for widget in (ui.knownCircumferenceSpinBox, ui.circumferenceButton):
            widget.visible = isAsked and way is PixelSizeWay.CIRCUMFERENCE
        ui.circumferenceButton.enabled = isIdle and chosen.knownCircumference > 0
        for widget in (ui.pixelSizeResultLabel, ui.writePixelSizeButton):
            widget.visible = bool(stated) or (isAsked and size > 0)
        text = _("A pixel is {size:.4f} mm wide.")
        if stated:
            text = _("A pixel is {size:.4f} mm wide, as its file says.")
        ui.pixelSizeResultLabel.text = text.format(size=size)

    def onRuler(self, wanted: bool) -> None:
        """Wait for two clicks on the scale of the image, or no longer."""
        if not wanted:
            stopPlacing()
            self._removeRuler()
            return
        self._removeRuler()
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
        """Write the size into the volume; what was made of it goes along, what was drawn goes."""
        chosen = self._parameterNode
        node = chosen.inputVolume
        size = chosen.pixelSize or spacingOf(node)[0]
        self.forgetRuler()
        for drawn in (chosen.headCurve, chosen.biparietalLine, chosen.occipitofrontalLine):
            if drawn is not None:
                removeDisplayable(drawn)
        resize(node, size)
        chosen.pixelSize = 0.0
        slicer.util.setSliceViewerLayers(background=node, fit=True)

    def setSize(self, size: float) -> str:
        """Take a size that was computed, in mm; return why it cannot be, or nothing."""
        if not 0 < size <= _LARGEST:
            return _("A pixel would be {size:.3g} mm wide; check the length.").format(size=size)
        self._parameterNode.pixelSize = size
        return ""

    def forgetRuler(self) -> None:
        """Take the line on the scale away, and wait for no click."""
        if self._ui.rulerButton.checked:
            self._ui.rulerButton.checked = False
            stopPlacing()  # else Slicer would make another line at the next click
        self._removeRuler()

    def _removeRuler(self) -> None:
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
            interaction = modeNodes()[1]
            self.addObserver(interaction, interaction.InteractionModeChangedEvent, self._onMode)

    def _onMode(self, caller: Any, event: str) -> None:
        # Looked at later: the line must not vanish while Slicer is at work on its points.
        qt.QTimer.singleShot(0, self._endPlacing)

    def _endPlacing(self) -> None:
        """Notice that the user gave up before the second click."""
        if self._parameterNode is not None and self._ui.rulerButton.checked and not isPlacing():
            self.forgetRuler()

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
        widths = (ends[1] - ends[0]) * spacingOf(chosen.inputVolume, 1.0)[:2]
        length = float(np.linalg.norm(widths))  # in widths of a pixel, which may be oblong
        size = chosen.rulerLength / length if length else 0.0
        if abs(size - chosen.pixelSize) > 1e-6:
            self.setSize(size)
