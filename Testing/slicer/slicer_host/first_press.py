"""Press Translate for the first time in a fresh process, and tell what every turn of Qt's loop did.

    python -m slicer_host.first_press        # in Testing/slicer/

Writes a list of ``[CPU seconds of this thread, packages that were imported]`` as JSON, first the
press itself, then the turns of the event loop until there is an output.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Callable

import slicer_host


def main() -> None:
    """Do it."""
    slicer_host.start(panel=True)
    slicer_host.new_scene()
    import slicer
    from slicer_host import panel as helpers

    panel = slicer_host.open_panel(slicer_host.load_module(helpers.MODULE))
    section = panel.sections[0]
    section.logic = helpers.worker(sys.modules["USToMRI"], "good")
    section.ui.inputSelector.setCurrentNode(helpers.add_ultrasound())
    turns = [turn(section.ui.translateButton.click)]
    while not helpers.outputs():
        turns.append(turn(slicer.app.processEvents))
    print(json.dumps(turns))
    panel.cleanup()


def turn(act: Callable[[], Any]) -> tuple[float, list[str]]:
    """Do something; return its time, which a busy machine does not change, and its imports."""
    before, start = set(sys.modules), time.thread_time()
    act()
    seconds = time.thread_time() - start
    return seconds, sorted({name.partition(".")[0] for name in set(sys.modules) - before})


if __name__ == "__main__":
    main()
