"""The command ``ustomri``: one file a command, and the worker that Slicer talks to."""

from .command import main, parser

__all__ = ["main", "parser"]
