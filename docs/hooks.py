"""What MkDocs takes from the code when it builds the pages: the help of every command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

_HELP = re.compile(r"^<!-- ustomri (.*?) *--help -->$", re.MULTILINE)
_COLUMNS = "84"


def on_page_markdown(markdown: str, **about: Any) -> str:
    """Put what ``ustomri COMMAND --help`` prints in the place of the comment that names it."""
    return _HELP.sub(lambda found: _help(found[1].split()), markdown)


def _help(command: list[str]) -> str:
    printed = subprocess.run(
        [sys.executable, "-m", "USToMRILib", *command, "--help"],
        env={**os.environ, "COLUMNS": _COLUMNS},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return f"```text\n{printed.strip()}\n```"
