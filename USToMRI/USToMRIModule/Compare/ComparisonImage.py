"""An image that shows ultrasound and pseudo-MRI in alternate parts: checkerboard and swipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.VolumeNodes import IN_PART, SYNTHETIC_ATTRIBUTE, greyOf
from ..Synthetic.SyntheticMark import markAsSynthetic


class ComparisonImage:
    """A hidden volume for the overlay view, of the brightness in which both images are shown.

    It is not saved with the scene, and its name says SYNTHETIC as the pseudo-MRI's does.
    """

    def __init__(self) -> None:
        """Make it without a node; the first picture adds it to the scene."""
        self._node: Any = None
        self._shades: dict[str, tuple[Any, np.ndarray]] = {}

    def checkerboard(self, ultrasound: Any, pseudoMri: Any, amount: float) -> Any:
        """Return the volume with squares in turn of one and of the other.

        :param amount: size of the squares in percent; 100 is a quarter of the image.
        """
        first, second = self._shadesOf(ultrasound), self._shadesOf(pseudoMri)
        spacing = np.array(ultrasound.GetSpacing())[::-1]
        edge = max(first.shape * spacing) * max(amount, 2) / 100 / 4
        turns = [
            (np.arange(length) * step // edge).astype(int)
            for length, step in zip(first.shape, spacing)
        ]
        odd = (turns[0][:, None, None] + turns[1][:, None] + turns[2]) % 2
        return self._show(np.where(odd, second, first), ultrasound, pseudoMri)

    def swipe(self, ultrasound: Any, pseudoMri: Any, amount: float, axis: int) -> Any:
        """Return the volume with the ultrasound before an edge and the pseudo-MRI after it.

        :param amount: where the edge lies along the axis, in percent.
        :param axis: 0, 1 or 2 for i, j or k.
        """
        array = self._shadesOf(ultrasound).copy()
        along = 2 - axis  # arrays are [k, j, i]
        after = [slice(None)] * 3
        after[along] = slice(round(array.shape[along] * amount / 100), None)
        array[tuple(after)] = self._shadesOf(pseudoMri)[tuple(after)]
        return self._show(array, ultrasound, pseudoMri)

    def remove(self) -> None:
        """Take the volume out of the scene."""
        if self._node is not None and slicer.mrmlScene.IsNodePresent(self._node):
            removeDisplayable(self._node)
        self._node = None
        self._shades = {}

    def _shadesOf(self, volumeNode: Any) -> np.ndarray:
        """Return a volume's grey values as they are shown, 0..255; kept until it changes."""
        volumeNode.CreateDefaultDisplayNodes()
        display = volumeNode.GetDisplayNode()
        window, level = 255.0, 127.5
        if display.IsA("vtkMRMLScalarVolumeDisplayNode"):
            window, level = display.GetWindow(), display.GetLevel()
        state = (volumeNode.GetImageData().GetMTime(), window, level)
        known = self._shades.get(volumeNode.GetID())
        if known is None or known[0] != state:
            values = greyOf(slicer.util.arrayFromVolume(volumeNode)).astype(np.float32)
            shades = (values - (level - window / 2)) * (255 / max(window, 1e-9))
            known = (state, np.clip(np.nan_to_num(shades), 0, 255).astype(np.uint8))
            self._shades[volumeNode.GetID()] = known
        return known[1]

    def _show(self, array: np.ndarray, ultrasound: Any, pseudoMri: Any) -> Any:
        node = self._node
        if node is None or not slicer.mrmlScene.IsNodePresent(node):
            node = self._node = _addHiddenVolume()
        with slicer.util.NodeModify(node):
            slicer.util.updateVolumeFromArray(node, array)
            node.CopyOrientation(ultrasound)
            node.SetAndObserveTransformNodeID(ultrasound.GetTransformNodeID())
            name = _("{first} and {second}, SYNTHETIC in part")
            node.SetName(name.format(first=ultrasound.GetName(), second=pseudoMri.GetName()))
        return node


def _addHiddenVolume() -> Any:
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    node.UnRegister(None)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetAttribute(SYNTHETIC_ATTRIBUTE, IN_PART)
    node = slicer.mrmlScene.AddNode(node)
    image = vtk.vtkImageData()
    image.SetDimensions(1, 1, 1)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(255, 127.5)
    markAsSynthetic(node, [])
    for index in range(node.GetNumberOfDisplayNodes()):
        node.GetNthDisplayNode(index).SetSaveWithScene(False)
    return node
