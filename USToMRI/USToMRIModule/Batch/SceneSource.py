"""The cases of a run inside Slicer: image files, and whatever else Slicer reads into its scene."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import slicer

from ..Scene.HeldImage import volumeFromNode
from ..Scene.VolumeNodes import Result as Made
from ..Synthetic.OutputNodes import OutputLocation, publish
from . import SceneFiles
from .WorkerTranslation import translateInWorker

if TYPE_CHECKING:
    from USToMRILib import CancelToken, Volume
    from USToMRILib.batch.cases import Case
    from USToMRILib.batch.job import Job
    from USToMRILib.result import Result

    from ..Worker.WorkerJobs import Worker

# For the library these are NRRD files with vectors.
_SEQUENCE_SUFFIXES = (".seq.nrrd", ".seq.nhdr")

# A volume or sequence of a scene: "path#number".
_PART = re.compile(r"(?P<file>.*)#(?P<number>\d+)$", re.DOTALL)

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class SceneSource:
    """Reads cases as :class:`USToMRILib.batch.source.Source` prescribes.

    Files that the library reads, it reads; others are loaded into the scene, which belongs to the
    run: it is emptied before every file. As in Slicer's own files, the pseudo-MRI of a volume under
    a transform lies where the volume lies without it; in a saved scene both are under it.
    """

    def __init__(self, worker: Worker, saveScenes: bool = False) -> None:
        """Create the source.

        :param worker: translates.
        :param saveScenes: whether an MRB file with both images is saved beside every result.
        """
        from USToMRILib.batch.source import FileSource

        self._files = FileSource()
        self._worker = worker
        self._saveScenes = saveScenes
        self._loaded: Optional[str] = None
        self._volume: Optional[Volume] = None
        self._inputNode: Any = None

    def find(self, source: str, output: Path) -> list[Case]:
        """Return the cases of a folder, a CSV file, a file, or ``dicom:UID``.

        :raises USToMRILib.InputError: there are none.
        """
        from USToMRILib.batch.cases import DICOM_PREFIX, Case, check_unique, find_cases
        from USToMRILib.files import expanded

        if source.startswith(DICOM_PREFIX):
            cases = [Case(source.replace(":", "/"), source)]
        else:
            cases = find_cases(expanded(source), output, also=SceneFiles.isImage)
        every = [part for case in cases for part in self._parts(case)]
        check_unique(every)
        return every

    def check(self, job: Job) -> None:
        """Raise InputError for unusable options; what the worker lacks, the first case tells."""
        job.check_options()

    def read(self, case: Case, job: Job) -> Volume:
        """Return the image of a case.

        :raises USToMRILib.InputError: it cannot be read.
        """
        if _isOfLibrary(case.input):
            self._inputNode = None
            read = self._files.read(case, job)
            from USToMRILib import Volume

            assert isinstance(read, Volume)  # inside Slicer all frames cannot be asked for
            self._volume = read
        else:
            frame = job.frame if case.frame is None else case.frame
            self._inputNode = self._node(case.input, frame)
            SceneFiles.setPixelSize(self._inputNode, case.input, case.pixel_size, job.pixel_size)
            self._volume = volumeFromNode(self._inputNode)
        return self._volume

    def translate(self, volume: Volume, job: Job, head: Any, cancel: CancelToken) -> Result:
        """Translate it in the worker: Slicer's own process computes nothing.

        :raises USToMRILib.InputError: it cannot be translated.
        :raises USToMRILib.Cancelled: the token was set.
        """
        options = {**dataclasses.asdict(job.share), "device": job.device}
        return translateInWorker(self._worker, volume, head, job.method, options, cancel)

    def keep(self, case: Case, result: Result, output: Path) -> None:
        """Save the scene with both images, if that was asked for."""
        if not self._saveScenes:
            return
        if self._inputNode is None or self._inputNode.GetScene() is not slicer.mrmlScene:
            self._inputNode = self._shown(Path(case.name).name)
        made = Made(result.volume, result.provenance)
        publish(made, OutputLocation(self._inputNode), method=result.provenance["method"])
        SceneFiles.saveScene(_scenePath(output))
        self._loaded = None  # the scene holds more now than the file

    def kept(self, output: Path) -> bool:
        """Return whether the scene was saved, if that was asked for."""
        return not self._saveScenes or _scenePath(output).is_file()

    def _parts(self, case: Case) -> list[Case]:
        """Return a case for every volume of a scene and every series of a study; else the case."""
        from USToMRILib import InputError

        uid = _dicomUid(case.input)
        series = SceneFiles.seriesOf(uid) if uid else []
        if len(series) > 1:
            return [_part(case, each, f"dicom:{each}") for each in series]
        if series:
            return [dataclasses.replace(case, input=f"dicom:{series[0]}")]
        if not case.input.lower().endswith(SceneFiles.SCENE_SUFFIXES):
            return [case]
        try:
            names = [node.GetName() for node in self._images(case.input)]
        except InputError:
            return [case]  # it is named with the reason when its turn comes
        return [
            _part(case, _unique(names, number), f"{case.input}#{number}")
            for number in range(len(names))
        ] or [case]

    def _node(self, name: str, frame: Optional[int]) -> Any:
        """Return the volume node that an input names, loaded if it is not in the scene."""
        from USToMRILib import InputError
        from USToMRILib.image.synthetic import synthetic_input

        part = _partOf(name)
        images = self._images(part["file"] if part else name)
        if not images and SceneFiles.holdsSynthetic():
            raise synthetic_input(name)
        if part is None and len(images) != 1:
            raise InputError(f"{name} holds {len(images)} volumes; give a file or series with one.")
        node = images[int(part["number"]) if part else 0]
        isSequence = node.IsA("vtkMRMLSequenceNode")
        return SceneFiles.frameOf(node, name, frame) if isSequence else node

    def _images(self, name: str) -> list[Any]:
        """Return the volumes and sequences of a file or of ``dicom:UID``.

        :raises USToMRILib.InputError: Slicer cannot load it.
        """
        if self._loaded != name:
            self._loaded = None
            uid = _dicomUid(name)
            SceneFiles.loadDicom(uid) if uid else SceneFiles.loadFile(name)
            self._loaded = name
        return [*SceneFiles.ultrasoundVolumes(), *SceneFiles.ultrasoundSequences()]

    def _shown(self, name: str) -> Any:
        """Put an image that is not in the scene into an empty one, and return its node."""
        assert self._volume is not None
        slicer.mrmlScene.Clear(0)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        slicer.util.updateVolumeFromArray(node, self._volume.array)
        matrix = _LPS_TO_RAS @ self._volume.grid.ijk_to_lps
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
        node.CreateDefaultDisplayNodes()
        return node


def _scenePath(output: Path) -> Path:
    return output.with_suffix(".mrb")


def _partOf(name: str) -> Optional[re.Match[str]]:
    """Return path and number of a part of a scene; a file's own name may end in "#1" too."""
    return None if Path(name).exists() else _PART.match(name)


def _part(case: Case, name: str, source: str) -> Case:
    return dataclasses.replace(case, name=f"{case.name}/{name}", input=source)


def _unique(names: list[str], number: int) -> str:
    """Return the name of a node as a file name; nodes of one name are counted."""
    before = names[:number].count(names[number])
    counted = f"{names[number]} {before + 1}" if before else names[number]
    return re.sub(r'[/\\:*?"<>|]', "_", counted)


def _dicomUid(name: str) -> str:
    """Return the UID of ``dicom:UID``, nothing for any other input."""
    from USToMRILib.batch.cases import DICOM_PREFIX

    return name[len(DICOM_PREFIX) :] if name.startswith(DICOM_PREFIX) else ""


def _isOfLibrary(name: str) -> bool:
    """Return whether the library reads an input, or says best why it cannot be read."""
    from USToMRILib.batch.cases import kind_of

    if _dicomUid(name) or name.lower().endswith(_SEQUENCE_SUFFIXES) or _partOf(name):
        return False
    path = Path(name)
    return not path.is_file() or kind_of(path) != "other"
