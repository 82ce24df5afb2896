"""The part of the panel that translates."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .Dependencies import DependenciesDeclined, ensureDependencies
from .TranslationJob import TranslationJob
from .VolumeNodes import warningsOf


class TranslateSection(VTKObservationMixin):
    """Shows the choices of the parameter node, starts the translation and follows it."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        VTKObservationMixin.__init__(self)
        self.logic = logic
        self._resourcePath = resourcePath
        self._parameterNode: Any = None
        self._guiTag: Any = None
        self._job: Optional[TranslationJob] = None
        self._shownReason = ""
        uiWidget = slicer.util.loadUI(resourcePath("UI/Translate.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.ui.translateButton.connect("clicked(bool)", self.onTranslate)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self._showIdle()

    def cleanup(self) -> None:
        """End what runs; called when the application closes or the module is reloaded."""
        if self._job:
            self._job.cancel()
            self._job = None
        self.setParameterNode(None)
        self.removeObservers()

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateReadiness
            )
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._guiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateReadiness
            )
        self._updateReadiness()

    def onTranslate(self) -> None:
        """Start the translation with the chosen parameters."""
        try:
            ensureDependencies(self._resourcePath("requirements.txt"))
            job = self._start()
        except DependenciesDeclined as declined:
            text = _("{reason} Press Translate to be asked again.")
            self._showMessage(text.format(reason=declined))
        except Exception as error:
            logging.exception("USToMRI: the translation could not start")
            self._showMessage(str(error))
        else:
            if job.running:  # it may have failed and said so already
                self._job = job
                self._showRunning()

    def onCancel(self) -> None:
        """End the translation; the scene stays as it was."""
        if self._job:
            self._job.cancel()
            self._job = None
            self._showIdle()
            self._showMessage(_("Cancelled."))

    def _start(self) -> TranslationJob:
        chosen = self._parameterNode
        inputNode = chosen.inputVolume
        job: TranslationJob = self.logic.startTranslation(
            inputNode,
            chosen.outputVolume,
            method=chosen.method.value,
            device=chosen.device.value,
            steps=chosen.steps or None,
            seed=chosen.seed,
            onProgress=self._showProgress,
            onFinished=lambda node, error: self._onFinished(inputNode, node, error),
        )
        return job

    def _onFinished(self, inputNode: Any, outputNode: Any, error: Optional[Exception]) -> None:
        self._job = None
        self._showIdle()
        if error is not None:
            self._showMessage(str(error))
            return
        slicer.util.setSliceViewerLayers(
            background=inputNode, foreground=outputNode, foregroundOpacity=0.5
        )
        made = _("Made {name}.").format(name=outputNode.GetName())
        self._showMessage(" ".join([made, *warningsOf(outputNode)]))

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        """End what runs: its input is about to vanish."""
        self.onCancel()

    def _updateReadiness(self, caller: Any = None, event: Any = None) -> None:
        """Enable Translate when it can run, else say why it cannot."""
        chosen = self._parameterNode
        if chosen is None:
            self.ui.translateButton.enabled = False
            return
        reason = self.logic.reasonNotReady(
            chosen.inputVolume, chosen.outputVolume, chosen.method.value
        )
        self.ui.translateButton.enabled = not reason and self._job is None
        self.ui.translateButton.toolTip = reason or _("Make a synthetic MRI of the ultrasound")
        # What became of the last translation stays until there is a new reason.
        if self._job is None and (reason or self.ui.statusLabel.text == self._shownReason):
            self._showMessage(reason)
            self._shownReason = reason

    def _showRunning(self) -> None:
        self.ui.cancelButton.enabled = True
        self.ui.progressBar.setRange(0, 0)
        self.ui.progressBar.visible = True
        self._updateReadiness()
        self._showMessage(_("Starting"))

    def _showIdle(self) -> None:
        self.ui.cancelButton.enabled = False
        self.ui.progressBar.visible = False
        self._updateReadiness()

    def _showProgress(self, event: dict[str, Any]) -> None:
        self.ui.progressBar.setRange(0, event["of"])
        self.ui.progressBar.setValue(event["step"])
        text = _("{phase}: step {step} of {of}").format(**event)
        if event.get("eta_s") is not None:
            text += _(", about {seconds} s left").format(seconds=round(event["eta_s"]))
        self._showMessage(text)

    def _showMessage(self, text: str) -> None:
        self.ui.statusLabel.text = text
