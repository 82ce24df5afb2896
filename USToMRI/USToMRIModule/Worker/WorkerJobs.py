"""What the panel has the worker do: translate images, find a head, list the devices."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional, Protocol

from slicer.i18n import tr as _

from ..Scene.VolumeNodes import Result
from .Coroutine import Coroutine, CoroutineRunner
from .VolumeReading import readVolume
from .VolumeWriting import writeFrames, writeVolume
from .WorkerClient import Handlers, WorkerError

if TYPE_CHECKING:
    from USToMRILib import Volume

# What a method may make besides, as the library calls it.
MAPS = ("residual", "uncertainty", "tissues")

ProgressCallback = Callable[[dict[str, Any]], None]


class Worker(Protocol):
    """What does the commands: :class:`.WorkerClient.WorkerClient`, or a stand-in of a test."""

    def send(self, task: str, arguments: dict[str, Any], handlers: Handlers) -> int:
        """Begin with a task, return its number, and call the handlers later or at once."""

    def cancel(self, number: int) -> None:
        """Stop a task; its handlers are not called any more."""

    def wait(self) -> None:
        """Wait a moment for what there is to tell to the handlers."""


class Image(Protocol):
    """An image to translate, such as :class:`.TranslationInput.TranslationInput`.

    head - a mask on the same grid, "none", or None to look for the head
    """

    @property
    def head(self) -> Any:
        """Return what is known about the head."""

    def volume(self) -> Volume:
        """Return its voxels and where they lie."""


class Command(NamedTuple):
    """A task of the worker with its arguments, and the images it reads, by their files' names."""

    task: str
    arguments: dict[str, Any]
    images: dict[str, Volume]


class WorkerJob:
    """Commands for the worker, one after the other, with files in a temporary folder of their own.

    The callbacks come from Qt's event loop. ``onFinished`` is called once, with the answer and None
    or with None and the error, and never after :meth:`cancel`.
    """

    def __init__(
        self,
        worker: Worker,
        onFinished: Callable[[Any, Optional[Exception]], None],
        onProgress: Optional[ProgressCallback] = None,
    ) -> None:
        self._worker = worker
        self._onFinished = onFinished
        self._onProgress = onProgress or (lambda event: None)
        self._folder: Optional[Path] = None
        self._exchange: Optional[CoroutineRunner] = None
        self._number = 0

    @property
    def running(self) -> bool:
        """Whether the job was started and has neither ended nor been cancelled."""
        return self._folder is not None

    def start(self) -> None:
        """Begin with the first command; return at once."""
        self._folder = Path(tempfile.mkdtemp(prefix="USToMRI-"))
        self._goOn()

    def cancel(self) -> None:
        """Stop within a second and forget the files. Does nothing when the job has ended."""
        if self.running:
            if self._exchange:
                self._exchange.cancel()
            self._worker.cancel(self._number)
            self._forgetFiles()

    def wait(self, isCancelled: Callable[[], bool] = lambda: False) -> None:
        """Go on until the job has ended; Qt's event loop need not run.

        :param isCancelled: asked now and then whether the job is to be cancelled.
        """
        while self.running:
            if isCancelled():
                self.cancel()
            elif self._exchange and self._exchange.running:
                self._exchange.finish()
            else:
                self._worker.wait()

    def _nextCommand(self) -> Optional[Command]:
        """Return the next command; None at the end."""
        raise NotImplementedError

    def _take(self, answer: Any) -> Coroutine:
        """Keep the answer to a command, and the images that it wrote."""
        raise NotImplementedError

    def _answer(self) -> Any:
        """Return the answer to the whole job."""
        raise NotImplementedError

    def _report(self, event: dict[str, Any]) -> None:
        self._onProgress(event)

    def _goOn(self) -> None:
        try:
            command = self._nextCommand()
        except Exception as error:  # Qt calls this: nobody above could tell the user
            self._finish(None, error)
            return
        if command is None:
            self._finish(self._answer(), None)
            return
        message = _("The image could not be handed to the translation: {error}")
        task, arguments = command.task, command.arguments
        self._runCoroutine(
            self._write(command.images), message, lambda: self._send(task, arguments)
        )

    def _write(self, images: dict[str, Volume]) -> Coroutine:
        for name, volume in images.items():
            yield from writeVolume(self._path(name), volume)

    def _send(self, task: str, arguments: dict[str, Any]) -> None:
        handlers = Handlers(self._report, self._done, self._failed)
        self._number = self._worker.send(task, arguments, handlers)

    def _done(self, answer: Any) -> None:
        # The next command waits, because it writes the same files.
        message = _("The result could not be read: {error}")
        self._runCoroutine(self._take(answer), message, self._goOn)

    def _failed(self, error: Exception) -> None:
        file = str(self._path("input.mhd"))  # of which the user knows nothing
        text = str(error).replace(f"{file}: ", "").replace(file, _("The image"))
        if text != str(error):
            error = type(error)(text)
        self._finish(None, error)

    def _runCoroutine(self, coroutine: Coroutine, message: str, then: Callable[[], None]) -> None:
        """Write or read files while Qt's event loop goes on; then go on, or end with a message."""

        def ended(answer: Any, error: Optional[Exception]) -> None:
            if error is None:
                then()
            else:
                self._finish(None, WorkerError(message.format(error=error)))

        self._exchange = CoroutineRunner(coroutine, ended)
        self._exchange.start()

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
    """Translates images; the answer is a list with a result for each."""

    def __init__(
        self,
        worker: Worker,
        images: Sequence[Image],
        method: str,
        options: dict[str, Any],
        onFinished: Callable[[Any, Optional[Exception]], None],
        onProgress: Optional[ProgressCallback] = None,
    ) -> None:
        """Create the job.

        :param options: of the method, by name, with "device" and maps that are wanted; None: not
            given.
        """
        WorkerJob.__init__(self, worker, onFinished, onProgress)
        self._images = images
        given = {name: value for name, value in options.items() if value is not None}
        self._maps = [name for name in MAPS if given.pop(name, False)]
        self._asked = {"method": method, "device": given.pop("device", "auto"), "options": given}
        self._results: list[Result] = []

    def _nextCommand(self) -> Optional[Command]:
        if len(self._results) == len(self._images):
            return None
        frame = self._images[len(self._results)]
        images = {"input.mhd": frame.volume()}
        arguments = {
            **self._asked,
            "input": str(self._path("input.mhd")),
            "output": str(self._path("output.mha")),
            "head": frame.head,
            "maps": {name: str(self._path(f"{name}.mha")) for name in self._maps},
            "compress": False,
        }
        if frame.head not in (None, "none"):
            images["head.mhd"] = frame.head
            arguments["head"] = str(self._path("head.mhd"))
        return Command("translate", arguments, images)

    def _take(self, answer: Any) -> Coroutine:
        made = yield from readVolume(self._path("output.mha"))
        maps = {}
        for name in self._maps:
            maps[name] = (yield from readVolume(self._path(f"{name}.mha"))).volume
        samples = []
        for path in self._samplePaths():
            samples.append((yield from readVolume(path)).volume)
        record = answer["provenance"]
        self._results.append(Result(made.volume, record, maps, made.image, tuple(samples)))

    def _samplePaths(self) -> Iterator[Path]:
        """Return the files of the samples that the task has written."""
        from USToMRILib.files import sample_path

        paths = (sample_path(self._path("output.mha"), number) for number in itertools.count(1))
        return itertools.takewhile(Path.exists, paths)

    def _answer(self) -> list[Result]:
        return self._results

    def _report(self, event: dict[str, Any]) -> None:
        counted = {"frame": len(self._results) + 1, "frames": len(self._images)}
        self._onProgress({**event, **counted})


