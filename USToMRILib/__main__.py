"""``python -m USToMRILib`` is the command ``ustomri``."""

from __future__ import annotations

import sys

from .cli.command import main

sys.exit(main())
