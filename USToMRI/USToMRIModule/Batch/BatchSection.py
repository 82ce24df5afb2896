"""The part of the panel that translates many images: ``ustomri batch`` as its own process."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Callable, Optional

import qt
import slicer
from slicer.i18n import tr as _

from ..Dependencies import DependenciesDeclined
from ..ParameterNode import bind
from ..Translate.MethodChoice import knownMethods
from ..Translate.OptionFields import chosenOptions
from ..Worker.ProcessTree import killProcessTree
from ..Worker.WorkerClient import libraryEnvironment, textOf
from .DicomCases import writeCases

_PAGE, _TABLE = "summary.html", "dicom_database.csv"

# Exit codes of ``ustomri batch`` after which there is a summary: all done, or some failed.
_ENDED = (0, 3)


class BatchSection:
    """Runs over many images, shows how many are done, and opens the summary."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        self.logic = logic
        self._parameterNode: Any = None
        self._guiTag: Any = None
        self._process: Any = None
        self._output = Path()
        self._said = ""
        self._unfinishedLine = ""
        uiWidget = slicer.util.loadUI(resourcePath("UI/Batch.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.ui.batchButton.connect("clicked(bool)", self.onBatch)
        self.ui.databaseButton.connect("clicked(bool)", self.onDatabase)
        self.ui.batchCancelButton.connect("clicked(bool)", self.onCancel)
        self._showIdle("")

    def cleanup(self) -> None:
        """End what runs; called when the application closes or the module is reloaded."""
        self.setParameterNode(None)
        self._end()

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None. A run goes on."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._guiTag = bind(self._parameterNode, self.ui)

    def onBatch(self) -> None:
        """Ask for two folders and translate the images of the one into the other."""
        source = qt.QFileDialog.getExistingDirectory(None, _("Folder of the ultrasound images"))
        output = source and qt.QFileDialog.getExistingDirectory(None, _("Folder for the results"))
        if source and output:
            self.start(Path(source), Path(output))

    def onDatabase(self) -> None:
        """Ask for a folder and translate the ultrasound of the DICOM database into it."""
        output = qt.QFileDialog.getExistingDirectory(None, _("Folder for the results"))
        if output:
            self.startDatabase(Path(output))

    def onCancel(self) -> None:
        """Stop; what is complete stays."""
        self._end()
        self._showIdle(_("Cancelled; what is complete stays."))

    def startDatabase(self, output: Path) -> None:
        """Translate the ultrasound of the DICOM database into a folder."""
        table = output / _TABLE
        try:
            count = writeCases(table)
        except OSError as error:
            text = _("{table} could not be written ({error}); choose another folder.")
            self._showIdle(text.format(table=table, error=error.strerror))
            return
        if not count:
            text = _("The DICOM database holds no ultrasound; import it in the module DICOM first.")
            self._showIdle(text)
            return
        self.start(table, output)

    def start(self, source: Path, output: Path) -> None:
        """Translate the images of a folder, or those that a table names, into a folder."""
        try:
            program, *first = self.logic.libraryCommand()
        except DependenciesDeclined as declined:
            self._showIdle(str(declined))
            return
        except Exception as error:
            logging.exception("USToMRI: the batch could not start")
            self._showIdle(str(error))
            return
        self._output, self._said, self._unfinishedLine = output, "", ""
        process = self._process = qt.QProcess()
        process.setProcessEnvironment(libraryEnvironment())
        process.connect("readyReadStandardError()", self._readProgress)
        process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._onFailed)
        self.ui.batchButton.enabled = self.ui.databaseButton.enabled = False
        self.ui.batchCancelButton.enabled = True
        self.ui.batchProgressBar.visible = True
        self.ui.batchProgressBar.setRange(0, 0)
        self.ui.batchStatusLabel.text = _("Starting")
        process.start(program, [*first, "batch", str(source), str(output), *self._options()])

    def _options(self) -> list[str]:
        """Return the choices of the panel as words of the command line."""
        words = ["--resume", "--progress", "json"]
        chosen = self._parameterNode
        if chosen is None:
            return words
        words += ["--device", chosen.device.value]
        if chosen.batchPixelSize:
            words += ["--pixel-size", str(chosen.batchPixelSize)]
        if chosen.allFrames:
            words += ["--frame", "all"]
        method = knownMethods().get(chosen.method)
        if method is None:
            return words
        words += ["--method", method.name]
        values = chosenOptions(chosen, method.name)
        for option in method.option_list:
            if values.get(option.name) is not None:
                words += [option.flag, str(values[option.name])]
        return words

    def _readProgress(self) -> None:
        text = self._unfinishedLine + textOf(self._process.readAllStandardError())
        *lines, self._unfinishedLine = text.split("\n")
        for line in lines:
            try:
                event = json.loads(line)
                step, of = event["step"], event["of"]
            except (ValueError, KeyError, TypeError):  # a sentence
                self._said = line.partition("ustomri: ")[2].strip() or self._said
                logging.info("USToMRI: %s", line)
                continue
            self.ui.batchProgressBar.setRange(0, of)
            self.ui.batchProgressBar.setValue(step)
            text = _("{step} of {of} images, about {seconds:.0f} s left")
            self.ui.batchStatusLabel.text = text.format(step=step, of=of, seconds=event["eta_s"])

    def _onFailed(self, error: Any) -> None:
        """Report a process that could not be started; every other error also ends it."""
        if self._process is not None and error == qt.QProcess.FailedToStart:
            self._forgetProcess()
            self._showIdle(_("Slicer's Python could not be started."))

    def _forgetProcess(self) -> None:
        ended, self._process = self._process, None
        qt.QTimer.singleShot(0, lambda: ended)  # which is just telling about its end

    def _onFinished(self, exitCode: int, exitStatus: Any) -> None:
        if self._process is None:  # cancelled
            return
        self._readProgress()
        self._forgetProcess()
        page = self._output / _PAGE
        if exitCode in _ENDED and page.is_file():
            done = _("Done; {page} has the results.").format(page=page)
            self._showIdle(" ".join([done, self._said]).strip())
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page)))
        else:
            self._showIdle(self._said or _("The batch stopped; Slicer's log says why."))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.processId():
            killProcessTree(int(process.processId()))
            process.waitForFinished(1000)

    def _showIdle(self, text: str) -> None:
        self.ui.batchButton.enabled = self.ui.databaseButton.enabled = True
        self.ui.batchCancelButton.enabled = False
        self.ui.batchProgressBar.visible = False
        self.ui.batchStatusLabel.text = text
        self.ui.batchStatusLabel.visible = True
