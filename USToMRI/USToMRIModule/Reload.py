"""Dropping loaded code, so that Slicer's Reload button reads all of it again."""

from __future__ import annotations

import sys


def forgetModules() -> None:
    """Drop the module's parts, the library and the self test, which Slicer's reload leaves."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("USToMRIModule", "USToMRILib", "USToMRITests"):
            del sys.modules[name]
