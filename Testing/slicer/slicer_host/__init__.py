"""A small Slicer for tests: the real MRML core without the application.

``pip install slicer-core`` brings Slicer's scene, nodes, logics and ``slicer.util``. What the wheel
lacks is stood in for here: the application object, ``qt`` and ``ctk`` (on PySide6, with PythonQt's
manners), and the pure Python parts ``ScriptedLoadableModule``, ``parameterNodeWrapper`` and
``i18n``. Where the environment variable ``SLICER_PYTHON_DIR`` names a folder that holds Slicer's
own files of those parts (``Base/Python/slicer`` of its source), they are used instead.

The stand-in takes its truth from ``slicer_api.json``: a name that is not there does not exist in
Slicer, and using it raises. A picture made with it is a test artefact, never a screenshot of
Slicer.
"""

from __future__ import annotations

from .availability import require_panel, require_rendering, require_scene
from .host import add_module_folder, close_scene, load_module, new_scene, open_panel, start

__all__ = [
    "add_module_folder",
    "close_scene",
    "load_module",
    "new_scene",
    "open_panel",
    "require_panel",
    "require_rendering",
    "require_scene",
    "start",
]