class CineJob(TranslationJob):
    """Translates flat frames that follow each other in one task: the head is followed through them.

    seconds - when each was taken, from the first; empty where that is not known
    """

    seconds: Sequence[float] = ()

    def _nextCommand(self) -> Optional[Command]:
        command = super()._nextCommand()
        if command is None:
            return None
        images = {name: volume for name, volume in command.images.items() if name != "input.mhd"}
        return command._replace(arguments={**command.arguments, "frame": "all"}, images=images)

    def _write(self, images: dict[str, Volume]) -> Coroutine:
        volumes = (image.volume() for image in self._images)
        yield from writeFrames(self._path("input.mhd"), volumes, self.seconds)
        yield from super()._write(images)

    def _take(self, answer: Any) -> Coroutine:
        every = {}
        for name in ("output", *self._maps):
            every[name] = (yield from readVolume(self._path(f"{name}.mha"))).volume.array
        like = self._images[0].volume()
        for number in range(len(self._images)):
            frame = slice(number, number + 1)
            made = {name: like.with_array(array[frame]) for name, array in every.items()}
            output = made.pop("output")
            self._results.append(Result(output, answer["provenance"], made))

    def _report(self, event: dict[str, Any]) -> None:
        self._onProgress({**event, "frame": 1, "frames": 1})


class QuestionJob(WorkerJob):
    """Asks the worker one thing; its answer is the job's."""

    _found: Any = None

    def _question(self) -> Command:
        raise NotImplementedError

    def _nextCommand(self) -> Optional[Command]:
        return self._question() if self._found is None else None

    def _take(self, answer: Any) -> Coroutine:
        yield
        self._found = answer

    def _answer(self) -> Any:
        return self._found


class HeadJob(QuestionJob):
    """Looks for the head in one image; the answer is that of ``ustomri head``."""

    def __init__(
        self,
        worker: Worker,
        volume: Volume,
        device: str,
        onFinished: Callable[[Any, Optional[Exception]], None],
    ) -> None:
        WorkerJob.__init__(self, worker, onFinished)
        self._volume = volume
        self._device = device

    def _question(self) -> Command:
        arguments = {"input": str(self._path("input.mhd")), "device": self._device}
        return Command("head", arguments, {"input.mhd": self._volume})


class DevicesJob(QuestionJob):
    """Asks where the networks can run; the answer is the list of ``ustomri devices``."""

    def _question(self) -> Command:
        return Command("devices", {}, {})

    def _answer(self) -> Any:
        return self._found["devices"]
