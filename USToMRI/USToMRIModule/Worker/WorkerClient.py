"""The library's warm worker process, as Slicer sees it.

PythonQt holds the interpreter lock while Qt's event loop runs, so a Python thread would starve;
and a crash or an exhausted memory in another process is a message, never the end of Slicer. The
process is ``ustomri worker`` (see :mod:`USToMRILib.cli.worker`): it is started when there is
something to do, and PyTorch and the networks stay loaded in it until the module is closed.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Callable, NamedTuple

import qt
import slicer
from slicer.i18n import tr as _

from .ProcessTree import killProcessTree

# A cancelled command that has not ended by then is ended with its process.
_PATIENCE_MS = 500

# Of one wait for a reply without the event loop: Ctrl-C and a cancel are looked at in between.
_WAIT_MS = 100


class WorkerError(RuntimeError):
    """The worker could not do a command; the text says why, in words for the user."""


class Handlers(NamedTuple):
    """What is called, from Qt's event loop, about one command."""

    onProgress: Callable[[dict[str, Any]], None]
    onDone: Callable[[Any], None]
    onError: Callable[[Exception], None]


def defaultCommand() -> list[str]:
    """Return the command line of the library, run by Slicer's own Python.

    :raises WorkerError: Slicer's Python is not where Slicer keeps it.
    """
    suffix = ".exe" if os.name == "nt" else ""
    beside = Path(slicer.app.slicerHome) / "bin" / f"PythonSlicer{suffix}"
    python = str(beside) if beside.is_file() else shutil.which("PythonSlicer")
    if not python:
        raise WorkerError(_("PythonSlicer is missing from this Slicer; install Slicer again."))
    return [python, "-m", "USToMRILib"]


_shared: dict[tuple[str, ...], WorkerClient] = {}


def sharedWorker(command: list[str]) -> WorkerClient:
    """Return the one worker of a command line; it is started with its first command."""
    return _shared.setdefault(tuple(command), WorkerClient(command))


def stopWorkers() -> None:
    """End all shared workers, in the middle of a command if need be."""
    for worker in _shared.values():
        worker.stop()
    _shared.clear()


