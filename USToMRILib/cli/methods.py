"""``ustomri methods``: the methods of translation, and what each of them can be asked for."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..methods import DEFAULT, METHODS
from ..progress import CancelToken, ProgressCallback
from .options import DONE


def add_methods(commands: Any) -> None:
    """Add the command ``methods``."""
    command = commands.add_parser("methods", help="the methods, what they take and their options")
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(run=_run)


def describe_methods(
    progress: ProgressCallback | None = None, cancel: CancelToken | None = None
) -> dict[str, Any]:
    """Return the "methods", each as :meth:`USToMRILib.methods.Method.describe` says."""
    return {"methods": [method.describe() for method in METHODS.values()]}


def _run(options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(describe_methods(), indent=2))
        return DONE
    for method in METHODS.values():
        default = " (default)" if method.name == DEFAULT else ""
        flags = ", ".join(each.flag for each in method.option_list)
        print(f"{method.name}{default}: {method.title}")
        print(f"  {method.summary}")
        print(f"  {method.paper}")
        takes = " and ".join(method.takes)
        print(f"  for the {method.subject}; takes {takes}; options: {flags or 'none'}")
        for quality, kinds in method.qualities.items():
            print(f"  what is called {quality} for a {' or '.join(kinds)}")
        if method.offers:
            print(f"  also makes: {', '.join(method.offers)}")
    return DONE
