"""Starting the host, making scenes in it, and loading a scripted module into it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any, Optional

import slicer
import vtk

from . import api, file_io, parameters, scripted

# (name in the application logic, class) of the module logics that the tests need
_MODULE_LOGICS = (
    ("Volumes", "vtkSlicerVolumesLogic"),
    ("Markups", "vtkSlicerMarkupsLogic"),
    ("Transforms", "vtkSlicerTransformLogic"),
    ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    ("Plots", "vtkSlicerPlotsLogic"),
    ("Layout", "vtkMRMLLayoutLogic"),
    ("Sequences", "vtkSlicerSequencesLogic"),
)


class Application:
    """``slicer.app`` without its window; a name that Slicer's does not have raises."""

    def __init__(self) -> None:
        self.slicerHome = str(Path(sys.prefix))
        self._logic: Any = None
        self._cache = tempfile.TemporaryDirectory()
        self._slice_logics: Any = None
        self._module_logics: list[Any] = []  # the application logic does not keep them alive
        self._settings = Settings()

    def __getattr__(self, name: str) -> Any:
        """Say whether Slicer has the name."""
        known = name in api.names_of("app")
        reason = "not carried by the stand-in" if known else "not a name in Slicer"
        raise AttributeError(f"slicer.app.{name}: {reason}")

    def userSettings(self) -> Settings:
        """Return what Slicer keeps of a user; with every new scene there is another one."""
        return self._settings

    def layoutManager(self) -> LayoutManager:
        """Return what holds the views."""
        return LayoutManager()

    def applicationLogic(self) -> Any:
        """Return the application logic of the current scene."""
        return self._logic

    def mrmlScene(self) -> Any:
        """Return the current scene."""
        return slicer.mrmlScene

    def testingEnabled(self) -> bool:
        """Tests run in testing mode: no dialogs, no installations."""
        return True

    def coreIOManager(self) -> file_io.CoreIOManager:
        """Return what reads files."""
        return file_io.CoreIOManager()

    def processEvents(self) -> None:
        """Let Qt work off its events."""
        from . import pythonqt

        pythonqt.application().processEvents()

    def moduleManager(self) -> Any:
        """Return something whose signals can be connected; it never emits."""
        return types.SimpleNamespace(connect=lambda *args: True, disconnect=lambda *args: True)

    def connect(self, signal: str, receiver: Any) -> bool:
        """Connect a signal; nothing starts up or closes down here, so it never comes."""
        known = {"startupCompleted()", "aboutToQuit()", "lastWindowClosed()"}
        if signal not in known:
            raise ValueError(f"slicer.app has no signal {signal!r} that is known here")
        return True

    def clipboard(self) -> Any:
        """Return the clipboard."""
        from . import pythonqt

        return pythonqt.application().clipboard()

    def translate(self, context: str, text: str) -> str:
        """Return the text as it is."""
        return text


class Settings:
    """``QSettings``, in memory."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def value(self, key: str) -> Any:
        """Return what is kept, None where nothing is."""
        return self._values.get(key)

    def setValue(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._values[key] = value


class LayoutManager:
    """``qSlicerLayoutManager``, as far as the wheel can carry it: the logics of the slice views."""

    def mrmlSliceLogics(self) -> Any:
        """Return the logics of all slice views."""
        return slicer.app._slice_logics

    def __getattr__(self, name: str) -> Any:
        """Say that the name is not carried."""
        raise AttributeError(f"slicer.app.layoutManager().{name} is not carried by the stand-in")


def start(panel: bool = False) -> None:
    """Put the stand-ins in place; with ``panel`` also ``qt`` and ``ctk``. Safe to call again."""
    if not isinstance(getattr(slicer, "app", None), Application):
        slicer.app = Application()
        slicer.modules = types.SimpleNamespace()
    if panel or slicer_python_dir():
        from . import qt_modules

        qt_modules.install()
    if "slicer.parameterNodeWrapper" not in sys.modules:
        _install_python_parts()


def slicer_python_dir() -> Optional[Path]:
    """Return the folder with Slicer's own Python files, if the environment names one."""
    folder = os.environ.get("SLICER_PYTHON_DIR")
    if not folder:
        return None
    for candidate in (Path(folder), Path(folder) / "slicer"):
        if (candidate / "ScriptedLoadableModule.py").is_file():
            return candidate
    raise FileNotFoundError(f"SLICER_PYTHON_DIR={folder} holds no ScriptedLoadableModule.py")


