"""The choices of the Compare and CNR sections, saved with the scene."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Optional

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from ..ParameterNode import readable
from ..Scene.VolumeNodes import isPseudoMri, newestUltrasound


class Overlay(enum.Enum):
    """How the overlay shows two images in one view. Scenes store the member's name."""

    OPACITY = "opacity"
    CHECKERBOARD = "checkerboard"
    SWIPE = "swipe"
    UNCERTAINTY = "uncertainty"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Overlay.OPACITY: _("Blend"),
            Overlay.CHECKERBOARD: _("Checkerboard"),
            Overlay.SWIPE: _("Swipe"),
            Overlay.UNCERTAINTY: _("Uncertainty"),
        }[self]

    def amountLabel(self) -> str:
        """Return what the slider changes."""
        return {
            Overlay.OPACITY: _("Opacity:"),
            Overlay.CHECKERBOARD: _("Square size:"),
            Overlay.SWIPE: _("Edge:"),
            Overlay.UNCERTAINTY: _("Opacity:"),
        }[self]

    def firstAmount(self) -> float:
        """Return the percentage at which both images, or what lies over one, are seen at first."""
        return 100.0 if self is Overlay.OPACITY else 50.0


@parameterNodeWrapper
class ComparisonParameterNode:
    """The parameters of the comparison, in the same node as the module's others.

    ultrasound - the image on the left
    pseudoMri - the image that is compared with it
    overlay - how the view of the pseudo-MRI shows both
    overlayAmount - percent: opacity of the pseudo-MRI, size of the squares, or place of the edge
    tissuesShown - the tissues of the pseudo-MRI lie over both images
    layoutBefore - the view layout to go back to; -1: there is none
    """

    ultrasound: vtkMRMLScalarVolumeNode
    pseudoMri: vtkMRMLScalarVolumeNode
    overlay: Overlay = Overlay.OPACITY
    overlayAmount: Annotated[float, WithinRange(0, 100)] = 100.0
    tissuesShown: bool = False
    layoutBefore: int = -1


def comparisonOf(parameterNode: Any) -> Any:
    """Return the comparison's parameters; images that are not chosen yet are the likely ones.

    :param parameterNode: the module's parameter node.
    """
    chosen = readable(ComparisonParameterNode, parameterNode.parameterNode)
    if chosen.pseudoMri is None:
        chosen.pseudoMri = parameterNode.outputVolume or _newestPseudoMri()
    if chosen.ultrasound is None:
        chosen.ultrasound = parameterNode.inputVolume or newestUltrasound()
    return chosen


def _newestPseudoMri() -> Optional[Any]:
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return next((node for node in reversed(volumes) if isPseudoMri(node)), None)
