"""Live mode: while a volume node changes, its pseudo-MRI follows through the worker."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..Scene.HeldImage import HeldImage
from ..Scene.NodeEvents import eventsOf
from ..Scene.PixelSize import lacksPixelSize
from ..Scene.Throttle import Throttle
from ..Scene.VolumeNodes import Result, isSlice, reasonNotAnInput, reasonSynthetic
from ..Scene.WorldSpace import isBent, worldSpacing
from ..Synthetic.OutputNodes import OutputLocation, fillNode, publish
from ..Worker.Coroutine import Coroutine
from ..Worker.VolumeReading import readVolume
from ..Worker.VolumeWriting import writeVolume
from ..Worker.WorkerClient import Handlers
from .LiveRecording import LiveRecording, emptyLike
from .LiveTissues import LiveTissues

if TYPE_CHECKING:
    from ..Worker.WorkerJobs import Worker

# Over so many seconds the frames are counted that are told as a rate.
_RATE_SECONDS = 2.0


class Measure(NamedTuple):
    """How live it is.

    rate - pseudo-MRIs a second
    latency - seconds from the change of the ultrasound to the picture
    """

    rate: float
    latency: float


class _Sent(NamedTuple):
    """A frame that the worker has, where it was when it was sent, and where its answers go.

    locationNode - lies where the frame lay under its parent transform
    worldNode - lies there in the world, without one
    """

    image: HeldImage
    locationNode: Any
    worldNode: Any
    changed: float
    output: Path
    tissues: Path


def reasonNotLive(inputNode: Any, outputNode: Any, pixelSize: float) -> str:
    """Return why a volume cannot be followed live, in words for the user; empty where it can."""
    if inputNode is None:
        return str(_("Choose the ultrasound volume to follow."))
    reason = reasonNotAnInput(inputNode) or reasonSynthetic(inputNode)
    if reason:
        return reason
    if not isSlice(inputNode):
        return str(_("Live mode follows single images, not volumes."))
    if outputNode is inputNode:
        return str(_("Choose an output other than the ultrasound itself."))
    if lacksPixelSize(inputNode) and not pixelSize:
        return str(_("The image does not say how large its pixels are; set it first."))
    return ""


class LiveJob(VTKObservationMixin):
    """Has the newest image of a node translated, again and again; what is older is dropped."""

    def __init__(
        self,
        worker: Worker,
        inputNode: Any,
        outputNode: Optional[Any],
        settings: dict[str, Any],
        pixelSize: float = 0.0,
        tissues: bool = False,
    ) -> None:
        """Make it ready; :meth:`start` begins.

        :param outputNode: scalar volume that shows the pseudo-MRI; a new one where it is None.
        :param settings: "method" and "device" of the worker's task "live".
        :param tissues: show those, too.
        """
        VTKObservationMixin.__init__(self)
        self._worker = worker
        self._inputNode = inputNode
        self.outputNode = outputNode
        self._settings = settings
        self._pixelSize = pixelSize
        self.tissues = LiveTissues() if tissues else None
        self._folder: Optional[Path] = None
        self._number = 0
        self._turn = 0
        self._sent: Optional[_Sent] = None
        self._shown: Any = None
        self._isPublished = False
        self._changed = 0.0
        self._times: deque[float] = deque()
        self._throttle = Throttle(self._next, 0)
        self._recording: Optional[LiveRecording] = None
        # Called with a Measure after each frame; with a sentence where there is no head; with a
        # sentence when it has ended by itself.
        self.onFrame: Callable[[Measure], None] = lambda measure: None
        self.onTrouble: Callable[[str], None] = lambda sentence: None
        self.onEnded: Callable[[str], None] = lambda sentence: None

    @property
    def running(self) -> bool:
        """Whether the node is followed."""
        return self._folder is not None

    def start(self) -> None:
        """Follow the node from now on."""
        self._folder = Path(tempfile.mkdtemp(prefix="USToMRI-"))
        for event in eventsOf(self._inputNode):
            self.addObserver(self._inputNode, event, self._onChanged)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        self._onChanged()

    def cancel(self) -> None:
        """Stop within a second; the last picture stays."""
        if not self.running:
            return
        self.removeObservers()
        self._throttle.stop()
        self.record(False)
        if self._sent:
            self._worker.cancel(self._number)
            self._sent = None
        shutil.rmtree(str(self._folder), ignore_errors=True)
        self._folder = None

    def record(self, wanted: bool) -> None:
        """Begin to keep ultrasound and pseudo-MRI of every frame, or end and show what there is."""
        if wanted and self.running and self._recording is None:
            self._recording = LiveRecording(self._inputNode.GetName())
        elif not wanted and self._recording is not None:
            self._recording.finish()
            self._recording = None

    def setPixelSize(self, pixelSize: float) -> None:
        """Go on with another size of the pixels, in mm; 0: that of the volume, if it has one."""
        if pixelSize or not lacksPixelSize(self._inputNode):
            self._pixelSize = pixelSize
            self._throttle.request()

    def _onChanged(self, caller: Any = None, event: Any = None) -> None:
        self._changed = time.monotonic()
        self._followTransform()
        self._throttle.request()

    def _followTransform(self) -> None:
        """Keep what is shown under the parent transform of the ultrasound, which may change."""
        transform = self._inputNode.GetTransformNodeID()
        shown = (
            self.outputNode if self._isPublished else None,
            self.tissues.node if self.tissues else None,
        )
        for node in shown:
            if node is not None and node.GetTransformNodeID() != transform:
                node.SetAndObserveTransformNodeID(transform)

    def _onNodeRemoved(self, caller: Any, event: Any) -> None:
        isPresent = slicer.mrmlScene.IsNodePresent
        if not isPresent(self._inputNode) or (self._isPublished and not isPresent(self.outputNode)):
            self._end(_("The image was removed; live mode has ended."))

    def _next(self) -> None:
        """Send what the node shows now, unless the worker is busy or has had it."""
        node = self._inputNode
        if not self.running or self._sent is not None:
            return
        state = (*_stateOf(node), self._pixelSize)
        if state == self._shown:
            return
        self._shown = state
        try:
            held = HeldImage.of(node, self._pixelSize)
            _finish(writeVolume(self._path("input.mhd"), held.volume()))
        except Exception as error:  # Qt calls this: nobody above could tell the user
            self._showNothing(None, str(error))
            return
        locationNode = slicer.vtkMRMLScalarVolumeNode()
        locationNode.CopyOrientation(node)
        # By turns: the answer before is read while this one is made.
        output, tissues = (self._path(f"{name}{self._turn}.mha") for name in ("output", "tissues"))
        self._turn = 1 - self._turn
        self._sent = _Sent(
            self._kept(held), locationNode, _inWorld(node), self._changed, output, tissues
        )
        arguments = {
            **self._settings,
            "input": str(self._path("input.mhd")),
            "output": str(output),
            "seconds": self._changed,
        }
        if self.tissues:
            arguments["tissues"] = str(tissues)
        handlers = Handlers(lambda event: None, self._done, self._failed)
        self._number = self._worker.send("live", arguments, handlers)

    def _kept(self, held: HeldImage) -> HeldImage:
        """Copy an image that is recorded: the source may write the next one into its voxels."""
        if self._recording is None:
            return held
        copied = vtk.vtkImageData()
        copied.DeepCopy(held.image)
        return held._replace(image=copied)

    def _done(self, answer: dict[str, Any]) -> None:
        sent, self._sent = self._sent, None
        if sent is None:
            return
        self._next()  # first, so that the worker need not wait until this picture is shown
        try:
            made = _finish(readVolume(sent.output))
            result = Result(made.volume, answer["provenance"], image=made.image)
            self._show(result, sent)
            if self.tissues:
                labels = _finish(readVolume(sent.tissues))
                location = OutputLocation(sent.locationNode)
                name = self._inputNode.GetName()
                self.tissues.show(labels, result.provenance, location, name)
            self._followTransform()
        except Exception as error:
            self._showNothing(sent, str(error))
        else:
            if self._recording:
                self._recording.add(sent.changed, sent.image.image, sent.worldNode, result)
            self.onFrame(self._measure(sent))
        self._throttle.request()

    def _failed(self, error: Exception) -> None:
        from USToMRILib import InputError

        sent, self._sent = self._sent, None
        if not isinstance(error, InputError):  # the worker itself
            self._end(str(error))
            return
        file = str(self._path("input.mhd"))  # of which the user knows nothing
        self._showNothing(sent, str(error).replace(f"{file}: ", "").replace(file, _("The image")))
        self._throttle.request()

    def _show(self, result: Result, sent: _Sent) -> None:
        if not self._isPublished:
            method = self._settings["method"]
            location = OutputLocation(self._inputNode)
            self.outputNode = publish(result, location, self.outputNode, method)
            self._isPublished = True
        fillNode(self.outputNode, result, OutputLocation(sent.locationNode))

    def _showNothing(self, sent: Optional[_Sent], sentence: str) -> None:
        """Take the picture of an earlier frame away: it would lie beside the head, or on none."""
        node: Any = self.outputNode
        if self._isPublished and node.GetImageData():
            node.SetAndObserveImageData(emptyLike(node.GetImageData()))
        if self.tissues:
            self.tissues.clear()
        if self._recording and sent:
            self._recording.add(sent.changed, sent.image.image, sent.worldNode, None)
        self._times.clear()
        self.onTrouble(sentence)

    def _measure(self, sent: _Sent) -> Measure:
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > _RATE_SECONDS:
            self._times.popleft()
        passed = now - self._times[0]
        rate = (len(self._times) - 1) / passed if passed else 0.0
        return Measure(rate, now - sent.changed)

    def _end(self, sentence: str) -> None:
        if self.running:
            self.cancel()
            self.onEnded(sentence)

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / name


def _stateOf(node: Any) -> tuple[Any, ...]:
    """Return what differs whenever a node shows another image, or the same elsewhere or larger."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    image = node.GetImageData()
    numbers = slicer.util.arrayFromVTKMatrix(matrix).tolist()
    # The transform of a tracked probe turns all the time, and has single precision only.
    spacing = [f"{distance:.4g}" for distance in worldSpacing(node)]
    return image.GetMTime() if image else 0, numbers, spacing


def _inWorld(node: Any) -> Any:
    """Return a volume node without a parent that lies where a node lies in the world now.

    Where its transform is not linear no volume lies as it does: it is left out.
    """
    placed = slicer.vtkMRMLScalarVolumeNode()
    placed.CopyOrientation(node)
    parent = node.GetParentTransformNode()
    if parent is not None and not isBent(node):
        toWorld = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(toWorld)
        placed.ApplyTransformMatrix(toWorld)
    return placed


def _finish(coroutine: Coroutine) -> Any:
    """Do all at once what is small."""
    while True:
        try:
            next(coroutine)
        except StopIteration as end:
            return end.value