def _install_python_parts() -> None:
    folder = slicer_python_dir()
    if folder:
        slicer.__path__.append(str(folder))
        for name in ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper"):
            importlib.import_module(f"slicer.{name}")
        return
    for part in (scripted.i18n(), scripted.scripted_loadable_module(), parameters.module()):
        sys.modules[part.__name__] = part
        setattr(slicer, part.__name__.partition(".")[2], part)


def new_scene() -> Any:
    """Make an empty scene with its logics the current one, and return it."""
    close_scene()
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    slicer.mrmlScene = scene
    slicer.app._logic = logic
    slicer.app._module_logics = []
    slicer.app._settings = Settings()
    colors = logic.GetColorLogic()
    logic.SetModuleLogic("Colors", colors)
    logic.SetMRMLScene(scene)
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    slicer.app._slice_logics = vtk.vtkCollection()
    logic.SetSliceLogics(slicer.app._slice_logics)
    logic.SetViewLogics(vtk.vtkCollection())
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    _give_cache(scene)
    for name, class_name in _MODULE_LOGICS:
        module_logic = getattr(slicer, class_name)()
        module_logic.SetMRMLApplicationLogic(logic)
        module_logic.SetMRMLScene(scene)
        logic.SetModuleLogic(name, module_logic)
        slicer.app._module_logics.append(module_logic)
        module = types.SimpleNamespace(logic=lambda own=module_logic: own)
        setattr(slicer.modules, name.lower(), module)
    _follow_layout(scene)
    return scene


def _give_cache(scene: Any) -> None:
    """Give a scene the folder that it unpacks scene bundles into."""
    manager, cache = slicer.vtkDataIOManager(), slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(slicer.app._cache.name)
    manager.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    scene.SetCacheManager(cache)


def _follow_layout(scene: Any) -> None:
    """Give every slice view of the layout its logic, as the layout manager does."""
    layout_node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout_node.AddObserver(vtk.vtkCommand.ModifiedEvent, _add_slice_logics, -1.0)


def _add_slice_logics(*args: Any) -> None:
    """Make the logics of slice views that have none.

    An observer that held the scene would keep it alive until some later garbage collection.
    """
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if slicer.app._logic.GetSliceLogic(node) is None:
            slice_logic = slicer.vtkMRMLSliceLogic()
            slice_logic.SetMRMLApplicationLogic(slicer.app._logic)
            slice_logic.SetMRMLScene(slicer.mrmlScene)
            slice_logic.SetSliceNode(node)
            slicer.app._slice_logics.AddItem(slice_logic)


def close_scene() -> None:
    """Empty the current scene, as the application does before it makes another."""
    scene = getattr(slicer, "mrmlScene", None)
    for module_logic in getattr(slicer.app, "_module_logics", []):
        module_logic.SetMRMLScene(None)  # the layout logic does not survive an emptied scene
    if scene is not None:
        scene.Clear(1)
        scene.RemoveAllObservers()  # a garbage collection may come upon it at any time


def add_module_folder(folder: Path) -> None:
    """Put the folder of a scripted module on the path, as Slicer does."""
    for entry in (str(folder), str(folder.parent)):
        if entry not in sys.path:
            sys.path.append(entry)


def load_module(path: Path) -> types.ModuleType:
    """Load a scripted module from its file, as Slicer does, and describe it in slicer.modules."""
    add_module_folder(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    parent = types.SimpleNamespace(path=str(path))
    instance = getattr(module, path.stem)(parent)
    setattr(slicer.modules, path.stem.lower(), parent)
    setattr(slicer.modules, f"{path.stem}Instance", instance)
    return module


def open_panel(module: types.ModuleType) -> Any:
    """Make a module's panel and enter it, as Slicer does when the user opens the module."""
    parent = slicer.qSlicerScriptedLoadableModuleWidget()
    parent.setMRMLScene(slicer.mrmlScene)
    panel = getattr(module, f"{module.__name__}Widget")(parent)
    panel.setup()
    parent._host_entered = True
    panel.enter()
    return panel
