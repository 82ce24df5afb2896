"""Dropping loaded code, so that Slicer's Reload button reads all of it again."""

from __future__ import annotations

import sys


def forgetModules() -> None:
    """Drop the module's parts and the library, which Slicer's own reload leaves as they are."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("USToMRIModule", "USToMRILib"):
            del sys.modules[name]
