"""Sections of the panel on their own, as the panel makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import vtk

_RESOURCES = Path(__file__).parents[3] / "USToMRI" / "Resources"


class Sections:
    """Some sections in a widget, which follow the module's parameter node."""

    def __init__(self, *classes: type) -> None:
        """Make the sections; the module's folder must be on the path."""
        import qt
        from USToMRIModule.Logic import USToMRILogic
        from USToMRIModule.ParameterNode import USToMRIParameterNode

        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        self.all = [
            make(layout, USToMRILogic(), lambda name: str(_RESOURCES / name)) for make in classes
        ]
        layout.addStretch(1)
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetName("USToMRI")
        node.SetSingletonTag("USToMRI")
        node = slicer.mrmlScene.AddNode(node)
        wrapper: Any = USToMRIParameterNode  # the decorator gave it another constructor
        self.parameter_node = wrapper(node)
        event = slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent
        self._tag = slicer.mrmlScene.AddObserver(event, _as_in_panel(node))
        self.enter()

    def enter(self) -> None:
        """Let the sections follow the parameter node, as when the user opens the module."""
        for section in self.all:
            section.setParameterNode(self.parameter_node)

    def close(self) -> None:
        """End the sections, as when the module is reloaded."""
        slicer.mrmlScene.RemoveObserver(self._tag)
        for section in self.all:
            section.cleanup()
        self.widget.deleteLater()


def _as_in_panel(parameter_node: Any) -> Any:
    """Return an observer that lets go of nodes before they leave the scene."""
    from USToMRIModule.ParameterNode import letGo

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def leave(caller: Any, event: str, node: Any) -> None:
        if not slicer.mrmlScene.IsClosing():
            letGo(parameter_node, node)

    return leave
