"""The program that runs Slicer's Python, which this Python stands in for."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def path_with_python(folder: Path) -> str:
    """Make a ``PythonSlicer`` in a folder, and return a PATH on which it comes first."""
    program = folder / "bin" / "PythonSlicer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"
