"""Brain ultrasound to pseudo-MRI: images in, images out.

Importing this package is cheap; torch is imported by the functions that run a network.
"""

from __future__ import annotations

from .errors import Cancelled, InputError
from .grid import Grid
from .volume import Volume

__version__ = "0.1.0"

__all__ = ["Cancelled", "Grid", "InputError", "Volume", "__version__"]
