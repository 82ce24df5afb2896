"""The module's computations, for the panel, the Python console and scripts alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .Dependencies import ensureDependencies
from .Scene.HeldImage import volumeFromNode
from .Scene.PixelSize import lacksPixelSize, spacingOf
from .Scene.RegionVoxels import reasonBeside, reasonNotUsable
from .Scene.Sequences import sequenceOf
from .Scene.VolumeNodes import (
    isSlice,
    reasonNotAnInput,
    reasonSynthetic,
)
from .Synthetic.SequenceNodes import reasonNotAnOutput
from .Translate.HeadCurve import FoundHead, showEllipse
from .Translate.MethodChoice import takesSlices
from .Translate.TranslationRequest import TranslationRequest

if TYPE_CHECKING:
    from .Live.LiveJob import LiveJob
    from .ParameterNode import USToMRIParameterNode
    from .Worker.WorkerJobs import HeadJob, TranslationJob, Worker, WorkerJob

# Of the longer side of an image of unknown scale, while a head is looked for in it.
_TRIAL_WIDTH_MM = 130.0

FinishedCallback = Callable[[Optional[Any], Optional[Exception]], None]


class USToMRILogic(ScriptedLoadableModuleLogic):
    """Turns an ultrasound volume node into a pseudo-MRI volume node.

    In Slicer's Python console::

        from USToMRI import USToMRILogic
        output = USToMRILogic().translate(slicer.util.getNode("us"))
    """

    def __init__(
        self,
        command: Optional[list[str]] = None,
        worker: Optional[Worker] = None,
    ) -> None:
        """Create the logic; the module needs no arguments.

        :param command: stands in for the library's command line in the worker.
        :param worker: stands in for the worker itself.
        """
        ScriptedLoadableModuleLogic.__init__(self)
        self._command = command
        self._standIn = worker

    def getParameterNode(self) -> USToMRIParameterNode:
        """Return the user's choices, as they are saved with the scene."""
        from .ParameterNode import (
            USToMRIParameterNode,
            beginAsLast,
            keepOldChoices,
            readable,
        )

        stored = super().getParameterNode()
        keepOldChoices(stored)
        beginAsLast(stored)
        node: USToMRIParameterNode = readable(USToMRIParameterNode, stored)
        return node

    def translate(
        self,
        inputNode: Any,
        outputNode: Optional[Any] = None,
        method: Optional[str] = None,
        *,
        region: Any = None,
        head: Any = None,
        pixelSize: float = 0.0,
        allFrames: bool = False,
        allowSynthetic: bool = False,
        **options: Any,
    ) -> Any:
        """Translate a volume node in the worker process, wait, and return the output node.

        The output lies where the input lies, under the same parent transform. The input is never
        changed, and after an error the scene is as it was.

        :param inputNode: ``vtkMRMLScalarVolumeNode`` with the ultrasound.
        :param outputNode: scalar volume to overwrite; a new one where it is None.
        :param method: by its name (``ustomri methods``); the library's default where it is None.
        :param region: markups ROI, closed curve or ``RegionVoxels.Region`` (a segment): only the
            smallest box of whole voxels around it is translated, and is all that the output holds.
        :param head: a closed curve or a segment around the head; ``"none"`` where the image shows
            nothing else; None to look for it.
        :param pixelSize: in mm, of a single slice that does not know its own.
        :param allFrames: translate every time point of the sequence that the input shows.
        :param allowSynthetic: take a volume that is itself a pseudo-MRI or a map of one.
        :param options: of the method, by name (``ustomri methods``: steps, axis, ...), and further
            arguments of ``USToMRILib.translate``: device, residual, uncertainty or
            tissues (further nodes, which the output refers to)
        :raises USToMRILib.InputError: one sentence that says what to change.
        """
        ended: list[Any] = []
        job = self.startTranslation(
            inputNode,
            outputNode,
            method,
            region=region,
            head=head,
            pixelSize=pixelSize,
            allFrames=allFrames,
            allowSynthetic=allowSynthetic,
            onFinished=lambda *answer: ended.extend(answer),
            **options,
        )
        job.wait()
        node, error = ended
        if error is not None:
            raise error
        return node

    def startTranslation(
        self,
        inputNode: Any,
        outputNode: Optional[Any] = None,
        method: Optional[str] = None,
        *,
        region: Any = None,
        head: Any = None,
        pixelSize: float = 0.0,
        allFrames: bool = False,
        allowSynthetic: bool = False,
        onProgress: Optional[Callable[[dict[str, Any]], None]] = None,
        onFinished: Optional[FinishedCallback] = None,
        **options: Any,
    ) -> TranslationJob:
        """Translate as :meth:`translate` does, in the worker process, and return at once.

        :param onProgress: called with ``{"phase": ..., "step": n, "of": N, "eta_s": ...,
            "frame": n, "frames": N}``.
        :param onFinished: called once with the output node and None, or with None and the error.
        :return: the job, whose ``cancel()`` leaves the scene as it was.
        :raises USToMRILib.InputError: one sentence that says what to change.
        """
        from USToMRILib.methods import DEFAULT

        from .Worker.WorkerJobs import CineJob, TranslationJob

        if not allowSynthetic:
            _checkMeasured(inputNode)
        request = TranslationRequest.read(
            inputNode, outputNode, method or DEFAULT, region, head, pixelSize, allFrames
        )
        if request.sequence:
            _checkOneSample(options)

        def finished(results: Any, error: Optional[Exception]) -> None:
            node = None
            if error is None:
                node, error = request.tryPublish(results)
            if onFinished:
                onFinished(node, error)

        how = request.inputs, request.method, options, finished, onProgress
        job = (CineJob if request.isCine else TranslationJob)(self._worker(), *how)
        if isinstance(job, CineJob) and request.sequence:
            job.seconds = request.sequence.seconds()
        job.start()
        return job

    def startHeadSearch(
        self,
        inputNode: Any,
        curveNode: Optional[Any] = None,
        *,
        device: str = "auto",
        pixelSize: float = 0.0,
        onFinished: FinishedCallback,
    ) -> HeadJob:
        """Find the head in a slice, in the worker process, and return at once.

        :param curveNode: closed curve to move to the head's outline; a new one where it is None.
        :param onFinished: called once with a :class:`.Translate.HeadCurve.FoundHead` and None, or
            with None and the error.
        """
        from .Worker.WorkerJobs import HeadJob

        _checkMeasured(inputNode)

        def finished(found: Any, error: Optional[Exception]) -> None:
            head, isPresent = None, slicer.mrmlScene.IsNodePresent
            if error is None and not isPresent(inputNode):
                error = RuntimeError(_("The ultrasound was removed while its head was looked for."))
            if error is None:
                old = curveNode if curveNode is not None and isPresent(curveNode) else None
                curve = showEllipse(found["ellipse"], inputNode, pixelSize, old)
                head = FoundHead(curve, found["ellipse"], found["biometry"])
            onFinished(head, error)

        job = HeadJob(self._worker(), volumeFromNode(inputNode, pixelSize), device, finished)
        job.start()
        return job

    def startPixelSizeSearch(
        self,
        inputNode: Any,
        circumference: float,
        *,
        device: str = "auto",
        onFinished: FinishedCallback,
    ) -> HeadJob:
        """Find the head in a picture of unknown scale, in the worker, and return at once.

        :param circumference: of the head, in mm.
        :param onFinished: called once with the pixel size in mm and None, or with None and the
            error.
        """
        from .Worker.WorkerJobs import HeadJob

        # At which a head is looked for: nearly every head in the image then has a possible size.
        sides = np.multiply(inputNode.GetImageData().GetDimensions(), spacingOf(inputNode, 1.0))
        trial = _TRIAL_WIDTH_MM / float(sides[:2].max())

        def finished(found: Any, error: Optional[Exception]) -> None:
            size = None
            if error is None:
                size = trial * circumference / found["circumference_mm"]
            onFinished(size, error)

        job = HeadJob(self._worker(), volumeFromNode(inputNode, trial), device, finished)
        job.start()
        return job

    def startDeviceListing(self, onFinished: FinishedCallback) -> WorkerJob:
        """Ask the worker for the devices and their free memory, and return at once.

        :param onFinished: called once with a list of ``{"name": ..., "label": ...,
            "free_bytes": ...}`` and None, or with None and the error.
        """
        from .Worker.WorkerJobs import DevicesJob

        job = DevicesJob(self._worker(), onFinished)
        job.start()
        return job

    def liveJob(
        self,
        inputNode: Any,
        outputNode: Optional[Any] = None,
        *,
        pixelSize: float = 0.0,
        device: str = "auto",
        tissues: bool = False,
    ) -> LiveJob:
        """Return a job that lets a pseudo-MRI follow a volume as it changes, once it is started.

        :param outputNode: scalar volume that shows the pseudo-MRI; a new one where it is None.
        :param tissues: show those too, as a label map.
        :raises USToMRILib.InputError: one sentence that says why the volume cannot be followed.
        """
        from USToMRILib import InputError
        from USToMRILib.live import LIVE_METHOD

        from .Live.LiveJob import LiveJob, reasonNotLive

        reason = reasonNotLive(inputNode, outputNode, pixelSize)
        if reason:
            raise InputError(reason)
        settings = {"method": LIVE_METHOD, "device": device}
        return LiveJob(self._worker(), inputNode, outputNode, settings, pixelSize, tissues)

    def reasonNotReady(
        self,
        inputNode: Any,
        outputNode: Optional[Any],
        method: str,
        pixelSize: float = 0.0,
        regions: Sequence[Any] = (),
        allFrames: bool = False,
    ) -> str:
        """Return why a translation cannot start, in words for the user; empty where it can.

        :param regions: the region and the head's outline (``RegionVoxels.Region``), where chosen.
        """
        if inputNode is None:
            return _("Choose the ultrasound volume to translate.")
        reason = reasonNotAnInput(inputNode) or reasonSynthetic(inputNode)
        if reason:
            return reason
        if outputNode is inputNode:
            return _("Choose an output other than the ultrasound itself.")
        if isSlice(inputNode) and not takesSlices(method):
            return _("This method needs a volume; choose another method for a single image.")
        if lacksPixelSize(inputNode) and not pixelSize:
            return _("The picture does not say how large its pixels are; give the size above.")
        reasons = [reasonNotUsable(each) or reasonBeside(each, inputNode) for each in regions]
        if outputNode is not None:
            sequence = sequenceOf(inputNode) if allFrames else None
            reasons.append(reasonNotAnOutput(outputNode, sequence))
        return next(filter(None, reasons), "")

    def _worker(self) -> Worker:
        if self._standIn:
            return self._standIn
        from .Worker.WorkerClient import sharedWorker

        return sharedWorker(self.libraryCommand())

    def libraryCommand(self) -> list[str]:
        """Return the library's command line, having asked for the packages that it needs."""
        from .Worker.WorkerClient import defaultCommand

        if self._command is None:
            ensureDependencies()
        return self._command or defaultCommand()


def _checkOneSample(options: dict[str, Any]) -> None:
    """Raise InputError where each time point would have several pictures."""
    from USToMRILib import InputError

    if (options.get("samples") or 1) > 1:
        raise InputError(
            _(
                "All time points have one picture each: ask for one sample, or translate one time "
                "point; ustomri translate --frame all writes several samples."
            )
        )


def _checkMeasured(inputNode: Any) -> None:
    from USToMRILib import InputError

    reason = reasonSynthetic(inputNode) if inputNode is not None else ""
    if reason:
        raise InputError(reason)
