"""A translation in a process of its own, so that Slicer stays usable while it runs.

The process is the library's command line. PythonQt holds the interpreter lock while Qt's event
loop runs, so a Python thread would starve; and a crash or an exhausted memory in another process
is a message, never the end of Slicer.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import qt
import slicer
from slicer.i18n import tr as _

from .ProcessTree import killProcessTree
from .VolumeNodes import Result

if TYPE_CHECKING:
    from USToMRILib import Volume

# Exit status of the command line for unusable arguments or input: stderr ends in one sentence
# that is meant for the user.
_UNUSABLE_INPUT = 2


class TranslationError(RuntimeError):
    """The process failed; the text says why, in words for the user."""


# Nobody else need hold on to a job: it is kept here while its process runs.
_running: set[TranslationJob] = set()

ProgressCallback = Callable[[dict[str, Any]], None]
FinishedCallback = Callable[[Optional[Result], Optional[Exception]], None]


def defaultCommand() -> list[str]:
    """Return the command line of the library, run by Slicer's own Python.

    :raises TranslationError: Slicer's Python is not where Slicer keeps it.
    """
    suffix = ".exe" if os.name == "nt" else ""
    beside = Path(slicer.app.slicerHome) / "bin" / f"PythonSlicer{suffix}"
    python = str(beside) if beside.is_file() else shutil.which("PythonSlicer")
    if not python:
        raise TranslationError(_("PythonSlicer is missing from this Slicer; install Slicer again."))
    return [python, "-m", "USToMRILib"]


class TranslationJob:
    """One run of the command line, with its files in a temporary folder of its own.

    Create it, call :meth:`start`; the callbacks come from Qt's event loop. ``onFinished`` is called
    once with the result or with the error, and never after :meth:`cancel`.
    """

    def __init__(
        self, command: list[str], onProgress: ProgressCallback, onFinished: FinishedCallback
    ) -> None:
        self._command = command
        self._onProgress = onProgress
        self._onFinished = onFinished
        self._folder: Optional[Path] = None
        self._cancelled = False
        self._unfinishedLine = ""
        self._lastWords: list[str] = []
        self._process = qt.QProcess()
        self._process.connect("readyReadStandardError()", self._readProgress)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._processFinished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._processFailed)

    @property
    def running(self) -> bool:
        """Whether the process runs and nobody cancelled it."""
        return self._folder is not None and not self._cancelled

    def start(self, volume: Volume, arguments: list[str]) -> None:
        """Write the volume to a file and start the process; return at once.

        :param arguments: options of ``translate`` on the command line.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="USToMRI-"))
        try:
            volume.write(self._path("input.nrrd"))
        except Exception:
            self._forgetFiles()
            raise
        environment = qt.QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONPATH", _libraryPath(environment.value("PYTHONPATH")))
        self._process.setProcessEnvironment(environment)
        files = [self._path("input.nrrd"), self._path("output.nrrd")]
        outputs = ["--provenance", self._path("provenance.json"), "--progress", "json"]
        program, *first = self._command
        _running.add(self)
        self._process.start(program, [*first, "translate", *files, *arguments, *outputs])

    def cancel(self) -> None:
        """End the process and all that it started; forget its files. Does nothing when it ended."""
        if not self.running:
            return
        self._cancelled = True
        pid = self._process.processId()
        if pid:
            killProcessTree(int(pid))
            # Until its end is known, its files are in use (Windows) and the object is needed.
            self._process.waitForFinished(1000)
        self._forgetFiles()

    def _path(self, name: str) -> str:
        assert self._folder is not None
        return str(self._folder / name)

    def _forgetFiles(self) -> None:
        # Later, because Qt must not find the process gone that is just telling about its end.
        qt.QTimer.singleShot(0, lambda: _running.discard(self))
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _readProgress(self) -> None:
        text = self._unfinishedLine + _text(self._process.readAllStandardError())
        *lines, self._unfinishedLine = text.split("\n")
        for line in lines:
            self._readLine(line.strip())

    def _readLine(self, line: str) -> None:
        event = _progressEvent(line)
        if event is None and line:
            logging.info("USToMRI: %s", line)
            self._lastWords = [*self._lastWords[-19:], line]
        elif event is not None and self.running:
            self._onProgress(event)

    def _processFailed(self, error: Any) -> None:
        """Report a process that could not be started; every other error also ends it."""
        if self.running and error == qt.QProcess.FailedToStart:
            self._finish(None, TranslationError(_("Slicer's Python could not be started.")))

    def _processFinished(self, exitCode: int, exitStatus: Any) -> None:
        if not self.running:
            return
        self._readProgress()
        self._readLine(self._unfinishedLine.strip())
        if exitStatus == qt.QProcess.CrashExit:
            message = _("The translation stopped unexpectedly; the computer may lack memory.")
            self._finish(None, TranslationError(message))
        elif exitCode != 0:
            self._finish(None, TranslationError(self._reason(exitCode)))
        else:
            self._finishWithFiles()

    def _reason(self, exitCode: int) -> str:
        if exitCode == _UNUSABLE_INPUT and self._lastWords:
            return self._lastWords[-1].removeprefix("ustomri: ")
        message = _("The translation failed (exit status {code}); Slicer's log has the details.")
        return message.format(code=exitCode)

    def _finishWithFiles(self) -> None:
        from USToMRILib import Volume

        try:
            volume = Volume.read(self._path("output.nrrd"))
            text = Path(self._path("provenance.json")).read_text(encoding="utf-8")
            result = Result(volume, json.loads(text))
        except (OSError, ValueError, RuntimeError) as error:
            logging.exception("USToMRI: the result could not be read")
            message = _("The result could not be read: {error}").format(error=error)
            self._finish(None, TranslationError(message))
            return
        self._finish(result, None)

    def _finish(self, result: Optional[Result], error: Optional[Exception]) -> None:
        self._forgetFiles()
        self._onFinished(result, error)


def _progressEvent(line: str) -> Optional[dict[str, Any]]:
    """Return the event in a line of ``--progress json``, None where the line is something else."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "phase" in event else None


def _libraryPath(pythonPath: str) -> str:
    """Return a PYTHONPATH on which the process finds the same USToMRILib as Slicer."""
    import USToMRILib

    folder = str(Path(USToMRILib.__file__).parent.parent)
    return os.pathsep.join([folder, pythonPath]) if pythonPath else folder


def _text(data: Any) -> str:
    """Return the text of a QByteArray; ``data()`` is bytes or, in some PythonQt, already text."""
    content = data.data()
    return content if isinstance(content, str) else bytes(content).decode("utf-8", "replace")
