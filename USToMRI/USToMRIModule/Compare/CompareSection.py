"""The part of the panel that shows ultrasound and pseudo-MRI side by side."""

from __future__ import annotations

from typing import Any, Callable, Optional

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..ParameterNode import bind
from ..Scene.NodeEvents import eventsOf
from ..Scene.Throttle import Throttle
from ..Scene.VolumeNodes import holdsImage
from ..Scene.WorldSpace import onSameGrid
from ..Synthetic.OutputNodes import UNCERTAINTY_ROLE
from ..Synthetic.TissueNodes import TABLE_ROLE, TISSUES_ROLE
from . import CompareLayout
from .ComparisonImage import ComparisonImage
from .ComparisonParameterNode import Overlay, comparisonOf
from .HeadPoints import headPoints

# ms; about as often as the eye asks for while a slider is dragged.
_UPDATE_INTERVAL = 40

# ms; by then a new layout has its sizes.
_LAYOUT_TIME = 150


class CompareSection(VTKObservationMixin):
    """Turns the comparison on and off, and lets it follow the chosen images and overlay."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        VTKObservationMixin.__init__(self)
        self._logic = logic
        self._chosen: Any = None
        self._guiTag: Any = None
        self._image = ComparisonImage()
        self._alignedTo = ""
        self._pair = ("", "")
        self._poses: list[np.ndarray] = []  # of both images when the views were laid into them
        self._isWanted = True
        self._tissues: tuple[str, bool] = ("", False)
        # Apart, to be emptied: of the images that are shown in alternate parts.
        self._following = VTKObservationMixin()
        self._followed: set[Any] = set()
        uiWidget = slicer.util.loadUI(resourcePath("UI/Compare.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self._throttle = Throttle(self._update, _UPDATE_INTERVAL)
        self._aligning = Throttle(self._alignAgain, _LAYOUT_TIME)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.ui.compareButton.connect("clicked(bool)", self.onCompare)
        self.ui.overlaySelector.connect("activated(int)", self.onOverlayChosen)
        self.ui.sizesButton.connect("clicked(bool)", self.onSizes)

    def cleanup(self) -> None:
        """Let go of everything; called when the application closes or the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()
        self._image.remove()

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._throttle.stop()
        self._aligning.stop()
        self._follow(set())
        if self._chosen:
            self._chosen.disconnectGui(self._guiTag)
            self.removeObservers(self._onChange)
        self._chosen = comparisonOf(parameterNode) if parameterNode else None
        if self._chosen:
            self._guiTag = bind(self._chosen, self.ui)
            self.addObserver(self._chosen, vtk.vtkCommand.ModifiedEvent, self._onChange)
            layoutNode = CompareLayout.layoutNode()
            if layoutNode:
                self.addObserver(layoutNode, vtk.vtkCommand.ModifiedEvent, self._onChange)
        self._update()

    def onCompare(self, wanted: bool) -> None:
        """Show the comparison, or go back to the layout that was there."""
        if wanted:
            self._enter()
        else:
            self._isWanted = False
            self._leave()

    def onOverlayChosen(self, index: int) -> None:
        """Begin another overlay where it shows something of both images."""
        if self._chosen:
            self._chosen.overlayAmount = self._chosen.overlay.firstAmount()

    def onSizes(self) -> None:
        """Show the table of the tissues' sizes, in the module that shows tables."""
        slicer.app.openNodeModule(self._ofPseudoMri(TABLE_ROLE))

    def onInputChosen(self, inputNode: Any) -> None:
        """Go back to the views before, to see another image that is to be translated."""
        chosen = self._chosen
        if chosen is None or inputNode is None or not CompareLayout.isShown():
            return
        if inputNode not in (chosen.ultrasound, chosen.pseudoMri):
            self._leave()
            slicer.util.setSliceViewerLayers(background=inputNode, foreground=None, fit=True)

    def onTranslated(self, inputNode: Any, outputNode: Any) -> None:
        """Show a new pseudo-MRI beside what it was made of, unless the user went back before."""
        # The user may be in another module and come back.
        chosen = self._chosen or comparisonOf(self._logic.getParameterNode())
        chosen.ultrasound = inputNode
        chosen.pseudoMri = outputNode
        self._alignedTo = ""  # to the head that was found
        self._pair = ("", "")
        if self._chosen:
            self.ui.compareCollapsibleButton.collapsed = False
            if self._isWanted and not CompareLayout.isShown() and not self._reasonNotReady():
                self._enter()
            else:
                self._update()
        elif CompareLayout.isShown():
            self._showImages(chosen)

    def onLiveFrame(self, inputNode: Any, outputNode: Any) -> None:
        """Let the views go along with live images, which a tracked probe moves."""
        planes = CompareLayout.shownPlanes()
        if not planes or self._pair != (inputNode.GetID(), outputNode.GetID()):
            return
        poses = [CompareLayout.poseOf(node) for node in (inputNode, outputNode)]
        views = ([pair.ultrasound for pair in planes], [pair.pseudoMri for pair in planes])
        for ofImage, before, after in zip(views, self._poses, poses):
            if not np.allclose(before, after, rtol=0, atol=1e-6):
                CompareLayout.carry(ofImage, before, after)
        self._poses = poses

    def _enter(self) -> None:
        self._isWanted = True
        self._chosen.layoutBefore = CompareLayout.currentArrangement()
        CompareLayout.show(self._chosen.ultrasound)
        self._alignedTo = ""
        self._update()

    def _leave(self) -> None:
        if CompareLayout.isShown():
            chosen = self._chosen or comparisonOf(self._logic.getParameterNode())
            CompareLayout.restore(chosen.layoutBefore)
        self._image.remove()

    def _onSceneStartClose(self, caller: Any, event: str) -> None:
        self._leave()

    def _onChange(self, caller: Any, event: str) -> None:
        self._throttle.request()

    def _update(self) -> None:
        """Bring button, message and views up to date."""
        reason = self._reasonNotReady()
        isShown = CompareLayout.isShown()
        self.ui.compareButton.enabled = isShown or not reason
        self.ui.compareButton.checked = isShown
        self.ui.compareButton.text = _("Back to the views before") if isShown else _("Compare")
        if self._chosen:
            self.ui.amountLabel.text = self._chosen.overlay.amountLabel()
        if self._chosen and isShown:
            if reason:
                self._image.remove()  # of an image that is gone
            else:
                reason = self._showImages(self._chosen)
        self._follow(self._shownInParts())
        self._updateTissues()
        self.ui.compareStatusLabel.text = reason
        self.ui.compareStatusLabel.visible = bool(reason)

    def _shownInParts(self) -> set[Any]:
        """Return the images of which a new one must be put together when they change."""
        chosen = self._chosen
        inParts = (Overlay.CHECKERBOARD, Overlay.SWIPE)
        if not (chosen and CompareLayout.isShown() and chosen.overlay in inParts):
            return set()
        return {chosen.ultrasound, chosen.pseudoMri} - {None}

    def _follow(self, nodes: set[Any]) -> None:
        """Follow images that change: live ones, and those of a sequence that is played."""
        if nodes == self._followed:
            return
        self._followed = nodes
        self._following.removeObservers()
        for node in nodes:
            for event in eventsOf(node):
                self._following.addObserver(node, event, self._onChange)

    def _updateTissues(self) -> None:
        """Show the tissues or not, where that was not done; who hides them elsewhere is obeyed."""
        segmentation = self._ofPseudoMri(TISSUES_ROLE)
        self.ui.tissuesCheckBox.enabled = segmentation is not None
        self.ui.sizesButton.enabled = self._ofPseudoMri(TABLE_ROLE) is not None
        if segmentation is None:
            return
        wanted = (segmentation.GetID(), self._chosen.tissuesShown)
        if wanted != self._tissues:
            self._tissues = wanted
            segmentation.GetDisplayNode().SetVisibility(self._chosen.tissuesShown)

    def _ofPseudoMri(self, role: str) -> Any:
        """Return a node that the chosen pseudo-MRI refers to; None where there is none."""
        pseudoMri = self._chosen.pseudoMri if self._chosen else None
        return pseudoMri.GetNodeReference(role) if pseudoMri else None

    def _reasonNotReady(self) -> str:
        chosen = self._chosen
        if chosen is None or CompareLayout.layoutNode() is None:
            return _("There are no views.")
        for node, name in (
            (chosen.ultrasound, _("ultrasound")),
            (chosen.pseudoMri, _("pseudo-MRI")),
        ):
            if node is None:
                return _("Choose the {image} to compare.").format(image=name)
            if not holdsImage(node):
                return _("The {image} holds no image.").format(image=name)
        if chosen.ultrasound is chosen.pseudoMri:
            return _("Choose two different images.")
        return ""

    def _showImages(self, chosen: Any) -> str:
        """Show the chosen images in their views; return what could not be shown."""
        ultrasound, pseudoMri = chosen.ultrasound, chosen.pseudoMri
        if not CompareLayout.isFor(ultrasound):
            CompareLayout.show(ultrasound)
        if self._pair != (ultrasound.GetID(), pseudoMri.GetID()):
            self._pair = (ultrasound.GetID(), pseudoMri.GetID())
            CompareLayout.clearLabels()
        layers, reason = self._layers(chosen)
        for pair in CompareLayout.shownPlanes():
            CompareLayout.setImages(pair.ultrasound, ultrasound)
            CompareLayout.setImages(pair.pseudoMri, *layers)
        if self._alignedTo != ultrasound.GetID():  # once: then the user may turn the views
            self._alignedTo = ultrasound.GetID()
            self._align(chosen)
            self._aligning.request()
        return reason

    def _layers(self, chosen: Any) -> tuple[tuple[Any, ...], str]:
        """Return what the view of the pseudo-MRI shows, and what it cannot show."""
        ultrasound, pseudoMri = chosen.ultrasound, chosen.pseudoMri
        overlay, amount = chosen.overlay, chosen.overlayAmount
        if overlay is Overlay.UNCERTAINTY:
            spread = pseudoMri.GetNodeReference(UNCERTAINTY_ROLE)
            if spread is not None:
                return (pseudoMri, spread, amount / 100), ""
            text = _("This pseudo-MRI has no uncertainty; ask for it under Advanced.")
            return (pseudoMri,), text
        blend = (ultrasound, pseudoMri, amount / 100)
        if overlay is Overlay.OPACITY:
            return blend, ""
        if not onSameGrid(ultrasound, pseudoMri):
            return blend, _(
                "Checkerboard and swipe need two images of the same grid; they are blended instead."
            )
        if overlay is Overlay.CHECKERBOARD:
            return (self._image.checkerboard(ultrasound, pseudoMri, amount),), ""
        axis = CompareLayout.horizontalAxis(ultrasound)
        return (self._image.swipe(ultrasound, pseudoMri, amount, axis),), ""

    def _alignAgain(self) -> None:
        """Fit the views anew: only now do they have the sizes of their layout."""
        if self._chosen and CompareLayout.isShown() and not self._reasonNotReady():
            self._align(self._chosen)

    def _align(self, chosen: Any) -> None:
        CompareLayout.align(chosen.ultrasound, headPoints(chosen.pseudoMri))
        self._poses = [CompareLayout.poseOf(chosen.ultrasound)] * 2
