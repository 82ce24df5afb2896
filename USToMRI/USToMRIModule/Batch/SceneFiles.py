"""Loading and saving without a window: what a run over many images needs of Slicer's input."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import slicer

from ..Scene.PixelSize import filePixelSize, lacksPixelSize, writePixelSize
from ..Scene.VolumeNodes import isSynthetic
from ..Synthetic.RestoredVolumes import restoreVolume, saysSynthetic

SCENE_SUFFIXES = (".mrb", ".mrml")

_IMAGE_TYPES = ("SceneFile", "SequenceFile", "VolumeFile")


def isImage(path: Path) -> bool:
    """Return whether Slicer reads a file as a volume, a sequence or a scene."""
    return slicer.app.coreIOManager().fileType(str(path)) in _IMAGE_TYPES


def loadFile(path: str) -> None:
    """Load a file into an empty scene, with the reader that Slicer itself would choose.

    :raises USToMRILib.InputError: Slicer cannot load it.
    """
    from USToMRILib import InputError
    from USToMRILib.files import check_readable

    check_readable(Path(path))
    slicer.mrmlScene.Clear(0)
    try:
        with _keptWorkingFolder():
            slicer.util.loadNodesFromFile(path, properties={})
    except RuntimeError as error:
        raise InputError(
            f"{path} could not be loaded by Slicer; copy or export it again."
        ) from error
    _restoreAll()


def loadDicom(uid: str) -> None:
    """Load a series or an instance of the DICOM database into an empty scene.

    :raises USToMRILib.InputError: it is not there, or Slicer cannot load it.
    """
    from DICOMLib import DICOMUtils

    from USToMRILib import InputError

    slicer.mrmlScene.Clear(0)
    if slicer.dicomDatabase.filesForSeries(uid):
        nodeIds = DICOMUtils.loadSeriesByUID([uid])
    elif slicer.dicomDatabase.fileForInstance(uid):
        nodeIds = DICOMUtils.loadByInstanceUID(uid)
    else:
        raise InputError(f"The DICOM database has nothing of the UID {uid}; import it first.")
    if not nodeIds:
        raise InputError(f"Slicer could not load the DICOM images of the UID {uid}.")
    _restoreAll()


def _restoreAll() -> None:
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        restoreVolume(node)


def seriesOf(uid: str) -> list[str]:
    """Return the series of a study of the DICOM database; none for any other UID."""
    return list(slicer.dicomDatabase.seriesForStudy(uid))


def ultrasoundVolumes() -> list[Any]:
    """Return the volumes of the scene: no label maps, nothing synthetic, no frame of a sequence."""
    browsers = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if not node.IsA("vtkMRMLLabelMapVolumeNode")
        and not isSynthetic(node)
        and not any(browser.IsProxyNodeID(node.GetID()) for browser in browsers)
    ]


def ultrasoundSequences() -> list[Any]:
    """Return the sequences of volumes of the scene that are not synthetic."""
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode")
        if node.GetDataNodeClassName() in ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode")
        and not saysSynthetic(node.GetNthDataNode(0))
    ]


def holdsSynthetic() -> bool:
    """Return whether the scene has volumes, or sequences of them, that are synthetic."""
    frames = [node.GetNthDataNode(0) for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode")]
    volumes = [*slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"), *frames]
    return any(node.IsA("vtkMRMLScalarVolumeNode") and saysSynthetic(node) for node in volumes)


def setPixelSize(node: Any, name: str, given: Optional[float], usual: Optional[float]) -> None:
    """Give a volume the spacing that its file states, or that of a picture; others have their own.

    :param given: mm, for this image.
    :param usual: mm, for all pictures of the run.
    :raises USToMRILib.InputError: a pixel size is missing, or is given without need.
    """
    from USToMRILib.image.reading import missing_pixel_size, needless_pixel_size

    if not lacksPixelSize(node):
        if given is not None:
            raise needless_pixel_size(Path(name))
        stated = filePixelSize(node)
        if stated:
            writePixelSize(node, stated[0])
        return
    pixelSize = given or usual
    if not pixelSize:
        raise missing_pixel_size(Path(name))
    writePixelSize(node, pixelSize)


def frameOf(sequence: Any, name: str, frame: Optional[int]) -> Any:
    """Return the volume node of one frame of a sequence.

    :raises USToMRILib.InputError: none was chosen of several, or there is no such frame.
    """
    from USToMRILib.image.reading import choose_frame

    return sequence.GetNthDataNode(
        choose_frame(Path(name), sequence.GetNumberOfDataNodes(), frame, "frames of a sequence")
    )


def saveScene(path: Path) -> None:
    """Save the scene as one MRB file, which appears complete or not at all.

    :raises USToMRILib.InputError: the file cannot be written.
    """
    from USToMRILib import InputError

    # A folder beside it, because the scene in the file is named after the file.
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    temporary.mkdir()
    try:
        with _keptWorkingFolder():
            written = slicer.mrmlScene.WriteToMRB(str(temporary / path.name))
        if not written:
            raise InputError(f"{path} could not be written; free some space in its folder.")
        os.replace(temporary / path.name, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _keptWorkingFolder() -> Iterator[None]:
    """Come back to the working folder: Slicer's unpacking of a torn bundle ends in another one."""
    folder = Path.cwd()
    try:
        yield
    finally:
        os.chdir(folder)
