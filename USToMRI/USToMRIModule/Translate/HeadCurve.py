"""The head's outline as a closed curve that the user can drag."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..Scene.PixelSize import spacingOf
from ..Scene.VolumeNodes import ATTRIBUTE_PREFIX
from ..Scene.WorldSpace import worldFromIjk
from ..Synthetic.OutputNodes import moveBeside

# Where the outline was found: the points as they were set, to know whether somebody moved them.
_FOUND_ATTRIBUTE = ATTRIBUTE_PREFIX + "found"

# The image in which it was found.
_IMAGE_ROLE = ATTRIBUTE_PREFIX + "image"

_CONTROL_POINTS = 12


class FoundHead(NamedTuple):
    """A head that was found in a slice.

    curve - its outline in the scene
    ellipse - fields of :class:`USToMRILib.fetal.ellipse.Ellipse`
    biometry - as :meth:`USToMRILib.fetal.biometry.Biometry.as_dict`
    """

    curve: Any
    ellipse: dict[str, Any]
    biometry: dict[str, Any]


def showEllipse(
    ellipse: dict[str, Any], inputNode: Any, pixelSize: float, curveNode: Optional[Any] = None
) -> Any:
    """Put the ellipse of a head into the scene as a closed curve, and return the curve.

    :param ellipse: the fields of :class:`USToMRILib.fetal.ellipse.Ellipse`.
    :param inputNode: the slice in which it was found.
    :param pixelSize: that was given for it in mm; 0: the slice's own spacing.
    :param curveNode: the curve to move there; a new one where it is None or of another image.
    """
    if curveNode is None or not isOf(curveNode, inputNode):
        name = _("Head of {name}").format(name=inputNode.GetName())
        curveNode = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLMarkupsClosedCurveNode", slicer.mrmlScene.GenerateUniqueName(name)
        )
        curveNode.CreateDefaultDisplayNodes()
        curveNode.GetDisplayNode().SetPropertiesLabelVisibility(False)
        curveNode.GetDisplayNode().SetPointLabelsVisibility(False)
        drawnOn(curveNode, inputNode)
    slicer.util.updateMarkupsControlPointsFromArray(
        curveNode, _outline(ellipse, inputNode, pixelSize), world=True
    )
    curveNode.SetAttribute(_FOUND_ATTRIBUTE, json.dumps(_state(curveNode)))
    return curveNode


def isEdited(curveNode: Any) -> bool:
    """Return whether a curve is the user's: drawn by hand, or moved since it was found."""
    found = curveNode.GetAttribute(_FOUND_ATTRIBUTE)
    return found is None or json.loads(found) != _state(curveNode)


def drawnOn(markupsNode: Any, inputNode: Any) -> None:
    """Let a curve or a line be one of an image, in its folder."""
    moveBeside(inputNode, markupsNode)
    markupsNode.SetNodeReferenceID(_IMAGE_ROLE, inputNode.GetID())


def isOf(markupsNode: Any, inputNode: Any) -> bool:
    """Return whether a curve or a line lies on an image: was not found in another one."""
    image = markupsNode.GetNodeReference(_IMAGE_ROLE)
    return image is None or image is inputNode


def _outline(ellipse: dict[str, Any], inputNode: Any, pixelSize: float) -> np.ndarray:
    """Return points of the ellipse in the world (RAS, mm), [n, 3]."""
    turns = np.linspace(0, 2 * np.pi, _CONTROL_POINTS, endpoint=False)
    return worldPoints(np.stack([np.cos(turns), np.sin(turns)], -1), ellipse, inputNode, pixelSize)


def worldPoints(
    onAxes: np.ndarray, ellipse: dict[str, Any], inputNode: Any, pixelSize: float
) -> np.ndarray:
    """Return points of an ellipse's plane in the world (RAS, mm), [n, 3].

    :param onAxes: [n, 2] along the long and the short axis, in semi-axes from the centre.
    """
    spacing = spacingOf(inputNode, pixelSize)[:2]
    c, s = np.cos(ellipse["angle"]), np.sin(ellipse["angle"])
    plane = onAxes * ellipse["semi_axes"] @ np.array([[c, s], [-s, c]]) + ellipse["centre"]
    transform = worldFromIjk(inputNode)
    return np.array([transform.TransformPoint((*point, 0.0)) for point in plane / spacing])


def _state(curveNode: Any) -> list[list[float]]:
    points = slicer.util.arrayFromMarkupsControlPoints(curveNode)
    return [[round(float(x), 3) for x in point] for point in points]
