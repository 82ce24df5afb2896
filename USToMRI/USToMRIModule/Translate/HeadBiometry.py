"""The sizes of a head: in words, and as diameters on the image that can be dragged."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..Scene.PixelSize import spacingOf
from ..Scene.WorldSpace import worldSpacing
from ..Synthetic.OutputNodes import PROVENANCE_ROLE, recordOf
from ..Synthetic.TissueNodes import cerebellumOf, ventriclesOf
from .HeadCurve import FoundHead, drawnOn, isOf, worldPoints

_COLOUR = (0.0, 0.62, 0.45)


class HeadBiometry(VTKObservationMixin):
    """Writes head circumference, diameters and gestational age into a label."""

    def __init__(self, label: Any) -> None:
        """Show nothing, until a head is found."""
        VTKObservationMixin.__init__(self)
        self._label = label
        self._parameterNode: Any = None
        self._shown: Any = None
        self._inside: list[str] = []
        self._pixelSize = 0.0
        label.visible = False

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow the diameters of a parameter node from now on; none where it is None."""
        self.removeObservers()
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self.update()
            self._follow()

    def update(self) -> None:
        """Forget the head of another image; called when a parameter changed."""
        chosen = self._parameterNode
        if chosen.inputVolume is not self._shown:
            self._inside = []
            self._say(None)
        elif chosen.pixelSize != self._pixelSize and self._label.visible:
            self._onDragged(None, "")
        self._shown, self._pixelSize = chosen.inputVolume, chosen.pixelSize

    def showFound(self, head: FoundHead) -> None:
        """Draw the diameters of a head that was found in the input, and say its sizes."""
        chosen = self._parameterNode
        self.removeObservers()
        for name, turn, line in (
            (_("BPD"), np.pi / 2, chosen.biparietalLine),
            (_("OFD"), 0.0, chosen.occipitofrontalLine),
        ):
            onAxes = _endsOnAxes(head.ellipse, turn)
            ends = worldPoints(onAxes, head.ellipse, chosen.inputVolume, chosen.pixelSize)
            if line is None or not isOf(line, chosen.inputVolume):
                line = _addLine(chosen.inputVolume)
            slicer.util.updateMarkupsControlPointsFromArray(line, ends, world=True)
            line.SetName(name)
            # At an end: in the middle, where a line's own label is, both would lie on each other.
            line.SetNthControlPointLabel(0, name)
            line.SetNthControlPointLabel(1, "")
            if turn:
                chosen.biparietalLine = line
            else:
                chosen.occipitofrontalLine = line
        self._follow()
        self._say(head.biometry)

    def showTranslated(self, outputNode: Any) -> None:
        """Say the sizes of the head in which a pseudo-MRI was made, if it is of one slice."""
        from USToMRILib.fetal.biometry import Biometry

        textNode = outputNode.GetNodeReference(PROVENANCE_ROLE)
        record = recordOf(textNode) if textNode else {}
        biometry = Biometry.of_record(record)
        measured = record.get("parameters", {}).get("tissues_measured", {})
        self._inside = _insideOf(measured)
        if biometry and (self._inside or not self._lines()):
            self._say(biometry.as_dict())

    def _lines(self) -> list[Any]:
        chosen = self._parameterNode
        lines = (chosen.biparietalLine, chosen.occipitofrontalLine) if chosen else ()
        return [
            each
            for each in lines
            if each
            and each.GetNumberOfDefinedControlPoints() == 2
            and isOf(each, chosen.inputVolume)
        ]

    def _follow(self) -> None:
        for line in self._lines():
            self.addObserver(line, slicer.vtkMRMLMarkupsNode.PointModifiedEvent, self._onDragged)

    def _onDragged(self, caller: Any, event: str) -> None:
        """Measure the diameters where the user has dragged them."""
        from USToMRILib import InputError
        from USToMRILib.fetal.biometry import Biometry
        from USToMRILib.fetal.ellipse import Ellipse

        chosen, lines = self._parameterNode, self._lines()
        if len(lines) < 2 or chosen.inputVolume is None:
            return
        size = spacingOf(chosen.inputVolume, chosen.pixelSize)[0]
        scale = size / worldSpacing(chosen.inputVolume)[0]
        lengths = [_length(line) * scale / 2 for line in lines]
        try:
            acrossIsLonger = lengths[0] > lengths[1]
            midline = np.pi / 2 if acrossIsLonger else 0.0
            outline = Ellipse((0.0, 0.0), (max(lengths), min(lengths)), 0.0, midline)
        except InputError:
            return  # one end on the other
        self._say(Biometry.of(outline).as_dict(), areDragged=True)

    def _say(self, biometry: Optional[dict[str, Any]], areDragged: bool = False) -> None:
        """Show sizes, or nothing.

        :param areDragged: whether the user has drawn the diameters, of which HC is then made.
        """
        self._label.visible = biometry is not None
        if biometry is None:
            return
        text = _(
            "<b>HC {head_circumference_mm:.0f} mm</b>, BPD {biparietal_diameter_mm:.0f} mm, OFD"
            " {occipitofrontal_diameter_mm:.0f} mm, cephalic index {cephalic_index:.0f} %"
        ).format(**biometry)
        age = _("{weeks:.1f} weeks ({low_weeks:.1f} to {high_weeks:.1f}), {chart}")
        ages = [age.format(**each) for each in biometry["gestational_age"]]
        self._label.text = "<br>".join([text, *ages, *self._inside])
        source = _("{chart}: {interval}; {source}")
        sources = [source.format(**each) for each in biometry["gestational_age"]]
        measured = _("Diameters from {edges}.").format(edges=biometry["diameters"])
        if areDragged:
            measured = _(
                "Diameters as they were dragged; HC is the length of the ellipse with these axes. "
                "Drag all ends to the outer edge of the skull: a BPD to the inner edge is 2 to 3 "
                "mm smaller, and makes HC 3 to 4 mm too small."
            )
        self._label.toolTip = "\n".join([measured, *sources])


def _insideOf(measured: dict[str, Any]) -> list[str]:
    """Return lines about what was measured inside the brain."""
    texts = {
        _("Atrium, SYNTHETIC: {widths}"): ventriclesOf(measured),
        _("Cerebellum across, SYNTHETIC: {widths}"): cerebellumOf(measured),
    }
    return [text.format(widths=widths) for text, widths in texts.items() if widths]


def _addLine(inputNode: Any) -> Any:
    line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode")
    line.CreateDefaultDisplayNodes()
    display = line.GetDisplayNode()
    display.SetSelectedColor(*_COLOUR)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(True)
    # Its length would be wrong where the pixel size is not the volume's.
    line.GetMeasurement("length").SetEnabled(False)
    drawnOn(line, inputNode)
    return line


def _endsOnAxes(ellipse: dict[str, Any], turn: float) -> np.ndarray:
    """Return the ends of a diameter along the axes of the head's ellipse, in semi-axes.

    :param turn: angle of the diameter from the midline, in radians.
    """
    angle = ellipse["midline"] + turn
    towards = np.array([np.cos(angle), np.sin(angle)]) / ellipse["semi_axes"]
    return np.array([[-1.0], [1.0]]) * towards / np.linalg.norm(towards)


def _length(line: Any) -> float:
    first, second = (np.array(line.GetNthControlPointPositionWorld(n)) for n in range(2))
    return float(np.linalg.norm(second - first))
