"""The command ``ustomri``: one file a command, and the worker that obeys Slicer."""

from .command import main, parser

__all__ = ["main", "parser"]
