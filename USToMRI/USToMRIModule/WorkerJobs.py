"""What the panel has the worker do: translate frames, find a head, list the devices."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from slicer.i18n import tr as _

from .Inputs import Frame
from .VolumeNodes import Result
from .VolumeReading import Reading, ReadVolume
from .WorkerClient import Handlers, WorkerClient, WorkerError

if TYPE_CHECKING:
    from USToMRILib import Volume

ProgressCallback = Callable[[dict[str, Any]], None]


class WorkerJob:
    """Commands for the worker, one after the other, with files in a temporary folder of their own.

    The callbacks come from Qt's event loop. ``onFinished`` is called once, with the answer and None
    or with None and the error, and never after :meth:`cancel`.
    """

    def __init__(
        self,
        worker: WorkerClient,
        onFinished: Callable[[Any, Optional[Exception]], None],
        onProgress: Optional[ProgressCallback] = None,
    ) -> None:
        self._worker = worker
        self._onFinished = onFinished
        self._onProgress = onProgress or (lambda event: None)
        self._folder: Optional[Path] = None
        self._number = 0

    @property
    def running(self) -> bool:
        """Whether the job was started and has neither ended nor been cancelled."""
        return self._folder is not None

    def start(self) -> None:
        """Give the worker the first command; return at once."""
        self._folder = Path(tempfile.mkdtemp(prefix="USToMRI-"))
        try:
            self._send(self._nextCommand())
        except Exception:
            self._forgetFiles()
            raise

    def cancel(self) -> None:
        """Stop within a second and forget the files. Does nothing when the job has ended."""
        if self.running:
            self._worker.cancel(self._number)
            self._forgetFiles()

    def _nextCommand(self) -> list[str]:
        """Return the arguments of the next command, having written its files; empty at the end."""
        raise NotImplementedError

    def _take(self, answer: Any) -> None:
        """Keep the answer to a command."""
        raise NotImplementedError

    def _answer(self) -> Any:
        """Return the answer to the whole job."""
        raise NotImplementedError

    def _report(self, event: dict[str, Any]) -> None:
        self._onProgress(event)

    def _send(self, arguments: list[str]) -> None:
        handlers = Handlers(self._report, self._done, lambda error: self._finish(None, error))
        self._number = self._worker.send(arguments, handlers)

    def _done(self, answer: Any) -> None:
        self._take(answer)
        self._goOn()

    def _goOn(self) -> None:
        try:
            arguments = self._nextCommand()
            if arguments:
                self._send(arguments)
                return
        except Exception as error:  # Qt calls this: nobody above could tell the user
            self._fail(error)
            return
        self._finish(self._answer(), None)

    def _fail(self, error: Exception) -> None:
        message = _("The result could not be read: {error}").format(error=error)
        self._finish(None, WorkerError(message))

    def _finish(self, answer: Any, error: Optional[Exception]) -> None:
        self._forgetFiles()
        self._onFinished(answer, error)

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / name

    def _forgetFiles(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


class TranslationJob(WorkerJob):
    """Translates frames; the answer is a list with a result for each."""

    def __init__(
        self,
        worker: WorkerClient,
        frames: list[Frame],
        options: dict[str, Any],
        onFinished: Callable[[Any, Optional[Exception]], None],
        onProgress: Optional[ProgressCallback] = None,
    ) -> None:
        """Create the job.

        :param options: of ``ustomri translate``, by their names with underscores; None: not given.
        """
        WorkerJob.__init__(self, worker, onFinished, onProgress)
        self._frames = frames
        self._withResidual = options.get("residual", False)
        given = {name: value for name, value in options.items() if name != "residual"}
        self._options = commandLineOptions(given)
        self._results: list[Result] = []
        self._reading: Optional[Reading] = None

    def _nextCommand(self) -> list[str]:
        if len(self._results) == len(self._frames):
            return []
        frame = self._frames[len(self._results)]
        # MetaImage keeps the geometry to the last bit.
        frame.volume.write(self._path("input.mha"), compress=False)
        arguments = ["translate", str(self._path("input.mha")), str(self._path("output.mha"))]
        if frame.head == "none":
            arguments += ["--head-mask", "none"]
        elif frame.head is not None:
            frame.head.write(self._path("head.mha"), compress=False)
            arguments += ["--head-mask", str(self._path("head.mha"))]
        if self._withResidual:
            arguments += ["--residual", str(self._path("residual.mha"))]
        return [*arguments, *self._options, "--no-compression"]

    def cancel(self) -> None:
        """Stop within a second and forget the files. Does nothing when the job has ended."""
        if self._reading:
            self._reading.stop()
        WorkerJob.cancel(self)

    def _done(self, answer: Any) -> None:
        """Read the images; the next command waits for them, because it writes the same files."""
        names = ["output.mha", "residual.mha"] if self._withResidual else ["output.mha"]

        def take(read: list[ReadVolume]) -> None:
            residual = read[1].volume if self._withResidual else None
            made = Result(read[0].volume, answer["provenance"], residual, read[0].image)
            self._results.append(made)
            self._goOn()

        self._reading = Reading([self._path(name) for name in names], take, self._fail)
        self._reading.start()

    def _answer(self) -> list[Result]:
        return self._results

    def _report(self, event: dict[str, Any]) -> None:
        counted = {"frame": len(self._results) + 1, "frames": len(self._frames)}
        self._onProgress({**event, **counted})


class HeadJob(WorkerJob):
    """Looks for the head in one image; the answer is that of ``ustomri head``."""

    def __init__(
        self,
        worker: WorkerClient,
        volume: Volume,
        device: str,
        onFinished: Callable[[Any, Optional[Exception]], None],
    ) -> None:
        WorkerJob.__init__(self, worker, onFinished)
        self._volume = volume
        self._device = device
        self._found: Any = None

    def _nextCommand(self) -> list[str]:
        if self._found is not None:
            return []
        self._volume.write(self._path("input.mha"), compress=False)
        return ["head", str(self._path("input.mha")), "--device", self._device]

    def _take(self, answer: Any) -> None:
        self._found = answer

    def _answer(self) -> Any:
        return self._found


class DevicesJob(WorkerJob):
    """Asks where the networks can run; the answer is the list of ``ustomri devices``."""

    def __init__(
        self, worker: WorkerClient, onFinished: Callable[[Any, Optional[Exception]], None]
    ) -> None:
        WorkerJob.__init__(self, worker, onFinished)
        self._devices: Any = None

    def _nextCommand(self) -> list[str]:
        return ["devices"] if self._devices is None else []

    def _take(self, answer: Any) -> None:
        self._devices = answer["devices"]

    def _answer(self) -> Any:
        return self._devices


def commandLineOptions(options: dict[str, Any]) -> list[str]:
    """Return ``--name value`` for every option that is set."""
    arguments = []
    for name, value in options.items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments
