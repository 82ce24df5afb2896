"""Pseudo-MRIs that come back from files without their scene: an NRRD that was saved alone."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..Scene.Throttle import Throttle
from .RestoredVolumes import restoreVolume


class ReopenedFiles(VTKObservationMixin):
    """Restores them, by whatever way they were opened: their volumes are added to the scene."""

    def __init__(self) -> None:
        """Follow the scene; look at what is in it soon."""
        VTKObservationMixin.__init__(self)
        self._new: list[Any] = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self._throttle = Throttle(self._restoreAll, 0)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
        # A script may go on at once with what it has read, and leave Qt no time.
        self.addObserver(scene, scene.EndImportEvent, self._restoreAll)
        reader = slicer.modules.volumes.logic()
        self.addObserver(reader, vtk.vtkCommand.ModifiedEvent, self._onFileRead)
        self._throttle.request()

    def stop(self) -> None:
        """Let go of the scene."""
        self._throttle.stop()
        self.removeObservers()
        self._new = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: str, node: Any) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode"):
            self._new.append(node)
            self._throttle.request()

    def _onFileRead(self, caller: Any, event: str) -> None:
        """Look at the volume that Slicer has just read; others may not be complete yet."""
        if not slicer.mrmlScene.IsImporting():
            read = [node for node in self._new if node.GetStorageNode()]
            self._new = [node for node in self._new if node not in read]
            _restore(read)

    def _restoreAll(self, caller: Any = None, event: str = "") -> None:
        new, self._new = self._new, []
        _restore(new)


def _restore(nodes: list[Any]) -> None:
    for node in nodes:
        if slicer.mrmlScene.IsNodePresent(node):
            restoreVolume(node)
