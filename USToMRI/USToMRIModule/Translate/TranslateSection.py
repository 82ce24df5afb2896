"""The part of the panel that translates."""

from __future__ import annotations

from typing import Any, Callable, Optional

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..ParameterNode import bind, remember
from ..Scene.NodeEvents import eventsOf
from ..Scene.RegionVoxels import Region
from ..Scene.Sequences import sequenceOf
from ..Scene.Throttle import Throttle
from ..Scene.VolumeNodes import holdsImage, isSlice
from ..Scene.WorldSpace import isBent
from ..Synthetic.OutputNodes import warningsOf
from ..Worker.Coroutine import CoroutineRunner
from .Cautions import Cautions
from .DeviceChoice import DeviceChoice
from .HeadBiometry import HeadBiometry
from .HeadCurve import isEdited, isOf
from .LibraryLoading import loadLibrary
from .MethodChoice import MethodChoice, knownMethods
from .NewestUltrasound import NewestUltrasound
from .OptionFields import OptionFields
from .PixelSizeChoice import PixelSizeChoice
from .SegmentChoice import SegmentChoice
from .WorkerRun import WorkerRun

_UPDATE_INTERVAL = 100  # ms


class TranslateSection(VTKObservationMixin):
    """Shows the choices of the parameter node, starts the translation and follows it."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        VTKObservationMixin.__init__(self)
        self.logic = logic
        self._parameterNode: Any = None
        self._guiTag: Any = None
        self._shownReason = ""
        self._followed: set[Any] = set()
        self._inputBefore: Any = None
        # Called with input and output after each translation; the panel connects its sections.
        self.onTranslated: Callable[[Any, Any], None] = lambda inputNode, outputNode: None
        # Called with the input when it has become another one.
        self.onInputChosen: Callable[[Any], None] = lambda inputNode: None
        uiWidget = slicer.util.loadUI(resourcePath("UI/Translate.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.run = WorkerRun(self.ui, resourcePath("requirements.txt"), self._update)
        self._segments = SegmentChoice(self.ui.segmentSelector)
        self._devices = DeviceChoice(self.ui.deviceSelector, self.ui.memoryLabel)
        self._newest = NewestUltrasound()
        # Of the library, which knows the methods: when the panel is open, and piece by piece.
        self._loading = CoroutineRunner(loadLibrary(), lambda _done, error: None)
        self._methods = MethodChoice(self.ui)
        self.options = OptionFields(self.ui.optionsWidget)
        self._pixelSize = PixelSizeChoice(self.ui, self._onFindPixelSize)
        self._biometry = HeadBiometry(self.ui.biometryLabel)
        self._cautions = Cautions(self.ui.cautionButton, self.run.showMessage)
        # Of what the nodes show: a live image changes many times a second.
        self._soon = Throttle(self._update, _UPDATE_INTERVAL)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        # Apart, to be emptied: a node that it once held would stay in memory when it is deleted.
        self._following = VTKObservationMixin()
        self.ui.translateButton.connect("clicked(bool)", self.onTranslate)
        self.ui.findHeadButton.connect("clicked(bool)", self.onFindHead)
        self.ui.memoryButton.connect("clicked(bool)", self.onMemory)
        # Opening it shows all that is in it.
        self.ui.advancedCollapsibleButton.connect("contentsCollapsed(bool)", self._update)
        self.run.showIdle()

    @property
    def _parts(self) -> tuple[Any, ...]:
        return (self._segments, self._methods, self.options, self._pixelSize, self._biometry)

    def cleanup(self) -> None:
        """End what runs; called when the application closes or the module is reloaded."""
        self.run.stop()
        self.setParameterNode(None)
        self.removeObservers()

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._soon.stop()
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self._following.removeObservers()
            self._followed = set()
        self._parameterNode = parameterNode
        self._inputBefore = parameterNode.inputVolume if parameterNode else None
        for part in self._parts:
            part.setParameterNode(parameterNode)
        if self._parameterNode:
            self._guiTag = bind(self._parameterNode, self.ui)
            self._followParameters()
            self._devices.update()
        self._newest.setParameterNode(parameterNode)
        self._update()
        self._loading.cancel()
        if parameterNode and not knownMethods():
            self._loading = CoroutineRunner(loadLibrary(), lambda _done, error: self._update())
            self._loading.start()

    def onTranslate(self) -> None:
        """Start the translation with the chosen parameters."""
        self._start(self._startTranslation)

    def onFindHead(self) -> None:
        """Show the outline and the diameters of the head."""
        self._start(self._startHeadSearch)

    def onMemory(self) -> None:
        """Show how much memory is free on each device."""
        self._start(lambda: self.logic.startDeviceListing(self._onDevices))

    def _onFindPixelSize(self, circumference: float) -> None:
        """Find the pixel size at which the head has a circumference."""
        chosen = self._parameterNode
        self._start(
            lambda: self.logic.startPixelSizeSearch(
                chosen.inputVolume,
                circumference,
                device=chosen.device.value,
                onFinished=self._ofThisImage(self._onPixelSizeFound),
            )
        )

    def _start(self, begin: Callable[[], Any]) -> None:
        self.run.start(begin, lambda: self._parameterNode is not None)

    def _startTranslation(self) -> Any:
        from USToMRILib import InputError

        self._methods.update()  # only now the library may have been loaded
        reason = self._methods.reasonNotReady()
        if reason:
            raise InputError(reason)
        chosen = self._parameterNode
        remember(chosen.parameterNode)
        inputNode, curve = chosen.inputVolume, chosen.headCurve
        return self.logic.startTranslation(
            inputNode,
            chosen.outputVolume,
            method=chosen.method,
            region=self._segments.region(),
            head=curve if curve and isEdited(curve) else None,
            pixelSize=chosen.pixelSize,
            allFrames=chosen.allFrames,
            device=chosen.device.value,
            **self.options.values(),
            onProgress=self.run.showProgress,
            onFinished=lambda node, error: self._onTranslated(inputNode, node, error),
        )

    def _startHeadSearch(self) -> Any:
        chosen = self._parameterNode
        return self.logic.startHeadSearch(
            chosen.inputVolume,
            chosen.headCurve,
            device=chosen.device.value,
            pixelSize=chosen.pixelSize,
            onFinished=self._ofThisImage(self._onHeadFound),
        )

    def _ofThisImage(self, take: Callable[[Any], None]) -> Callable[..., None]:
        """Return what takes an answer about the input, if that is the input still."""
        inputNode = self._parameterNode.inputVolume

        def finished(answer: Any, error: Optional[Exception]) -> None:
            if not self.run.ended(error) or self._parameterNode is None:
                return
            if self._parameterNode.inputVolume is inputNode:
                take(answer)
            else:
                self.run.showMessage(_("The image is no longer the chosen one; press again."))

        return finished

    def _onTranslated(self, inputNode: Any, outputNode: Any, error: Optional[Exception]) -> None:
        if self.run.ended(error):
            slicer.util.setSliceViewerLayers(
                background=inputNode, foreground=outputNode, foregroundOpacity=0.5
            )
            self.onTranslated(inputNode, outputNode)
            chosen = self._parameterNode
            if chosen and chosen.inputVolume is inputNode:
                self._biometry.showTranslated(outputNode)
            if chosen and chosen.keepOutput:
                chosen.outputVolume = outputNode
            made = _("Made {name}.").format(name=outputNode.GetName())
            cautions = warningsOf(outputNode)
            if isBent(inputNode):
                cautions.append(_("Sizes are those without the transform, which is not linear."))
            self.run.showMessage(" ".join([made, *self._cautions.take(cautions)]))

    def _onHeadFound(self, head: Any) -> None:
        self._parameterNode.headCurve = head.curve
        self._biometry.showFound(head)
        self.run.showMessage(_("Drag the outline or the diameters where they are wrong."))

    def _onPixelSizeFound(self, size: float) -> None:
        self.run.showMessage(self._pixelSize.setSize(size))

    def _onDevices(self, devices: Any, error: Optional[Exception]) -> None:
        if self.run.ended(error):
            self._devices.show(devices)
            self.run.showMessage("")

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        """End what runs: its input is about to vanish."""
        self.run.cancel()

    def _update(self, caller: Any = None, event: Any = None) -> None:
        """Show what the choices ask for; enable Translate when it can run, else say why not."""
        chosen = self._parameterNode
        reason = ""
        idle = chosen is not None and self.run.idle
        if chosen is not None:
            self._follow()
            self._segments.update()
            self._methods.update()
            self.options.update()
            self._pixelSize.update(idle)
            self._biometry.update()
            self._showApplicable()
            reason = self._reasonNotReady()
        self.ui.translateButton.enabled = idle and not reason
        self.ui.translateButton.toolTip = reason or _("Make a synthetic MRI of the ultrasound")
        self.ui.findHeadButton.enabled = idle and self._showsOneHead()
        self.ui.memoryButton.enabled = idle
        # What became of the last translation stays until there is a new reason.
        if idle and (reason or self.ui.statusLabel.text == self._shownReason):
            self.run.showMessage(reason)
            self._shownReason = reason

    def _follow(self) -> None:
        """Follow the parameters, and the nodes in them that decide whether Translate can run."""
        chosen = self._parameterNode
        before, self._inputBefore = self._inputBefore, chosen.inputVolume
        if before and before is not chosen.inputVolume:
            self._pixelSize.forgetRuler()
            chosen.pixelSize = 0.0  # was that of the other image
        if before is not chosen.inputVolume:
            self.onInputChosen(chosen.inputVolume)
        nodes = {chosen.inputVolume, chosen.region, chosen.headCurve} - {None}
        if nodes == self._followed:
            return
        self._followed = nodes
        self._followParameters()
        for node in nodes:
            for event in eventsOf(node):
                self._following.addObserver(node, event, self._onNodeChanged)

    def _followParameters(self) -> None:
        self._following.removeObservers()
        modified = vtk.vtkCommand.ModifiedEvent
        self._following.addObserver(self._parameterNode, modified, self._update)

    def _onNodeChanged(self, caller: Any, event: Any) -> None:
        self._soon.request()

    def _showApplicable(self) -> None:
        """Enable what the chosen method and image make use of."""
        inputNode = self._parameterNode.inputVolume
        method = knownMethods().get(self._parameterNode.method)
        self.ui.headSelector.enabled = method is None or "slice" in method.takes
        self.ui.allFramesCheckBox.visible = bool(inputNode and sequenceOf(inputNode))

    def _showsOneHead(self) -> bool:
        """Return whether the input is a single slice of known scale."""
        chosen = self._parameterNode
        node = chosen.inputVolume
        if not (self.ui.headSelector.enabled and node and holdsImage(node) and isSlice(node)):
            return False
        return not self.logic.reasonNotReady(node, None, chosen.method, chosen.pixelSize)

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
            chosen.method,
            chosen.pixelSize,
            regions,
            chosen.allFrames,
        )
        if isHint and not reason and not isOf(curve, chosen.inputVolume):
            text = _("{name} is of another image; choose another head under Advanced, or none.")
            reason = text.format(name=curve.GetName())
        return reason or self._methods.reasonNotReady()
