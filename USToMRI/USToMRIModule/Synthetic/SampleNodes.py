"""The samples that a method drew, as a sequence to leaf through."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.Sequences import sequenceOf
from ..Scene.VolumeNodes import Result
from .OutputNodes import PROVENANCE_ROLE, OutputLocation, completeOutput, fillNode

SAMPLES_ROLE = "USToMRI.samples"


def publishSamples(result: Result, location: OutputLocation, outputNode: Any) -> None:
    """Put the samples of a result into the scene, each as synthetic as the output; else remove any.

    The output refers to the volume that shows one of them.
    """
    _remove(outputNode.GetNodeReference(SAMPLES_ROLE))
    if not result.samples:
        return
    scene = slicer.mrmlScene
    name = _("{name} samples").format(name=outputNode.GetName())
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("sample")
    sequence.SetIndexUnit("")
    sequence.SetIndexType(sequence.NumericIndex)
    for number, sample in enumerate(result.samples, start=1):
        empty = slicer.vtkMRMLScalarVolumeNode()
        empty.SetName(name)
        node = sequence.SetDataNodeAtValue(empty, str(number))
        fillNode(node, Result(sample, result.provenance), location)
    shown = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    fillNode(shown, Result(result.samples[0], result.provenance), location)
    shown.SetAndObserveTransformNodeID(location.inputNode.GetTransformNodeID())
    completeOutput(shown)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", name)
    with slicer.util.NodeModify(browser):  # else a volume of Slicer's own is made to show it
        browser.AddSynchronizedSequenceNode(sequence)
        browser.AddProxyNode(shown, sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.SetSaveChanges(sequence, False)
    outputNode.SetNodeReferenceID(SAMPLES_ROLE, shown.GetID())


def _remove(shown: Any) -> None:
    if shown is None:
        return
    sequence = sequenceOf(shown)
    record, storage = shown.GetNodeReference(PROVENANCE_ROLE), shown.GetStorageNode()
    for node in (*(sequence or ()), record, storage):
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
    removeDisplayable(shown)
