"""What this machine lacks for the tests on Slicer's core and on the panel."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import pytest

# Found by starting from a minimal Debian 12.
SCENE_PACKAGES = "libstdc++6"
PANEL_PACKAGES = "libgl1 libegl1 libglib2.0-0 libxkbcommon0 libfontconfig1 libdbus-1-3"

RENDERING_PACKAGES = f"{PANEL_PACKAGES} libegl-mesa0 libgl1-mesa-dri"

_SCENE = "import slicer; slicer.vtkMRMLScene"
_PANEL = "from PySide6 import QtUiTools, QtWidgets; QtWidgets.QApplication([])"
_RENDERING = (
    "import slicer, vtk; window = vtk.vtkRenderWindow(); window.SetOffScreenRendering(1);"
    "window.AddRenderer(vtk.vtkRenderer()); window.Render();"
    "assert window.SupportsOpenGL(), 'no OpenGL'"
)


def require_scene() -> None:
    """Skip the calling test module where slicer-core cannot be imported; call at its top."""
    _require("slicer-core", _SCENE, SCENE_PACKAGES)


def require_panel() -> None:
    """Skip the calling test module where the panel cannot be built; call at its top."""
    require_scene()
    _require("PySide6-Essentials", _PANEL, PANEL_PACKAGES)


def require_rendering() -> None:
    """Skip the calling test module where views cannot be drawn; call at its top."""
    require_panel()
    _require("slicer-core's rendering", _RENDERING, RENDERING_PACKAGES)


def _require(package: str, code: str, system_packages: str) -> None:
    problem = _problem(code)
    if problem:
        pytest.skip(
            f"{package} does not start here ({problem}); install it with pip, and on Debian: "
            f"apt-get install {system_packages}",
            allow_module_level=True,
        )


@functools.cache
def _problem(code: str) -> str:
    """Try code in another process, as Qt aborts where a system library is missing."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
    }
    trial = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if trial.returncode == 0:
        return ""
    lines = trial.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {trial.returncode}"
