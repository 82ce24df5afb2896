"""Placing a region with one click in any view."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.Placement import modeNodes, startPlacing, stopPlacing
from .CNRPairs import BACKGROUND, PLACED_ATTRIBUTE, REGION

# Told apart by colour-blind readers, on a grey image.
COLOURS = {REGION: (0.90, 0.62, 0.0), BACKGROUND: (0.34, 0.71, 0.91)}

# Edge of a new region, as a part of the image's longer side: 7 mm on a fetal head.
_EDGE = 1 / 16

# Percent of the view: small enough to leave the region in sight.
_HANDLE_SCALE = 1.0


class OneClick(VTKObservationMixin):
    """Waits for one click in a view, with a point that follows the mouse."""

    def __init__(self, onEnd: Callable[[Optional[tuple[float, float, float]]], None]) -> None:
        """Make something that can wait.

        :param onEnd: called with the position (world, RAS, mm), or None where the user gave up.
        """
        VTKObservationMixin.__init__(self)
        self._onEnd = onEnd
        self._point: Any = None

    @property
    def waiting(self) -> bool:
        """Whether a click is waited for."""
        return self._point is not None

    def start(self) -> None:
        """Wait for a click; a second call starts anew."""
        self.stop()
        self._point = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "+")
        self._point.SetHideFromEditors(True)
        self._point.SetSaveWithScene(False)
        self._point.CreateDefaultDisplayNodes()
        self._point.GetDisplayNode().SetPointLabelsVisibility(False)
        startPlacing(self._point)
        interaction = modeNodes()[1]
        # Looked at later: the node must not vanish while it tells about its own change.
        defined = slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent
        self.addObserver(self._point, defined, self._endSoon)
        self.addObserver(interaction, interaction.InteractionModeChangedEvent, self._endSoon)

    def stop(self) -> None:
        """Wait no longer, and call nobody."""
        if self._point is None:
            return
        self.removeObservers()
        point, self._point = self._point, None
        removeDisplayable(point)
        stopPlacing()

    def _endSoon(self, caller: Any, event: str) -> None:
        point = self._point
        qt.QTimer.singleShot(0, lambda: self._end(point))

    def _end(self, point: Any) -> None:
        if point is None or point is not self._point:
            return  # one click sends several events
        position = None
        if self._point.GetNumberOfDefinedControlPoints() > 0:
            position = self._point.GetNthControlPointPositionWorld(0)
        self.stop()
        self._onEnd(position)


def addBox(position: tuple[float, float, float], volumeNode: Any, role: str, name: str) -> Any:
    """Add an ROI around a position, along the axes of a volume and under its transform.

    :param position: world, RAS, mm.
    :param role: region or background; gives the colour.
    """
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    roi.SetAttribute(PLACED_ATTRIBUTE, "true")
    roi.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    local = [0.0, 0.0, 0.0]
    roi.TransformPointFromWorld(position, local)
    matrix = np.eye(4)
    matrix[:3, :3] = _axes(volumeNode)
    matrix[:3, 3] = local
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    roi.SetSize(*_size(volumeNode))
    _setDisplay(roi, COLOURS[role])
    return roi


def _axes(volumeNode: Any) -> np.ndarray:
    """Return the volume's axes as columns; the third turned where it would mirror the ROI."""
    directions = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(directions)
    axes = np.array(slicer.util.arrayFromVTKMatrix(directions)[:3, :3])
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return axes


def _size(volumeNode: Any) -> np.ndarray:
    """Return the lengths of a new ROI in mm: a square on a slice, a cube in a volume."""
    spacing = np.array(volumeNode.GetSpacing())
    voxels = np.array(volumeNode.GetImageData().GetDimensions())
    edge = (spacing * voxels)[:2].max() * _EDGE
    size = np.full(3, edge)
    size[2] = max(edge, spacing[2]) if voxels[2] > 1 else spacing[2]
    return size


def _setDisplay(roi: Any, colour: tuple[float, float, float]) -> None:
    roi.CreateDefaultDisplayNodes()
    display = roi.GetDisplayNode()
    display.SetSelectedColor(*colour)
    display.SetColor(*colour)
    display.SetActiveColor(*colour)
    display.SetFillOpacity(0.1)
    display.SetPropertiesLabelVisibility(False)  # it would hide what is measured
    display.SetHandlesInteractive(True)
    display.SetTranslationHandleVisibility(True)
    display.SetScaleHandleVisibility(True)
    display.SetRotationHandleVisibility(False)  # a ring wider than the region; a menu turns it on
    display.SetInteractionHandleScale(_HANDLE_SCALE)
    display.SetGlyphScale(_HANDLE_SCALE)
