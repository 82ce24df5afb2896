"""The view layouts that compare: ultrasound beside pseudo-MRI, in one plane or in three."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional
from xml.sax.saxutils import escape

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..Scene.VolumeNodes import isSlice
from ..Scene.WorldSpace import worldAxes


class ViewPair(NamedTuple):
    """The view of the ultrasound and that of the pseudo-MRI in one plane, by their names."""

    ultrasound: str
    pseudoMri: str
    orientation: str


# Views of their own: those of the other layouts keep what they show.
ULTRASOUND_VIEW, PSEUDO_MRI_VIEW = "USToMRIUltrasound", "USToMRIPseudoMRI"
PLANES = (
    ViewPair(ULTRASOUND_VIEW, PSEUDO_MRI_VIEW, "Axial"),
    ViewPair(f"{ULTRASOUND_VIEW}Coronal", f"{PSEUDO_MRI_VIEW}Coronal", "Coronal"),
    ViewPair(f"{ULTRASOUND_VIEW}Sagittal", f"{PSEUDO_MRI_VIEW}Sagittal", "Sagittal"),
)

# Numbers of custom layouts; Slicer keeps those below 500 for itself. By the number of planes and
# whether a chart lies below.
_LAYOUTS = {(1, False): 41201, (1, True): 41202, (3, False): 41203, (3, True): 41204}

# Views are linked with those of the same group only.
_VIEW_GROUP = 41201

_COLOURS = ("#56B4E9", "#E69F00")

# Around the head, as a part of it.
_MARGIN = 1.15


def layoutNode() -> Any:
    """Return the scene's layout node; None where Slicer runs without a main window."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def shownPlanes() -> tuple[ViewPair, ...]:
    """Return the pairs of views that are shown; none where another layout is."""
    node = layoutNode()
    number = node.GetViewArrangement() if node is not None else -1
    return next((PLANES[:n] for (n, _chart), known in _LAYOUTS.items() if known == number), ())


def isShown() -> bool:
    """Return whether the views are arranged for the comparison."""
    return bool(shownPlanes())


def registerLayouts() -> None:
    """Tell Slicer the layouts; called at its start too, for scenes that were saved with one."""
    node = layoutNode()
    if node is None:
        return
    for (planes, withChart), number in _LAYOUTS.items():
        if not node.IsLayoutDescription(number):
            node.AddLayoutDescription(number, _description(PLANES[:planes], withChart))


def show(volumeNode: Any = None, withChart: bool = False) -> None:
    """Arrange the views for the comparison, with a plot view below them where asked for.

    :param volumeNode: a slice is shown in its plane, a volume in three; None: as before.
    """
    registerLayouts()
    planes = len(shownPlanes()) or 1
    if volumeNode is not None:
        planes = 1 if isSlice(volumeNode) else 3
    layoutNode().SetViewArrangement(_LAYOUTS[planes, withChart])
    for view in _views():
        composite = compositeOf(view)
        if composite is not None:
            composite.SetDoPropagateVolumeSelection(False)
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)


def isFor(volumeNode: Any) -> bool:
    """Return whether the views that are shown are those for an image: one plane or three."""
    return len(shownPlanes()) == (1 if isSlice(volumeNode) else 3)


def restore(arrangement: int) -> None:
    """Arrange the views as they were before, or in Slicer's usual way where that is not known.

    :param arrangement: the number of a layout; -1: not known.
    """
    node = layoutNode()
    usual = node.SlicerLayoutFourUpView
    node.SetViewArrangement(arrangement if arrangement >= 0 else usual)


def currentArrangement() -> int:
    """Return the number of the layout that is shown."""
    number: int = layoutNode().GetViewArrangement()
    return number


def compositeOf(view: str) -> Optional[Any]:
    """Return the node that says which images a view shows; None where there are no views."""
    logic = sliceLogicOf(view)
    return logic.GetSliceCompositeNode() if logic else None


def setImages(view: str, background: Any, foreground: Any = None, opacity: float = 0.0) -> None:
    """Show one or two images in a view."""
    composite = compositeOf(view)
    if composite is None:
        return
    with slicer.util.NodeModify(composite):
        composite.SetBackgroundVolumeID(background.GetID() if background else None)
        composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
        composite.SetForegroundOpacity(opacity)


def clearLabels() -> None:
    """Take the label map out of the views that are shown: it may be of another image."""
    for view in _views():
        composite = compositeOf(view)
        if composite is not None:
            composite.SetLabelVolumeID(None)


def align(volumeNode: Any, head: Optional[np.ndarray] = None) -> None:
    """Turn the views to the planes of an image, and fit them to it.

    A single slice is shown as it was taken, a volume along its own axes.

    :param head: points around the head in the world (RAS, mm), [n, 3], to fit a slice to.
    """
    for pair in shownPlanes():
        for view in (pair.ultrasound, pair.pseudoMri):
            logic = sliceLogicOf(view)
            if logic is None:
                continue
            sliceNode = logic.GetSliceNode()
            if isSlice(volumeNode):
                _turnTo(sliceNode, volumeNode)
            else:
                sliceNode.SetOrientation(pair.orientation)
                sliceNode.RotateToVolumePlane(volumeNode)
            logic.FitSliceToVolume(volumeNode, *sliceNode.GetDimensions()[:2])
            if head is not None and isSlice(volumeNode):
                _fitTo(sliceNode, head)
            sliceNode.UpdateMatrices()


