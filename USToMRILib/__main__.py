"""``python -m USToMRILib`` is the command ``ustomri``."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
