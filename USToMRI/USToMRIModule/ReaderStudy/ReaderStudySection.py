"""The part of the panel that makes a reader study, a page for the web browser."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import qt
import slicer
from slicer.i18n import tr as _

from ..Dependencies import ensureDependencies
from ..ParameterNode import bind
from .ScenePairs import scenePairs

if TYPE_CHECKING:
    from USToMRILib.reader_study.pairs import StudyPair

_PAGE_NAME = "reader_study.html"


class ReaderStudySection:
    """Makes the page out of the scene's pairs or those of a folder, and opens it."""

    def __init__(self, parentLayout: Any, logic: Any, resourcePath: Callable[[str], str]) -> None:
        """Add the section to a layout.

        :param resourcePath: returns the path of a file in the module's Resources.
        """
        uiWidget = slicer.util.loadUI(resourcePath("UI/ReaderStudy.ui"))
        parentLayout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self._parameterNode: Any = None
        self._guiTag: Any = None
        self.ui.sceneButton.connect("clicked(bool)", self.onMakeFromScene)
        self.ui.folderButton.connect("clicked(bool)", self.onMakeFromFolder)
        self._showMessage("")

    def cleanup(self) -> None:
        """Let go of everything; called when the application closes or the module is reloaded."""
        self.setParameterNode(None)

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._guiTag = bind(self._parameterNode, self.ui)
        self._showMessage("")

    def onMakeFromScene(self, checked: bool = False) -> None:
        """Make the page out of the pseudo-MRIs in the scene."""
        self._make(scenePairs)

    def onMakeFromFolder(self, checked: bool = False) -> None:
        """Ask for a folder and make the page out of its pairs."""
        from USToMRILib.reader_study.pairs import read_pairs

        title = _("Folder that holds the folders ultrasound and pseudo_mri")
        folder = qt.QFileDialog.getExistingDirectory(None, title)
        if folder:
            self._make(lambda: read_pairs(Path(folder)))

    def _make(self, findPairs: Callable[[], tuple[list[StudyPair], list[str]]]) -> None:
        """Ask where to, write the page there and open it; say in words what is wrong."""
        from USToMRILib import InputError
        from USToMRILib.reader_study.study import write_study

        try:
            ensureDependencies(withTorch=False)
            pairs, problems = findPairs()
            if not pairs:
                text = _("The scene holds no pseudo-MRI together with its ultrasound.")
                raise InputError(" ".join([text, *problems]))
            title, kinds = _("Save the reader study"), _("Web page (*.html)")
            path = qt.QFileDialog.getSaveFileName(None, title, _PAGE_NAME, kinds)
            if not path:
                return
            # Without it, no browser would open the file.
            path = path if path.lower().endswith((".html", ".htm")) else f"{path}.html"
            blinded, seed = self.ui.blindedCheckBox.checked, self.ui.seedSpinBox.value
            write_study(Path(path), pairs, blinded=blinded, seed=seed)
        except InputError as error:
            self._showMessage(str(error))
            return
        except Exception as error:
            logging.exception("USToMRI: the reader study could not be made")
            self._showMessage(str(error))
            return
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(path))
        made = _("Made {path} of {count} pairs.").format(path=path, count=len(pairs))
        self._showMessage(" ".join([made, *problems]))

    def _showMessage(self, text: str) -> None:
        self.ui.studyStatusLabel.text = text
        self.ui.studyStatusLabel.visible = bool(text)
