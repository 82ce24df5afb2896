"""``ustomri devices``: where the networks can run, and how much memory is free there."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from ..compute.device import list_devices
from ..progress import CancelToken, ProgressCallback
from .options import DONE


def add_devices(commands: Any) -> None:
    """Add the command ``devices``."""
    command = commands.add_parser("devices", help="devices and their free memory, JSON on stdout")
    command.set_defaults(run=_run)


def describe_devices(
    progress: ProgressCallback | None = None, cancel: CancelToken | None = None
) -> dict[str, Any]:
    """Return the "devices" of this machine, the fastest first, each as a dict of its fields."""
    return {"devices": [asdict(device) for device in list_devices()]}


def _run(options: argparse.Namespace) -> int:
    print(json.dumps(describe_devices()))
    return DONE
