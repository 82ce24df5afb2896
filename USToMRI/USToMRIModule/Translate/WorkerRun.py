"""One job of the worker at a time: started by a button, followed in the panel, cancelled."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from slicer.i18n import tr as _

from ..Dependencies import DependenciesDeclined, ensureDependencies
from ..Worker.Coroutine import CoroutineRunner
from .LibraryLoading import loadLibrary


class WorkerRun:
    """Starts a job, having asked for the packages that it needs, and shows how far it is."""

    def __init__(self, ui: Any, requirementsPath: str, onChanged: Callable[[], None]) -> None:
        """Show nothing at work.

        :param ui: has ``cancelButton``, ``progressBar`` and ``statusLabel``.
        :param onChanged: called when something begins or ends.
        """
        self._ui = ui
        self._requirementsPath = requirementsPath
        self._onChanged = onChanged
        self._isWanted: Callable[[], bool] = lambda: True
        self._isInstalling = False
        self.job: Any = None
        ui.cancelButton.connect("clicked(bool)", self.cancel)

    @property
    def idle(self) -> bool:
        """Whether a job may be started."""
        return self.job is None and not self._isInstalling

    def start(self, begin: Callable[[], Any], isWanted: Callable[[], bool]) -> None:
        """Start a job.

        :param begin: returns the job; called when the library is loaded.
        :param isWanted: whether the user is still there then.
        """
        try:
            self._ensureDependencies()
        except DependenciesDeclined as declined:
            text = _("{reason} Press the button again to be asked again.")
            self.showMessage(text.format(reason=declined))
        except Exception as error:
            self._couldNotStart(error)
        else:
            self._isWanted = isWanted
            loading = CoroutineRunner(
                loadLibrary(), lambda _done, error: self._onLibraryLoaded(begin, error)
            )
            self.job = loading
            self._showRunning()
            loading.start()

    def cancel(self) -> None:
        """End what runs; the scene stays as it was."""
        if self.job:
            self.stop()
            self.showIdle()
            self.showMessage(_("Cancelled."))

    def stop(self) -> None:
        """End what runs without a word."""
        if self.job:
            self.job.cancel()
            self.job = None

    def ended(self, error: Optional[Exception]) -> bool:
        """Show that the job is over, and why it failed; return whether it did well."""
        self.job = None
        self.showIdle()
        if error is not None:
            self.showMessage(str(error))
        return error is None

    def showProgress(self, event: dict[str, Any]) -> None:
        """Show an event of the library's progress."""
        self._ui.progressBar.setRange(0, event["of"])
        self._ui.progressBar.setValue(event["step"])
        text = _("{phase}: step {step} of {of}").format(**{**event, "phase": _phase(event)})
        if event.get("eta_s") is not None:
            text += _(", about {seconds} s left").format(seconds=round(event["eta_s"]))
        self.showMessage(text)

    def showMessage(self, text: str) -> None:
        """Show a sentence for the user."""
        self._ui.statusLabel.text = text

    def showIdle(self) -> None:
        """Show that nothing is at work."""
        self._ui.cancelButton.enabled = False
        self._ui.progressBar.visible = False
        self._onChanged()

    def _showRunning(self) -> None:
        self._ui.cancelButton.enabled = True
        self._ui.progressBar.setRange(0, 0)
        self._ui.progressBar.visible = True
        self._onChanged()
        self.showMessage(_("Starting"))

    def _ensureDependencies(self) -> None:
        """Install what is missing; Slicer goes on meanwhile, and no button may start it again."""
        self._isInstalling = True
        self._onChanged()
        self.showMessage(_("Looking for PyTorch"))
        try:
            ensureDependencies(self._requirementsPath)
        finally:
            self._isInstalling = False
            self._onChanged()

    def _onLibraryLoaded(self, begin: Callable[[], Any], error: Optional[Exception]) -> None:
        self.job = None
        if not self._isWanted():
            self.showIdle()
            self.showMessage(_("Cancelled."))
            return
        try:
            if error:
                raise error
            job = begin()
        except Exception as problem:
            self.showIdle()
            self._couldNotStart(problem)
        else:
            if job.running:  # it may have failed and said so already
                self.job = job
            else:
                self.showIdle()

    def _couldNotStart(self, error: Exception) -> None:
        logging.error("USToMRI: the worker could not start", exc_info=error)
        self.showMessage(str(error))


def _phase(event: dict[str, Any]) -> str:
    """Return what the library does, in the user's words."""
    names = {
        "load": _("Loading the networks"),
        "head": _("Finding the head"),
        "midline": _("Finding the midline of the head"),
        "encode": _("Ultrasound to noise"),
        "decode": _("Noise to MRI"),
        "refine": _("Refining the MRI"),
        "samples": _("Drawing samples"),
        "generate": _("Ultrasound to MRI"),
        "windows": _("Ultrasound to MRI"),
        "slices": _("Translating the slices"),
        "volumes": _("Translating the volumes"),
        "residual": _("Residual map"),
    }
    name = names.get(event["phase"], event["phase"])
    if event["frames"] > 1:
        counted = _("Time point {frame} of {frames}").format(**event)
        return f"{counted}, {name}"
    return name
