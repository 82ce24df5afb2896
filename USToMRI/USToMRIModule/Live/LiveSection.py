"""The part of the panel that follows an ultrasound live."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..Compare import CompareLayout
from ..Dependencies import ensureDependencies
from ..ParameterNode import bind
from ..Translate.LibraryLoading import loadLibrary
from ..Worker.Coroutine import CoroutineRunner
from .LiveJob import Measure, reasonNotLive

_OPACITY, _LABEL_OPACITY = 0.5, 0.25


class LiveSection(VTKObservationMixin):
    """Starts and stops live mode, and shows how many frames a second there are."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        VTKObservationMixin.__init__(self)
        self.logic = logic
        self._resourcePath = resourcePath
        self._chosen: Any = None
        self._guiTag: Any = None
        self._job: Any = None
        self._isFollowed, self._isFirst = False, True
        # Called with ultrasound and pseudo-MRI at the first picture, and after each; the panel
        # connects its sections.
        self.onFollowed: Callable[[Any, Any], None] = lambda inputNode, outputNode: None
        self.onShown: Callable[[Any, Any], None] = lambda inputNode, outputNode: None
        uiWidget = slicer.util.loadUI(resourcePath("UI/Live.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.ui.liveButton.connect("clicked(bool)", self.onLive)
        self.ui.recordButton.connect("toggled(bool)", self.onRecord)
        self._update()

    def cleanup(self) -> None:
        """End what runs; called when the application closes or the module is reloaded."""
        self._stop()
        self.setParameterNode(None)
        self.removeObservers()

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; live mode goes on in other modules."""
        if self._chosen:
            self.removeObservers(self._onChange)
            self._chosen.disconnectGui(self._guiTag)
        self._chosen = parameterNode
        if self._chosen:
            self._guiTag = bind(self._chosen, self.ui)
            self.addObserver(self._chosen, vtk.vtkCommand.ModifiedEvent, self._onChange)
        self._update()

    def onLive(self, wanted: bool) -> None:
        """Follow the chosen ultrasound, or stop."""
        self._stop()
        if wanted:
            self._start()
        self._update()

    def onRecord(self, wanted: bool) -> None:
        """Begin a recording, or end it; before live mode runs it is only wished for."""
        if self._job is not None and self._isLive():
            self._job.record(wanted)

    def _isLive(self) -> bool:
        return not isinstance(self._job, (CoroutineRunner, type(None)))

    def _start(self) -> None:
        chosen = self._chosen
        reason = reasonNotLive(chosen.inputVolume, chosen.outputVolume, chosen.pixelSize)
        try:
            if not reason:
                ensureDependencies(self._resourcePath("requirements.txt"))
        except Exception as error:
            logging.error("USToMRI: live mode could not start", exc_info=error)
            reason = str(error)
        if reason:
            self._show(reason)
            return
        self._show(_("Starting"))
        self._job = CoroutineRunner(loadLibrary(), self._onLibraryLoaded)
        self._job.start()

    def _onLibraryLoaded(self, _done: Any, error: Optional[Exception]) -> None:
        self._job = None
        chosen = self._chosen
        try:
            if error:
                raise error
            if chosen is None or chosen.inputVolume is None:  # the user has left meanwhile
                self._show(_("Stopped."))
                self._update()
                return
            job = self.logic.liveJob(
                chosen.inputVolume,
                chosen.outputVolume,
                pixelSize=chosen.pixelSize,
                device=chosen.device.value,
                tissues=self.ui.liveTissuesCheckBox.checked,
            )
        except Exception as problem:
            logging.error("USToMRI: live mode could not start", exc_info=problem)
            self._show(str(problem))
            self._update()
            return
        job.onFrame, job.onTrouble, job.onEnded = self._onFrame, self._onTrouble, self._onEnded
        self._job, self._isFollowed, self._isFirst = job, False, True
        self._inputNode = chosen.inputVolume
        job.start()
        job.record(self.ui.recordButton.checked)
        self._update()

    def _onFrame(self, measure: Measure) -> None:
        if not self._isFollowed:  # again: only now there is something to lay over the ultrasound
            self._isFollowed = True
            if self._isFirst:
                self._isFirst = False
                self.onFollowed(self._inputNode, self._job.outputNode)
            if not CompareLayout.isShown():
                slicer.util.setSliceViewerLayers(
                    background=self._inputNode,
                    foreground=self._job.outputNode,
                    foregroundOpacity=_OPACITY,
                )
            if self._job.tissues:
                slicer.util.setSliceViewerLayers(
                    label=self._job.tissues.node, labelOpacity=_LABEL_OPACITY
                )
        self.onShown(self._inputNode, self._job.outputNode)
        text = _("{rate} frames a second, {latency} s behind the ultrasound.")
        shown = {"rate": f"{measure.rate:.1f}", "latency": f"{measure.latency:.2f}"}
        self._show(text.format(**shown))

    def _onTrouble(self, sentence: str) -> None:
        if self._isFollowed:
            self._isFollowed = False
            if not CompareLayout.isShown():  # there the ultrasound has a view of its own
                slicer.util.setSliceViewerLayers(foregroundOpacity=0)
        self._show(sentence)

    def _onEnded(self, sentence: str) -> None:
        self._job = None
        self._update()
        self._show(sentence)

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        self._stop()
        self._update()

    def _onChange(self, caller: Any, event: str) -> None:
        if self._isLive() and self._chosen.inputVolume is self._inputNode:
            self._job.setPixelSize(self._chosen.pixelSize)
        self._update()

    def _stop(self) -> None:
        if self._job is not None:
            job, self._job = self._job, None
            job.cancel()
            self._show(_("Stopped."))

    def _update(self) -> None:
        isOn = self._job is not None
        self.ui.liveButton.enabled = isOn or self._chosen is not None
        self.ui.liveButton.checked = isOn
        self.ui.liveButton.text = _("Stop") if isOn else _("Follow the ultrasound live")

    def _show(self, text: str) -> None:
        self.ui.liveStatusLabel.text = text
