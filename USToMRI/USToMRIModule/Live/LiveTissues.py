"""The tissues of a live image, laid over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..Scene.VolumeNodes import Result
from ..Synthetic.OutputNodes import OutputLocation, fillNode

if TYPE_CHECKING:
    from ..Worker.VolumeReading import ReadVolume


class LiveTissues:
    """Keeps a label map of what a network sees in the newest frame.

    A segmentation, as translations make it, would take longer than a frame may.
    """

    def __init__(self) -> None:
        """Make no node before there is a frame."""
        self.node: Any = None

    def show(
        self, labels: ReadVolume, provenance: dict[str, Any], location: OutputLocation, name: str
    ) -> None:
        """Show the labels of a frame, where it lies.

        :param labels: bytes.
        :param location: of the frame; its node may be one outside the scene.
        :param name: of the ultrasound.
        """
        if self.node is None or not slicer.mrmlScene.IsNodePresent(self.node):
            self.node = _addLabelMap(_("{name} SYNTHETIC tissues").format(name=name))
        result = Result(labels.volume, provenance, image=labels.image)
        fillNode(self.node, result, location, "TISSUES")

    def clear(self) -> None:
        """Show nothing: there is no head."""
        node: Optional[Any] = self.node
        if node is not None and slicer.mrmlScene.IsNodePresent(node) and node.GetImageData():
            nothing = np.zeros_like(slicer.util.arrayFromVolume(node))
            slicer.util.updateVolumeFromArray(node, nothing)


def _addLabelMap(name: str) -> Any:
    from USToMRILib.fetal.tissues import Tissue

    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", _("Tissues"))
    colours.SetTypeToUser()
    colours.SetNumberOfColors(len(Tissue) + 1)
    colours.SetColor(0, _("none"), 0, 0, 0, 0)
    for tissue in Tissue:
        colours.SetColor(tissue.value, tissue.title, *(part / 255 for part in tissue.colour), 1)
    if not hasattr(colours, "SetColorDefined"):  # Slicer 5.8: else it makes names of its own
        colours.SetNamesInitialised(True)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAndObserveColorNodeID(colours.GetID())
    return node
