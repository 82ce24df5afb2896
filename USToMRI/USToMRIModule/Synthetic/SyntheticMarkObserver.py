"""Drawing the words SYNTHETIC MRI in views and on volumes that Slicer would leave without."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..Scene.Throttle import Throttle
from ..Scene.VolumeNodes import isSynthetic
from .ReopenedFiles import ReopenedFiles


class SyntheticMarkObserver(VTKObservationMixin):
    """Has the marks drawn in views that were made after them, or whose layers a script sets.

    Slicer's views do so by themselves only where the user chooses the layers.
    """

    def __init__(self) -> None:
        """Follow the slice views of the scene, those that will be made included."""
        VTKObservationMixin.__init__(self)
        self._throttle = Throttle(self._draw, 0)  # when a new view is ready to draw
        self._layers: dict[str, tuple[str, ...]] = {}
        self._viewIsNew = False
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
        for node in _composites():
            self._follow(node)

    def stop(self) -> None:
        """Let go of the scene."""
        self._throttle.stop()
        self.removeObservers()

    def _follow(self, compositeNode: Any) -> None:
        self._viewIsNew = True
        self.addObserver(compositeNode, vtk.vtkCommand.ModifiedEvent, self._onLayersChanged)
        self._throttle.request()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: str, node: Any) -> None:
        if node.IsA("vtkMRMLSliceCompositeNode"):
            self._follow(node)
        elif node.IsA("vtkMRMLColorLegendDisplayNode"):
            self._throttle.request()

    def _onLayersChanged(self, compositeNode: Any, event: str) -> None:
        layers = (
            compositeNode.GetBackgroundVolumeID(),
            compositeNode.GetForegroundVolumeID(),
            compositeNode.GetLabelVolumeID(),
        )
        if self._layers.get(compositeNode.GetID()) != layers:
            self._layers[compositeNode.GetID()] = layers
            self._throttle.request()

    def _draw(self) -> None:
        legends = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
        marked = [legend.GetDisplayableNode() for legend in legends]
        if not any(node and isSynthetic(node) for node in marked):
            return
        if self._viewIsNew:
            self._viewIsNew = False
            # A view looks for its layers when something long in the scene has ended.
            slicer.mrmlScene.StartState(slicer.mrmlScene.BatchProcessState)
            slicer.mrmlScene.EndState(slicer.mrmlScene.BatchProcessState)
        for node in _composites():
            flags = node.GetInteractionFlags()
            node.SetInteractionFlags(node.BackgroundVolumeFlag | node.ForegroundVolumeFlag)
            node.Modified()
            node.SetInteractionFlags(flags)


_keepers: list[Any] = []


def startMarking() -> None:
    """Have every pseudo-MRI of the scene marked from now on, and the marks drawn."""
    stopMarking()
    _keepers.extend([SyntheticMarkObserver(), ReopenedFiles()])


def stopMarking() -> None:
    """Undo :func:`startMarking`."""
    for keeper in _keepers:
        keeper.stop()
    _keepers.clear()


def _composites() -> list[Any]:
    nodes: list[Any] = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return nodes
