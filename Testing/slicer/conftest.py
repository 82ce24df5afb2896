"""What is asked of every test on Slicer: that nothing fails in silence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Optional

import pytest


@pytest.fixture(autouse=True)
def nothing_fails_in_silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where Qt or VTK called a function that raised.

    Both print the error and go on, in tests as in Slicer, where it is a line of the log.
    """
    raised: list[BaseException] = []

    def note(
        kind: type[BaseException], error: BaseException, traceback: Optional[TracebackType]
    ) -> None:
        sys.__excepthook__(kind, error, traceback)
        raised.append(error)

    monkeypatch.setattr(sys, "excepthook", note)
    yield
    assert not raised, f"Qt or VTK called what failed: {raised}"
