"""Translate in a fresh process in every way that the module has, and tell what was loaded.

    python -m slicer_host.all_ways FOLDER        # in Testing/slicer/

By the panel, from the console, live and with ``batch.py``, with the real worker. FOLDER holds a
picture ``in/a.nrrd``. Writes, as JSON, whether torch is among this process's modules and mapped
files, and among those of the worker.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import slicer_host


def main() -> None:
    """Do it."""
    folder = Path(sys.argv[1])
    slicer_host.start(panel=True)
    slicer_host.new_scene()
    import slicer
    from slicer_host import panel as helpers
    from slicer_host.file_io import CoreIOManager
    from slicer_host.waiting import wait_until

    slicer.app.coreIOManager = CoreIOManager
    panel = slicer_host.open_panel(slicer_host.load_module(helpers.MODULE))
    node = slicer.util.loadVolume(str(folder / "in" / "a.nrrd"))
    section: Any = panel.sections[0]
    section.ui.inputSelector.setCurrentNode(node)
    helpers.press_translate(section)
    section.logic.translate(node, method="ddib", steps=2, device="cpu")
    live = section.logic.liveJob(node, device="cpu")
    frames: list[Any] = []
    live.onFrame = frames.append
    live.start()
    wait_until(lambda: frames)
    live.cancel()
    from USToMRIModule.Worker import WorkerClient

    worker = WorkerClient.sharedWorker(WorkerClient.defaultCommand())
    found = {"slicer": _has_torch("self"), "worker": _has_torch(str(worker.processId))}
    panel.cleanup()
    codes: list[int] = []
    slicer.app.exit = codes.append
    slicer.app.commandOptions = lambda: type("Options", (), {"runPythonAndExit": True})
    script = helpers.MODULE.with_name("batch.py")
    few = ["--method", "ddib", "--steps", "2"]
    sys.argv = [str(script), "--", str(folder / "in"), str(folder / "out"), *few]
    runpy.run_path(str(script), run_name="__main__")
    found.update(modules="torch" in sys.modules, after=_has_torch("self"), batch=codes[0])
    found["made"] = len(helpers.outputs()) + len(list((folder / "out").glob("*.nrrd")))
    print(json.dumps(found))


def _has_torch(process: str) -> bool:
    """Return whether torch's library is mapped into a process (Linux)."""
    return "libtorch" in Path(f"/proc/{process}/maps").read_text()


if __name__ == "__main__":
    main()
