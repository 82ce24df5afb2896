"""The module's panel: sections one below the other, which follow the same parameter node."""

from __future__ import annotations

from typing import Any, Optional

import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .Batch.BatchSection import BatchSection
from .CNR.CNRSection import CNRSection
from .Compare.CompareSection import CompareSection
from .Live.LiveSection import LiveSection
from .Logic import USToMRILogic
from .ParameterNode import letGo
from .ReaderStudy.ReaderStudySection import ReaderStudySection
from .Reload import forgetModules
from .Synthetic.SyntheticMarkObserver import startMarking, stopMarking
from .Translate.TranslateSection import TranslateSection
from .Worker.WorkerClient import stopWorkers

# From top to bottom. Each is made with (the panel's layout, the logic, a function from the name of
# a file in Resources to its path) and has setParameterNode(parameterNode or None) and cleanup().
SECTIONS = (
    TranslateSection,
    CompareSection,
    CNRSection,
    ReaderStudySection,
    BatchSection,
    LiveSection,
)


class USToMRIWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Makes the sections and gives them the parameter node of the current scene."""

    def __init__(self, parent: Optional[Any] = None) -> None:
        """Create the panel; :meth:`setup` fills it."""
        self.logic: Any = None
        self.sections: list[Any] = []
        self._parameterNode: Any = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Fill the panel; called when the user opens the module the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = USToMRILogic()
        self.sections = [make(self.layout, self.logic, self.resourcePath) for make in SECTIONS]
        translateSection, compareSection = self.sections[:2]
        translateSection.onTranslated = compareSection.onTranslated
        translateSection.onInputChosen = compareSection.onInputChosen
        liveSection = self.sections[-1]
        liveSection.onFollowed = compareSection.onTranslated
        liveSection.onShown = compareSection.onLiveFrame
        self.layout.addStretch(1)
        startMarking()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneChanged)
        # The choices of an opened scene are read before the nodes that they name.
        self.addObserver(scene, scene.EndImportEvent, self._onSceneChanged)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeLeaving)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """End what runs; called when the application closes or the module is reloaded."""
        self.setParameterNode(None)
        for section in self.sections:
            section.cleanup()
        stopWorkers()
        stopMarking()
        self.removeObservers()

    def enter(self) -> None:
        """Follow the parameter node; called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Stop following the parameter node; called each time the user opens another module."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the module together with its parts and the library."""
        forgetModules()
        ScriptedLoadableModuleWidget.onReload(self)

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Let every section follow a parameter node from now on; none where it is None."""
        self._parameterNode = parameterNode
        # From below: the first section may take a new image at once, and tells the others.
        for section in reversed(self.sections):
            section.setParameterNode(parameterNode)

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        """Let go of nodes that are about to vanish."""
        self.setParameterNode(None)

    def _onSceneChanged(self, caller: Any, event: str) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeLeaving(self, caller: Any, event: str, node: Any) -> None:
        if self._parameterNode is not None and not slicer.mrmlScene.IsClosing():
            letGo(self._parameterNode.parameterNode, node)
