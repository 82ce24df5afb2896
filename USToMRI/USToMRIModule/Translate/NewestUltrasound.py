"""The ultrasound that was loaded last, as the image to translate."""

from __future__ import annotations

from typing import Any, Optional

import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..Scene.Throttle import Throttle
from ..Scene.VolumeNodes import newestUltrasound

# ms; by then a volume that a file is read into has its voxels, and is known for synthetic if so.
_DELAY = 100


class NewestUltrasound(VTKObservationMixin):
    """Chooses the newest ultrasound of the scene as the input, until the user chooses another."""

    def __init__(self) -> None:
        """Choose nothing before there is a parameter node."""
        VTKObservationMixin.__init__(self)
        self._parameterNode: Any = None
        self._taken = ""
        self._throttle = Throttle(self._take, _DELAY)

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node and its scene from now on; none where it is None."""
        self._throttle.stop()
        self.removeObservers()
        self._parameterNode = parameterNode
        if parameterNode:
            if parameterNode.inputVolume is None:
                self._taken = ""  # in another scene, a node of this ID may be the user's choice
            scene = slicer.mrmlScene
            self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
            self._take()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: str, node: Any) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode"):
            self._throttle.request()

    def _take(self) -> None:
        chosen = self._parameterNode
        before = chosen.inputVolume if chosen else None
        if chosen is None or (before is not None and before.GetID() != self._taken):
            return
        newest = newestUltrasound()
        if newest is not None and newest is not before:
            self._taken = newest.GetID()
            chosen.inputVolume = newest
