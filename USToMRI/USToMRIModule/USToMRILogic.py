"""The module's computations, for the panel, the Python console and scripts alike."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable, Optional

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from . import VolumeNodes

if TYPE_CHECKING:
    from .TranslationJob import TranslationJob
    from .USToMRIParameterNode import USToMRIParameterNode


class USToMRILogic(ScriptedLoadableModuleLogic):
    """Turns an ultrasound volume node into a pseudo-MRI volume node.

    In Slicer's Python console::

        from USToMRI import USToMRILogic
        output = USToMRILogic().translate(slicer.util.getNode("us"), method="ddic")
    """

    def __init__(
        self,
        translateFunction: Optional[Callable[..., Any]] = None,
        command: Optional[list[str]] = None,
    ) -> None:
        """Create the logic; the module needs no arguments.

        :param translateFunction: stands in for ``USToMRILib.translate``.
        :param command: stands in for the library's command line in :meth:`startTranslation`.
        """
        ScriptedLoadableModuleLogic.__init__(self)
        self._translateFunction = translateFunction
        self._command = command

    def getParameterNode(self) -> USToMRIParameterNode:
        """Return the user's choices, as they are saved with the scene."""
        from .USToMRIParameterNode import USToMRIParameterNode

        wrapper: Any = USToMRIParameterNode  # the decorator gave it another constructor
        node: USToMRIParameterNode = wrapper(super().getParameterNode())
        return node

    def translate(
        self, inputNode: Any, outputNode: Optional[Any] = None, method: str = "ddic", **options: Any
    ) -> Any:
        """Translate a volume node, wait for it, and return the output node.

        The output lies where the input lies, under the same parent transform. The input is never
        changed, and after an error the scene is as it was.

        :param inputNode: ``vtkMRMLScalarVolumeNode`` with the ultrasound.
        :param outputNode: scalar volume to overwrite; a new one where it is None.
        :param method: ``ddic``, ``ddib`` or ``pix2pix3d``.
        :param options: further arguments of ``USToMRILib.translate``: device, steps, seed, ...
        :raises USToMRILib.InputError: one sentence that says what to change.
        """
        self._checkNodes(inputNode, outputNode)
        volume = VolumeNodes.volumeFromNode(inputNode)
        result = self._translation()(volume, method=method, **options)
        return VolumeNodes.publish(result, inputNode, outputNode, method)

    def startTranslation(
        self,
        inputNode: Any,
        outputNode: Optional[Any] = None,
        method: str = "ddic",
        *,
        onProgress: Optional[Callable[[dict[str, Any]], None]] = None,
        onFinished: Optional[Callable[[Optional[Any], Optional[Exception]], None]] = None,
        **options: Any,
    ) -> TranslationJob:
        """Translate as :meth:`translate` does, in a process of its own, and return at once.

        :param onProgress: called with ``{"phase": ..., "step": n, "of": N, "eta_s": ...}``.
        :param onFinished: called once with the output node and None, or with None and the error.
        :return: the job, whose ``cancel()`` leaves the scene as it was.
        :raises USToMRILib.InputError: one sentence that says what to change.
        """
        from .TranslationJob import TranslationJob, defaultCommand

        self._checkNodes(inputNode, outputNode)
        volume = VolumeNodes.volumeFromNode(inputNode)

        def finished(result: Optional[Any], error: Optional[Exception]) -> None:
            node = None
            if error is None:
                node, error = self._tryPublish(result, inputNode, outputNode, method)
            if onFinished:
                onFinished(node, error)

        job = TranslationJob(
            self._command or defaultCommand(), onProgress or (lambda event: None), finished
        )
        job.start(volume, _commandLineOptions({"method": method, **options}))
        return job

    def reasonNotReady(self, inputNode: Any, outputNode: Optional[Any], method: str) -> str:
        """Return why a translation cannot start, in words for the user; empty where it can."""
        if inputNode is None:
            return _("Choose the ultrasound volume to translate.")
        if inputNode.GetImageData() is None:
            return _("The ultrasound volume holds no image.")
        if outputNode is inputNode:
            return _("Choose an output other than the ultrasound itself.")
        isSlice = inputNode.GetImageData().GetDimensions()[2] == 1
        if isSlice and method == "pix2pix3d":
            return _("Pix2Pix needs a volume; choose DDIC for a single image.")
        if not isSlice and method != "pix2pix3d":
            return _("DDIC and DDIB need a single image; choose Pix2Pix for a volume.")
        return ""

    def _translation(self) -> Callable[..., Any]:
        if self._translateFunction:
            return self._translateFunction
        from USToMRILib import translate

        return translate

    def _checkNodes(self, inputNode: Any, outputNode: Optional[Any]) -> None:
        from USToMRILib import InputError

        if inputNode is not None and outputNode is inputNode:
            raise InputError("The output is the input itself; choose another output volume.")
        if outputNode is not None and outputNode.GetClassName() != "vtkMRMLScalarVolumeNode":
            raise InputError("The output is no scalar volume; choose one, or none for a new one.")

    def _tryPublish(
        self, result: Any, inputNode: Any, outputNode: Optional[Any], method: str
    ) -> tuple[Optional[Any], Optional[Exception]]:
        """Publish what a process made, unless the input left the scene while it ran."""
        if not slicer.mrmlScene.IsNodePresent(inputNode):
            return None, RuntimeError(_("The ultrasound was removed while it was translated."))
        if outputNode is not None and not slicer.mrmlScene.IsNodePresent(outputNode):
            outputNode = None
        try:
            return VolumeNodes.publish(result, inputNode, outputNode, method), None
        except Exception as error:  # Qt calls this: nobody above could tell the user
            logging.exception("USToMRI: the result could not be put into the scene")
            return None, error


def _commandLineOptions(options: dict[str, Any]) -> list[str]:
    """Return ``--name value`` for every option that is set."""
    arguments = []
    for name, value in options.items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments
