"""The part of the panel that translates."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..Dependencies import DependenciesDeclined, ensureDependencies
from ..ParameterNode import Method
from ..Scene.NodeEvents import eventsOf
from ..Scene.RegionVoxels import Region
from ..Scene.VolumeNodes import holdsImage, isSlice
from ..Synthetic.OutputNodes import warningsOf
from ..Synthetic.SequenceNodes import sequenceOf
from ..Worker.Turns import Turns
from .DeviceChoice import DeviceChoice
from .HeadCurve import isEdited, isOf
from .LibraryLoading import loadLibrary
from .SegmentChoice import SegmentChoice


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
        self._job: Any = None
        self._isInstalling = False
        self._shownReason = ""
        self._followed: set[Any] = set()
        self._inputBefore: Any = None
        # Called with input and output after each translation; the panel connects its sections.
        self.onTranslated: Callable[[Any, Any], None] = lambda inputNode, outputNode: None
        uiWidget = slicer.util.loadUI(resourcePath("UI/Translate.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self._segments = SegmentChoice(self.ui.segmentSelector)
        self._devices = DeviceChoice(self.ui.deviceSelector, self.ui.memoryLabel)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.ui.translateButton.connect("clicked(bool)", self.onTranslate)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self.ui.findHeadButton.connect("clicked(bool)", self.onFindHead)
        self.ui.memoryButton.connect("clicked(bool)", self.onMemory)
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
            self.removeObservers(self._update)
            self._followed = set()
        self._parameterNode = parameterNode
        self._inputBefore = parameterNode.inputVolume if parameterNode else None
        self._segments.setParameterNode(parameterNode)
        if self._parameterNode:
            self._guiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._update)
            self._devices.update()
        self._update()

    def onTranslate(self) -> None:
        """Start the translation with the chosen parameters."""
        self._run(self._startTranslation)

    def onFindHead(self) -> None:
        """Show the outline of the head as a curve."""
        self._run(self._startHeadSearch)

    def onMemory(self) -> None:
        """Show how much memory is free on each device."""
        self._run(lambda: self.logic.startDeviceListing(self._onDevices))

    def onCancel(self) -> None:
        """End what runs; the scene stays as it was."""
        if self._job:
            self._job.cancel()
            self._job = None
            self._showIdle()
            self._showMessage(_("Cancelled."))

    def _run(self, start: Callable[[], Any]) -> None:
        """Start a job of the worker, having asked for the packages that it needs."""
        try:
            self._ensureDependencies()
        except DependenciesDeclined as declined:
            text = _("{reason} Press the button again to be asked again.")
            self._showMessage(text.format(reason=declined))
        except Exception as error:
            self._couldNotStart(error)
        else:
            loading = Turns(loadLibrary(), lambda _done, error: self._onLibraryLoaded(start, error))
            self._job = loading
            self._showRunning()
            loading.start()

    def _ensureDependencies(self) -> None:
        """Install what is missing; Slicer goes on meanwhile, and no button may start it again."""
        self._isInstalling = True
        self._update()
        self._showMessage(_("Looking for PyTorch"))
        try:
            ensureDependencies(self._resourcePath("requirements.txt"))
        finally:
            self._isInstalling = False
            self._update()

    def _onLibraryLoaded(self, start: Callable[[], Any], error: Optional[Exception]) -> None:
        self._job = None
        if self._parameterNode is None:  # the user has left the module meanwhile
            self._showIdle()
            self._showMessage(_("Cancelled."))
            return
        try:
            if error:
                raise error
            job = start()
        except Exception as problem:
            self._showIdle()
            self._couldNotStart(problem)
        else:
            if job.running:  # it may have failed and said so already
                self._job = job
            else:
                self._showIdle()

    def _couldNotStart(self, error: Exception) -> None:
        logging.error("USToMRI: the worker could not start", exc_info=error)
        self._showMessage(str(error))

    def _startTranslation(self) -> Any:
        chosen = self._parameterNode
        inputNode, curve = chosen.inputVolume, chosen.headCurve
        return self.logic.startTranslation(
            inputNode,
            chosen.outputVolume,
            method=chosen.method.value,
            region=self._segments.region(),
            head=curve if curve and isEdited(curve) else None,
            pixelSize=chosen.pixelSize,
            allFrames=chosen.allFrames,
            device=chosen.device.value,
            **self._methodOptions(),
            onProgress=self._showProgress,
            onFinished=lambda node, error: self._onTranslated(inputNode, node, error),
        )

    def _methodOptions(self) -> dict[str, Any]:
        """Return what is chosen of the options that the method has."""
        from USToMRILib.methods import method_named

        chosen, method = self._parameterNode, method_named(self._parameterNode.method.value)
        wished = {
            "steps": chosen.steps or None,
            "solver": chosen.solver.value,
            "similarity": chosen.similarity.value,
            "median_kernel": None if chosen.medianFilter else 1,
            "gain": "even" if chosen.evenGain else "recorded",
            "axis": chosen.axis.value,
            "seed": chosen.seed,
        }
        known = {each.name for each in method.option_list}
        options = {name: value for name, value in wished.items() if name in known}
        return {**options, "residual": chosen.residual and "residual" in method.offers}

    def _startHeadSearch(self) -> Any:
        chosen = self._parameterNode
        return self.logic.startHeadSearch(
            chosen.inputVolume,
            chosen.headCurve,
            device=chosen.device.value,
            pixelSize=chosen.pixelSize,
            onFinished=self._onHeadFound,
        )

    def _onTranslated(self, inputNode: Any, outputNode: Any, error: Optional[Exception]) -> None:
        if self._ended(error):
            slicer.util.setSliceViewerLayers(
                background=inputNode, foreground=outputNode, foregroundOpacity=0.5
            )
            self.onTranslated(inputNode, outputNode)
            made = _("Made {name}.").format(name=outputNode.GetName())
            self._showMessage(" ".join([made, *warningsOf(outputNode)]))

    def _onHeadFound(self, curveNode: Any, error: Optional[Exception]) -> None:
        if self._ended(error):
            if self._parameterNode:
                self._parameterNode.headCurve = curveNode
            self._showMessage(_("Drag the points of the curve where the outline is wrong."))

    def _onDevices(self, devices: Any, error: Optional[Exception]) -> None:
        if self._ended(error):
            self._devices.show(devices)
            self._showMessage("")

    def _ended(self, error: Optional[Exception]) -> bool:
        """Show that the job is over, and why it failed; return whether it did well."""
        self._job = None
        self._showIdle()
        if error is not None:
            self._showMessage(str(error))
        return error is None

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        """End what runs: its input is about to vanish."""
        self.onCancel()

    def _update(self, caller: Any = None, event: Any = None) -> None:
        """Show what the choices ask for; enable Translate when it can run, else say why not."""
        chosen = self._parameterNode
        reason = ""
        if chosen is not None:
            self._follow()
            self._segments.update()
            self._showApplicable()
            reason = self._reasonNotReady()
        idle = chosen is not None and self._job is None and not self._isInstalling
        self.ui.translateButton.enabled = idle and not reason
        self.ui.translateButton.toolTip = reason or _("Make a synthetic MRI of the ultrasound")
        self.ui.findHeadButton.enabled = idle and self._showsOneHead()
        self.ui.memoryButton.enabled = idle
        # What became of the last translation stays until there is a new reason.
        if idle and (reason or self.ui.statusLabel.text == self._shownReason):
            self._showMessage(reason)
            self._shownReason = reason

    def _follow(self) -> None:
        """Follow the parameters, and the nodes in them that decide whether Translate can run."""
        chosen = self._parameterNode
        before, self._inputBefore = self._inputBefore, chosen.inputVolume
        if before and before is not chosen.inputVolume:
            chosen.pixelSize = 0.0  # was that of the other image
        nodes = {chosen.inputVolume, chosen.region, chosen.headCurve} - {None}
        if nodes == self._followed:
            return
        self._followed = nodes
        self.removeObservers(self._update)
        self.addObserver(chosen, vtk.vtkCommand.ModifiedEvent, self._update)
        for node in nodes:
            for event in eventsOf(node):
                self.addObserver(node, event, self._update)

    def _showApplicable(self) -> None:
        """Enable what the chosen method and image make use of."""
        inputNode, method = self._parameterNode.inputVolume, self._parameterNode.method
        isVolume = bool(inputNode and holdsImage(inputNode) and not isSlice(inputNode))
        crossesBridge = method in (Method.DDIC, Method.DDIB)
        for name in ("stepsSpinBox", "solverSelector", "residualCheckBox", "evenGainCheckBox"):
            getattr(self.ui, name).enabled = crossesBridge
        for name in ("similaritySelector", "medianCheckBox"):
            getattr(self.ui, name).enabled = method is Method.DDIC
        self.ui.headSelector.enabled = method is not Method.PIX2PIX3D
        self.ui.axisSelector.enabled = isVolume and method is not Method.PIX2PIX3D
        self.ui.pixelSizeSpinBox.enabled = not isVolume
        self.ui.allFramesCheckBox.visible = bool(inputNode and sequenceOf(inputNode))

    def _showsOneHead(self) -> bool:
        node = self._parameterNode.inputVolume
        return bool(self.ui.headSelector.enabled and node and holdsImage(node) and isSlice(node))

    def _reasonNotReady(self) -> str:
        chosen, regions = self._parameterNode, []
        if chosen.region:
            regions.append(self._segments.region())
        curve: Any = chosen.headCurve if self.ui.headSelector.enabled else None
        isHint = curve is not None and isEdited(curve)
        if isHint:
            regions.append(Region(curve))
        reason: str = self.logic.reasonNotReady(
            chosen.inputVolume,
            chosen.outputVolume,
            chosen.method.value,
            chosen.pixelSize,
            regions,
            chosen.allFrames,
        )
        if isHint and not reason and not isOf(curve, chosen.inputVolume):
            text = _("{name} is of another image; choose another head under Advanced, or none.")
            reason = text.format(name=curve.GetName())
        return reason

    def _showRunning(self) -> None:
        self.ui.cancelButton.enabled = True
        self.ui.progressBar.setRange(0, 0)
        self.ui.progressBar.visible = True
        self._update()
        self._showMessage(_("Starting"))

    def _showIdle(self) -> None:
        self.ui.cancelButton.enabled = False
        self.ui.progressBar.visible = False
        self._update()

    def _showProgress(self, event: dict[str, Any]) -> None:
        self.ui.progressBar.setRange(0, event["of"])
        self.ui.progressBar.setValue(event["step"])
        text = _("{phase}: step {step} of {of}").format(**{**event, "phase": _phase(event)})
        if event.get("eta_s") is not None:
            text += _(", about {seconds} s left").format(seconds=round(event["eta_s"]))
        self._showMessage(text)

    def _showMessage(self, text: str) -> None:
        self.ui.statusLabel.text = text


def _phase(event: dict[str, Any]) -> str:
    """Return what the library does, in the user's words."""
    names = {
        "load": _("Loading the networks"),
        "head": _("Finding the head"),
        "encode": _("Ultrasound to noise"),
        "decode": _("Noise to MRI"),
        "generate": _("Ultrasound to MRI"),
        "refine": _("Refining the MRI"),
        "windows": _("Ultrasound to MRI"),
        "slices": _("Translating the slices"),
        "volumes": _("Translating the volumes"),
        "residual": _("Residual map"),
    }
    name = names.get(event["phase"], event["phase"])
    if event["frames"] > 1:
        counted = _("Time point {frame} of {frames}").format(**event)
        return f"{counted}, {name}"
    return name
