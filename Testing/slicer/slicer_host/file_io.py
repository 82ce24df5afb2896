"""A small ``slicer.app.coreIOManager()``: the readers that a headless run needs, on real nodes.

Which reader Slicer chooses for a file is decided in its C++ modules, which the wheel lacks; the
reading itself is the real thing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

_TYPES = {
    "SceneFile": (".mrb", ".mrml"),
    "SequenceFile": (".seq.nrrd", ".seq.nhdr"),
    "VolumeFile": (".vti", ".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".png", ".jpg", ".tif"),
}


class CoreIOManager:
    """``qSlicerCoreIOManager``: finds the reader of a file and loads it into the scene."""

    def fileType(self, path: str) -> str:
        """Return the type that Slicer gives to a file."""
        for kind, suffixes in _TYPES.items():
            if str(path).lower().endswith(suffixes):
                return kind
        return "NoFile"

    def loadNodes(self, kind: str, properties: dict[str, Any], nodes: Any, messages: Any) -> bool:
        """Load a file; return whether that went well."""
        path = str(properties["fileName"])
        if kind == "VolumeFile":
            node = _volume(path, properties)
        else:
            load = {"SceneFile": _scene, "SequenceFile": _sequence}.get(kind)
            node = load(path) if load else None
        if node is not None and node is not True:
            nodes.AddItem(node)
        return node is not None


def connect_scene(cache: Path) -> None:
    """Give the scene the cache folder into which bundles are unpacked, as the application does."""
    remote, data_io = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    logic = slicer.app.applicationLogic()
    data_io.SetMRMLApplicationLogic(logic)
    data_io.SetAndObserveDataIOManager(remote.GetDataIOManager())
    logic.SetMRMLSceneDataIO(slicer.mrmlScene, remote, data_io)
    slicer.app._data_io = remote, data_io  # nobody else holds them


def _scene(path: str) -> Any:
    scene = slicer.mrmlScene
    if path.lower().endswith(".mrb"):
        return scene.ReadFromMRB(path) or None
    scene.SetURL(path)
    return (scene.Import() and True) or None


def _sequence(path: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", Path(path).name)
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeSequenceStorageNode")
    storage.SetFileName(path)
    return node if storage.ReadData(node) else None


def _volume(path: str, properties: dict[str, Any]) -> Any:
    logic = slicer.app.applicationLogic().GetModuleLogic("Volumes")
    name = properties.get("name") or Path(path).name.partition(".")[0]
    return logic.AddArchetypeVolume(path, name, 1 if properties.get("labelmap") else 0)