class WorkerClient:
    """Sends commands to a worker process, which it starts and, after a crash, starts again."""

    def __init__(self, command: list[str]) -> None:
        """Create the client; the process is started by :meth:`send`.

        :param command: the library's command line, without ``worker``.
        """
        self._command = command
        self._process: Any = None
        # What was sent, by its number; the handlers go when it is cancelled, the rest when it ends.
        self._commands: dict[int, dict[str, Any]] = {}
        self._handlers: dict[int, Handlers] = {}
        self._endedOnPurpose = False
        self._last = 0
        self._unfinishedLine = ""

    @property
    def processId(self) -> int:
        """The id of the process, 0 where none runs."""
        return int(self._process.processId()) if self._process else 0

    def send(self, task: str, arguments: dict[str, Any], handlers: Handlers) -> int:
        """Give the worker a task, after those that it has already; return its number.

        :param task: one of ``USToMRILib.cli.worker.TASKS``.
        :param arguments: of the task, by name; JSON.
        """
        self._last += 1
        command = {"id": self._last, "run": task, "with": arguments}
        self._commands[self._last] = command
        self._handlers[self._last] = handlers
        if self._process is None:
            self._start()
        self._write(command)
        return self._last

    def cancel(self, number: int) -> None:
        """Stop a command within a second; its handlers are not called any more."""
        if self._handlers.pop(number, None) is None:
            return
        self._write({"cancel": number})
        process = self._process

        def endIfBusy() -> None:
            isRunning = number == next(iter(self._commands), None)
            if isRunning and process is self._process:
                self._endedOnPurpose = True
                killProcessTree(self.processId)

        qt.QTimer.singleShot(_PATIENCE_MS, endIfBusy)

    def wait(self) -> None:
        """Wait a moment for replies and call the handlers; the event loop need not run."""
        if self._process:
            self._process.waitForReadyRead(_WAIT_MS)

    def stop(self) -> None:
        """End the process with all that it started; no handler is called any more."""
        self._handlers.clear()
        process = self._process
        if process and self.processId:
            killProcessTree(self.processId)
            # Until its end is known, its files are in use (Windows).
            process.waitForFinished(1000)

    def _start(self) -> None:
        process = qt.QProcess()
        process.setProcessEnvironment(libraryEnvironment())
        process.connect("readyReadStandardOutput()", self._readReplies)
        process.connect("readyReadStandardError()", self._readLog)
        process.connect("finished(int,QProcess::ExitStatus)", self._ended)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        self._process = process
        program, *first = self._command
        process.start(program, [*first, "worker"])

    def _write(self, request: dict[str, Any]) -> None:
        if self._process:  # where it could not be started, Windows has said so already
            self._process.write((json.dumps(request) + "\n").encode("ascii"))

    def _readReplies(self) -> None:
        text = self._unfinishedLine + textOf(self._process.readAllStandardOutput())
        *lines, self._unfinishedLine = text.split("\n")
        for line in lines:
            try:
                self._take(json.loads(line))
            except Exception:  # of who is told; what comes after it must not be lost
                logging.exception("USToMRI: a reply of the worker could not be used")

    def _readLog(self) -> None:
        for line in textOf(self._process.readAllStandardError()).splitlines():
            logging.info("USToMRI: %s", line)

    def _take(self, reply: dict[str, Any]) -> None:
        number = reply["id"]
        if "progress" in reply:
            if number in self._handlers:
                self._handlers[number].onProgress(reply["progress"])
            return
        self._commands.pop(number, None)
        handlers = self._handlers.pop(number, None)
        if handlers is None:
            return
        if "done" in reply:
            handlers.onDone(reply["done"])
        else:
            handlers.onError(_error(reply))

    def _failed(self, error: Any) -> None:
        """Report a process that could not be started; every other error also ends it."""
        if error == qt.QProcess.FailedToStart:
            self._forget(_("Slicer's Python could not be started."))

    def _ended(self, exitCode: int, exitStatus: Any) -> None:
        self._readLog()
        self._forget(_("The translation stopped unexpectedly; the computer may lack memory."))

    def _forget(self, message: str) -> None:
        """Let go of a process that has ended; the next command starts another one.

        Commands that waited behind one that was cancelled have done nothing wrong: they are given
        to the next process.
        """
        ended = self._process
        # Later, because Qt must not find the process gone that is just telling about its end.
        qt.QTimer.singleShot(0, lambda: ended)
        self._process = None
        self._unfinishedLine = ""
        running = next(iter(self._commands), None)
        waiting = {number: self._commands[number] for number in self._handlers}
        self._commands.clear()
        if self._endedOnPurpose or running not in self._handlers:
            self._endedOnPurpose = False
            self._sendAgain(waiting)
            return
        handlers, self._handlers = list(self._handlers.values()), {}
        for one in handlers:
            one.onError(WorkerError(message))

    def _sendAgain(self, commands: dict[int, dict[str, Any]]) -> None:
        self._commands.update(commands)
        if commands:
            self._start()
        for request in commands.values():
            self._write(request)


def _error(reply: dict[str, Any]) -> Exception:
    from USToMRILib import InputError

    if reply["kind"] == "input":  # a sentence of the library, which speaks English
        return InputError(reply["error"])
    if reply["kind"] == "memory":
        return WorkerError(_("The memory did not suffice; close other programs or crop the image."))
    message = _("The translation failed ({error}); Slicer's log has the details.")
    return WorkerError(message.format(error=reply["error"]))


def libraryEnvironment() -> Any:
    """Return an environment in which a process finds the same library as Slicer."""
    environment = qt.QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONPATH", _libraryPath(environment.value("PYTHONPATH")))
    return environment


def _libraryPath(pythonPath: str) -> str:
    """Return a PYTHONPATH on which the process finds the same USToMRILib as Slicer."""
    import USToMRILib

    folder = str(Path(USToMRILib.__file__).parent.parent)
    return os.pathsep.join([folder, pythonPath]) if pythonPath else folder


def textOf(data: Any) -> str:
    """Return the text of a QByteArray; ``data()`` is bytes or, in some PythonQt, already text."""
    content = data.data()
    return content if isinstance(content, str) else bytes(content).decode("utf-8", "replace")
