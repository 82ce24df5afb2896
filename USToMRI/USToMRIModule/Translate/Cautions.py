"""What to know about a pseudo-MRI: said in full the first time, then behind a button."""

from __future__ import annotations

from typing import Any, Callable

# Said in this session of Slicer.
_said: set[str] = set()


class Cautions:
    """Keeps the sentences about the last result behind a button."""

    def __init__(self, button: Any, showMessage: Callable[[str], None]) -> None:
        """Show no button before there is something to say."""
        self._button = button
        self._sentences: list[str] = []
        button.visible = False
        button.connect("clicked(bool)", lambda checked: showMessage(" ".join(self._sentences)))

    def take(self, sentences: list[str]) -> list[str]:
        """Keep the sentences, and return those that were not said before."""
        self._sentences = sentences
        self._button.visible = bool(sentences)
        self._button.toolTip = "\n".join(sentences)
        new = [sentence for sentence in sentences if sentence not in _said]
        _said.update(new)
        return new
