"""The time points of a pseudo-MRI, in the sequence browser of its ultrasound."""

from __future__ import annotations

from typing import Any, Optional

import slicer
from slicer.i18n import tr as _

from ..Scene.Sequences import Sequence, sequenceOf
from ..Scene.VolumeNodes import Result
from .OutputNodes import OutputLocation, fillNode, publish


def reasonNotAnOutput(outputNode: Any, sequence: Optional[Sequence]) -> str:
    """Return why a volume cannot receive a result, in words; empty where it can.

    What a volume shows that follows a sequence is gone as soon as another time point is shown.

    :param sequence: that of the input where all its time points are translated.
    """
    shown = sequenceOf(outputNode)
    if shown is None or (sequence is not None and shown.browser is sequence.browser):
        return ""
    return _("The output is a time point of a sequence; choose another one, or none for a new one.")


def publishSequence(
    results: list[Result],
    location: OutputLocation,
    sequence: Sequence,
    outputNode: Any,
    method: str,
) -> Any:
    """Put a result for every time point into the scene and return the volume that shows them.

    It follows the browser of the input.

    :param results: of the sequence's frames, in their order.
    :param outputNode: see :func:`~.OutputNodes.publish`.
    """
    if len(results) != sequence.node.GetNumberOfDataNodes():
        raise ValueError(_("Time points were added or removed while they were translated."))
    current = max(sequence.browser.GetSelectedItemNumber(), 0)
    outputNode = publish(results[current], location, outputNode, method)
    browser = sequence.browser
    with slicer.util.NodeModify(browser):  # else a volume of Slicer's own is made to show it
        made = browser.GetSequenceNode(outputNode)  # of an earlier translation
        isNew = made is None
        if isNew:
            made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", outputNode.GetName())
        _fill(made, results, location, sequence, outputNode.GetName())
        if isNew:
            browser.AddSynchronizedSequenceNode(made)
            browser.AddProxyNode(outputNode, made, False)
            browser.SetOverwriteProxyName(made, False)
            browser.SetSaveChanges(made, False)
    return outputNode


def _fill(
    made: Any, results: list[Result], location: OutputLocation, sequence: Sequence, name: str
) -> None:
    """Give a sequence node a volume for every time point, in the place of what it holds."""
    made.RemoveAllDataNodes()
    made.SetIndexName(sequence.node.GetIndexName())
    made.SetIndexUnit(sequence.node.GetIndexUnit())
    made.SetIndexType(sequence.node.GetIndexType())
    for index, (result, frameNode) in enumerate(zip(results, sequence.frameNodes())):
        empty = slicer.vtkMRMLScalarVolumeNode()
        empty.SetName(name)
        # Filled in its place: a sequence copies what it is given, voxels too.
        node = made.SetDataNodeAtValue(empty, sequence.node.GetNthIndexValue(index))
        fillNode(node, result, OutputLocation(frameNode, location.start))
