"""The view layout that compares: ultrasound, pseudo-MRI and both, in three linked views."""

from __future__ import annotations

from typing import Any, Optional
from xml.sax.saxutils import escape

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..Scene.WorldSpace import worldAxes

# Views of their own: those of the other layouts keep what they show.
ULTRASOUND_VIEW, PSEUDO_MRI_VIEW, OVERLAY_VIEW = (
    "USToMRIUltrasound",
    "USToMRIPseudoMRI",
    "USToMRIOverlay",
)
VIEWS = (ULTRASOUND_VIEW, PSEUDO_MRI_VIEW, OVERLAY_VIEW)

# Numbers of custom layouts; Slicer keeps those below 500 for itself.
_LAYOUT, _LAYOUT_WITH_CHART = 41201, 41202

# Views are linked with those of the same group only.
_VIEW_GROUP = 41201

_COLOURS = {ULTRASOUND_VIEW: "#56B4E9", PSEUDO_MRI_VIEW: "#E69F00", OVERLAY_VIEW: "#999999"}


def layoutNode() -> Any:
    """Return the scene's layout node; None where Slicer runs without a main window."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def isShown() -> bool:
    """Return whether the views are arranged for the comparison."""
    node = layoutNode()
    return node is not None and node.GetViewArrangement() in (_LAYOUT, _LAYOUT_WITH_CHART)


def registerLayouts() -> None:
    """Tell Slicer the layouts; called at its start too, for scenes that were saved with one."""
    node = layoutNode()
    if node is None:
        return
    for number, description in (
        (_LAYOUT, _threeViews()),
        (_LAYOUT_WITH_CHART, _threeViewsAndChart()),
    ):
        if not node.IsLayoutDescription(number):
            node.AddLayoutDescription(number, description)


def show(withChart: bool = False) -> None:
    """Arrange the views for the comparison, with a plot view below them where asked for."""
    registerLayouts()
    layoutNode().SetViewArrangement(_LAYOUT_WITH_CHART if withChart else _LAYOUT)
    for view in VIEWS:
        composite = compositeOf(view)
        if composite is not None:
            composite.SetDoPropagateVolumeSelection(False)
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)


def restore(arrangement: int) -> None:
    """Arrange the views as they were before."""
    layoutNode().SetViewArrangement(arrangement)


def currentArrangement() -> int:
    """Return the number of the layout that is shown."""
    number: int = layoutNode().GetViewArrangement()
    return number


def compositeOf(view: str) -> Optional[Any]:
    """Return the node that says which images a view shows; None where there are no views."""
    logic = _sliceLogicOf(view)
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
        composite.SetLabelVolumeID(None)


def align(volumeNode: Any) -> None:
    """Turn the three views to the plane of an image, and fit them to it.

    A single slice is shown as it was taken, a volume along its own axes, axially.
    """
    isSlice = volumeNode.GetImageData().GetDimensions()[2] == 1
    for view in VIEWS:
        logic = _sliceLogicOf(view)
        if logic is None:
            continue
        sliceNode = logic.GetSliceNode()
        if isSlice:
            _turnTo(sliceNode, volumeNode)
        else:
            sliceNode.SetOrientationToAxial()
            sliceNode.RotateToVolumePlane(volumeNode)
        logic.FitSliceToVolume(volumeNode, *sliceNode.GetDimensions()[:2])
        sliceNode.UpdateMatrices()


def horizontalAxis(volumeNode: Any) -> int:
    """Return the image's axis (0, 1, 2 for i, j, k) that runs most nearly across the overlay.

    Without views it is i.
    """
    logic = _sliceLogicOf(OVERLAY_VIEW)
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


def _sliceLogicOf(view: str) -> Optional[Any]:
    return slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)


def _threeViews() -> str:
    titles = {
        ULTRASOUND_VIEW: _("US"),
        PSEUDO_MRI_VIEW: _("Synthetic MRI"),
        OVERLAY_VIEW: _("Both"),
    }
    items = [
        f'<item><view class="vtkMRMLSliceNode" singletontag="{view}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{escape(titles[view])}</property>'
        f'<property name="viewcolor" action="default">{_COLOURS[view]}</property>'
        f'<property name="viewgroup" action="default">{_VIEW_GROUP}</property></view></item>'
        for view in VIEWS
    ]
    return f'<layout type="horizontal" split="true">{"".join(items)}</layout>'


def _threeViewsAndChart() -> str:
    return (
        f'<layout type="vertical" split="true"><item splitSize="600">{_threeViews()}</item>'
        '<item splitSize="400"><view class="vtkMRMLPlotViewNode" singletontag="PlotView1">'
        '<property name="viewlabel" action="default">P</property></view></item></layout>'
    )
