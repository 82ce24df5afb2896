"""Slice views as Slicer draws them, without a screen: real displayable managers, real handles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

# Draws without asking for a screen first; elsewhere than on Linux VTK knows better.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

_MANAGERS = (
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


class SliceView:
    """One slice view of the current layout, with a mouse."""

    def __init__(self, layout_name: str, width: int = 400, height: int = 400) -> None:
        """Draw the view of a layout name, such as Red, from now on.

        The layout must show it: its slice logic is made then.
        """
        application_logic = slicer.app.applicationLogic()
        self.logic = application_logic.GetSliceLogicByLayoutName(layout_name)
        self.node = self.logic.GetSliceNode()
        self.node.SetDimensions(width, height, 1)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(width, height)
        self._renderer = vtk.vtkRenderer()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._window.AddRenderer(self._renderer)
        self._mapper = self._add_image()
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._managers = self._make_managers(application_logic)  # they ask for the interactor
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(self.logic)
        self._style.SetDisplayableManagers(self._managers)
        self._style.SetInteractor(self._interactor)
        self._interactor.Initialize()

    def fit(self) -> None:
        """Fit the view to its background image."""
        self.logic.FitSliceToBackground()
        self.render()

    def render(self) -> None:
        """Draw the view."""
        self.logic.UpdatePipeline()
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._window.Render()

    def pixels(self) -> np.ndarray:
        """Return what the view shows, uint8 [row, column, 3], the first row on top."""
        self.render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        width, height, _ = image.GetDimensions()
        colours = vtk_to_numpy(image.GetPointData().GetScalars())
        return colours.reshape(height, width, -1)[::-1, :, :3].copy()

    def save(self, path: Path) -> None:
        """Write what the view shows as PNG."""
        from PIL import Image

        Image.fromarray(self.pixels()).save(path)

    def place_of(self, position: Any) -> np.ndarray:
        """Return where a position of the world (RAS, mm) is drawn: x, y in pixels from below."""
        to_view = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.node.GetXYToRAS(), to_view)
        return np.array(to_view.MultiplyPoint([*position, 1.0])[:2])

    def click(self, place: np.ndarray) -> None:
        """Move the mouse to a place and click."""
        self._mouse("MouseMoveEvent", place)
        self._mouse("LeftButtonPressEvent", place)
        self._mouse("LeftButtonReleaseEvent", place)

    def drag(self, start: np.ndarray, end: np.ndarray, moves: int = 5) -> None:
        """Drag the mouse from one place to another."""
        self._mouse("MouseMoveEvent", start)
        self._mouse("LeftButtonPressEvent", start)
        for part in np.linspace(0, 1, moves + 1)[1:]:
            self._mouse("MouseMoveEvent", start + (end - start) * part)
        self._mouse("LeftButtonReleaseEvent", end)

    def close(self) -> None:
        """Stop drawing."""
        self._style.SetInteractor(None)
        self._managers.SetMRMLDisplayableNode(None)
        self._window.Finalize()

    def _mouse(self, event: str, place: np.ndarray) -> None:
        x, y = (round(float(number)) for number in place)
        self._interactor.SetEventInformation(x, y, 0, 0, chr(0), 0, None)
        self._interactor.InvokeEvent(event)
        self.render()

    def _add_image(self) -> Any:
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.SetLayerNumber(0)
        self._renderer.AddViewProp(actor)
        return mapper

    def _make_managers(self, application_logic: Any) -> Any:
        scene = self.node.GetScene()
        if scene.GetFirstNodeByClass("vtkMRMLCrosshairNode") is None:
            scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(application_logic)
        for name in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        group = factory.InstantiateDisplayableManagers(self._renderer)
        group.SetMRMLDisplayableNode(self.node)
        return group
