"""Brain ultrasound to pseudo-MRI: images in, images out.

Importing this package is cheap; torch is imported by the functions that run a network.
"""

from __future__ import annotations

__version__ = "0.2.0"

from .errors import Cancelled, InputError
from .grid import Grid
from .progress import CancelToken, ProgressEvent
from .translate import METHODS, Result, translate
from .volume import Volume

__all__ = [
    "METHODS",
    "CancelToken",
    "Cancelled",
    "Grid",
    "InputError",
    "ProgressEvent",
    "Result",
    "Volume",
    "__version__",
    "translate",
]