def poseOf(volumeNode: Any) -> np.ndarray:
    """Return where an image lies in the world (RAS, mm): its unit axes and its origin, [4, 4]."""
    origin, axes = worldAxes(volumeNode)
    pose = np.eye(4)
    pose[:3, :3] = axes / np.linalg.norm(axes, axis=0)
    pose[:3, 3] = origin
    return pose


def carry(views: list[str], before: np.ndarray, after: np.ndarray) -> None:
    """Move views as an image was moved, so that they go on showing the same of it.

    :param before: pose of the image (:func:`poseOf`) when the views were as they are.
    :param after: its pose now.
    """
    for view in views:
        logic = sliceLogicOf(view)
        if logic is not None:
            sliceToWorld = logic.GetSliceNode().GetSliceToRAS()
            moved = after @ np.linalg.inv(before) @ slicer.util.arrayFromVTKMatrix(sliceToWorld)
            slicer.util.updateVTKMatrixFromArray(sliceToWorld, moved)
            logic.GetSliceNode().UpdateMatrices()


def _fitTo(sliceNode: Any, points: np.ndarray) -> None:
    """Move and scale a view so that points of the world fill it."""
    toWorld = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())
    inPlane = (points - toWorld[:3, 3]) @ toWorld[:3, :3]
    low, high = inPlane.min(0), inPlane.max(0)
    width, height, _depth = sliceNode.GetDimensions()
    scale = _MARGIN * max((high - low)[:2] / [max(width, 1), max(height, 1)])
    toWorld = toWorld.copy()
    centre = (low + high) / 2
    toWorld[:3, 3] += toWorld[:3, :2] @ centre[:2]
    slicer.util.updateVTKMatrixFromArray(sliceNode.GetSliceToRAS(), toWorld)
    sliceNode.SetFieldOfView(scale * width, scale * height, sliceNode.GetFieldOfView()[2])


def horizontalAxis(volumeNode: Any) -> int:
    """Return the image's axis (0, 1, 2 for i, j, k) that runs most nearly across the views.

    Without views it is i.
    """
    logic = sliceLogicOf(PSEUDO_MRI_VIEW)
    if logic is None:
        return 0
    across = slicer.util.arrayFromVTKMatrix(logic.GetSliceNode().GetSliceToRAS())[:3, 0]
    axes = worldAxes(volumeNode)[1]
    return int(np.abs(across @ axes / np.linalg.norm(axes, axis=0)).argmax())


def _turnTo(sliceNode: Any, volumeNode: Any) -> None:
    """Lay a view into a slice: its rows from left to right, its columns from top to bottom."""
    origin, axes = worldAxes(volumeNode)
    size = np.array(volumeNode.GetImageData().GetDimensions())
    matrix = np.eye(4)
    matrix[:3, :3] = axes / np.linalg.norm(axes, axis=0) * [1, -1, 1]
    matrix[:3, 3] = origin + axes @ ((size - 1) / 2)
    slicer.util.updateVTKMatrixFromArray(sliceNode.GetSliceToRAS(), matrix)
    sliceNode.UpdateMatrices()


def sliceLogicOf(view: str) -> Optional[Any]:
    """Return what computes the slice of a view; None where no layout has shown the view yet."""
    return slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)


def _views() -> list[str]:
    return [view for pair in shownPlanes() for view in (pair.ultrasound, pair.pseudoMri)]


def _description(planes: tuple[ViewPair, ...], withChart: bool) -> str:
    """Return a layout as Slicer reads it: the ultrasound beside the pseudo-MRI, or above it."""
    rows = zip(*((pair.ultrasound, pair.pseudoMri) for pair in planes))
    titles, orientations = (_("US"), _("Synthetic MRI")), [pair.orientation for pair in planes]
    items = [
        [_view(*each, title, colour) for each in zip(row, orientations)]
        for row, title, colour in zip(rows, titles, _COLOURS)
    ]
    if len(planes) == 1:
        shown = _split("horizontal", [item for row in items for item in row])
    else:
        shown = _split("vertical", [_split("horizontal", row) for row in items])
    if not withChart:
        return shown
    chart = (
        '<view class="vtkMRMLPlotViewNode" singletontag="PlotView1">'
        '<property name="viewlabel" action="default">P</property></view>'
    )
    return (
        f'<layout type="vertical" split="true"><item splitSize="600">{shown}</item>'
        f'<item splitSize="400">{chart}</item></layout>'
    )


def _split(direction: str, parts: list[str]) -> str:
    items = "".join(f"<item>{part}</item>" for part in parts)
    return f'<layout type="{direction}" split="true">{items}</layout>'


def _view(name: str, orientation: str, title: str, colour: str) -> str:
    return (
        f'<view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{escape(title)}</property>'
        f'<property name="viewcolor" action="default">{colour}</property>'
        f'<property name="viewgroup" action="default">{_VIEW_GROUP}</property></view>'
    )
