"""The sentence with which a file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from USToMRILib.errors import InputError
from USToMRILib.image.volume import Volume


def refusal(path: Path, **arguments: Any) -> str:
    """Read a file that is to be refused; return the one sentence that says why."""
    with pytest.raises(InputError) as caught:
        Volume.read(path, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert path.name in message
    return message
