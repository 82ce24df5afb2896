"""Small stand-ins for the pure Python parts of Slicer that the wheel lacks."""

from __future__ import annotations

import types
import unittest
from pathlib import Path
from typing import Any, Optional

import slicer


def i18n() -> types.ModuleType:
    """Return a stand-in for ``slicer.i18n``: every text stays as it is."""
    module = types.ModuleType("slicer.i18n")
    module.tr = lambda text: text  # type: ignore[attr-defined]
    module.translate = lambda context, text: text  # type: ignore[attr-defined]
    return module


def scripted_loadable_module() -> types.ModuleType:
    """Return a stand-in for ``slicer.ScriptedLoadableModule``."""
    module = types.ModuleType("slicer.ScriptedLoadableModule")
    for kind in (Module, Widget, Logic, Test):
        setattr(
            module, f"ScriptedLoadableModule{kind.__name__}".replace("ModuleModule", "Module"), kind
        )
    return module


class Module:
    """``ScriptedLoadableModule``: keeps the module's description."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, name: str) -> str:
        """Return the path of a file in the module's Resources."""
        return str(Path(self.parent.path).parent / "Resources" / name)


class Widget:
    """``ScriptedLoadableModuleWidget``: puts the panel into its parent."""

    def __init__(self, parent: Any = None) -> None:
        import qt

        self.moduleName = type(self).__name__[: -len("Widget")]
        self.developerMode = False
        self.parent = parent
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()

    def setup(self) -> None:
        """Do nothing; the module's panel is the derived class's work."""

    def onReload(self) -> None:
        """Reload the module."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def resourcePath(self, name: str) -> str:
        """Return the path of a file in the module's Resources."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)


class Logic:
    """``ScriptedLoadableModuleLogic``: has one parameter node a scene."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__[: -len("Logic")]

    def getParameterNode(self) -> Any:
        """Return the module's parameter node; make it where the scene has none."""
        class_name = "vtkMRMLScriptedModuleNode"
        node: Optional[Any] = slicer.mrmlScene.GetSingletonNode(self.moduleName, class_name)
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass(class_name)
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class Test(unittest.TestCase):
    """``ScriptedLoadableModuleTest``."""

    def runTest(self) -> None:
        """Do nothing by itself."""

    def delayDisplay(self, message: str, requestedDelay: Any = None, msec: Any = None) -> None:
        """Slicer shows the message for a moment."""
