"""Ultrasound and pseudo-MRI of a live mode as two sequences of one browser."""

from __future__ import annotations

from typing import Any, Optional

import slicer
import vtk
from slicer.i18n import tr as _

from ..Scene.VolumeNodes import Result
from ..Synthetic.OutputNodes import OutputLocation, fillNode, syntheticName


class LiveRecording:
    """Keeps frames with their times; :meth:`finish` shows them in a sequence browser."""

    def __init__(self, name: str) -> None:
        """Begin an empty recording of the ultrasound with this name."""
        self._name = name
        self._start: Optional[float] = None
        self._record: dict[str, Any] = {}
        names = (_("{name} recorded").format(name=name), syntheticName(name, "") + _(" recorded"))
        self._ultrasound, self._pseudoMri = (_newSequence(each) for each in names)

    def add(self, seconds: float, image: Any, locationNode: Any, result: Optional[Result]) -> None:
        """Keep a frame.

        :param seconds: by any clock; later than those before.
        :param image: the ``vtkImageData`` of the ultrasound, which nobody changes any more.
        :param locationNode: a volume node that lies where the frame lay in the world: a probe's
            transform is not recorded.
        :param result: None where there was no head: the pseudo-MRI is empty then.
        """
        if self._start is None:
            self._start = seconds
        value = f"{seconds - self._start:.3f}"
        isGrey = image.GetNumberOfScalarComponents() == 1
        kind = slicer.vtkMRMLScalarVolumeNode if isGrey else slicer.vtkMRMLVectorVolumeNode
        node = self._ultrasound.SetDataNodeAtValue(kind(), value)
        node.CopyOrientation(locationNode)
        node.SetAndObserveImageData(image)
        node.SetName(self._name)
        made = self._pseudoMri.SetDataNodeAtValue(slicer.vtkMRMLScalarVolumeNode(), value)
        made.SetName(syntheticName(self._name, ""))
        if result is None:
            nothing: Any = None
            result = Result(nothing, self._record, image=emptyLike(image))
        self._record = result.provenance
        fillNode(made, result, OutputLocation(locationNode))

    def finish(self) -> Any:
        """Return the browser of both sequences; None where nothing was recorded."""
        if self._start is None:
            for node in (self._ultrasound, self._pseudoMri):
                slicer.mrmlScene.RemoveNode(node)
            return None
        browser = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLSequenceBrowserNode", self._ultrasound.GetName()
        )
        for node in (self._ultrasound, self._pseudoMri):
            browser.AddSynchronizedSequenceNode(node)
        return browser


def _newSequence(name: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    node.SetIndexName("time")
    node.SetIndexUnit("s")
    node.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
    return node


def emptyLike(image: Any) -> Any:
    """Return a ``vtkImageData`` of the same size and type, in grey, that shows nothing."""
    empty = vtk.vtkImageData()
    empty.SetDimensions(image.GetDimensions())
    empty.AllocateScalars(image.GetScalarType(), 1)
    empty.GetPointData().GetScalars().Fill(0)
    return empty
