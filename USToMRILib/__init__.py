"""Brain ultrasound to pseudo-MRI: images in, images out.

Importing this package is cheap; torch is imported by the functions that run a network.
"""

from __future__ import annotations

from .cine import CineResult, translate_cine
from .errors import Cancelled, InputError
from .image.grid import Grid
from .image.sequence import ImageSequence
from .image.volume import Volume
from .methods import METHODS
from .progress import CancelToken, ProgressEvent
from .result import Result
from .translate import translate
from .version import __version__

__all__ = [
    "METHODS",
    "CancelToken",
    "Cancelled",
    "CineResult",
    "Grid",
    "ImageSequence",
    "InputError",
    "ProgressEvent",
    "Result",
    "Volume",
    "__version__",
    "translate",
    "translate_cine",
]
