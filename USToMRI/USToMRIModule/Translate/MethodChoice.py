"""The method that a quality stands for, and the list of the library's methods."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple, Optional

import qt
from slicer.i18n import tr as _

from ..ParameterNode import Quality, Subject
from ..Scene.VolumeNodes import holdsImage, isSlice


class MethodChoice:
    """Keeps quality, subject and method in step.

    A quality chooses a method; where the library has one for each subject, only once the user has
    said whose brain the image shows. A method that is chosen by hand is no quality. Before the
    library is loaded there are no methods.
    """

    def __init__(self, ui: Any) -> None:
        """Fill the selectors of the panel.

        :param ui: the panel's widgets by name.
        """
        self._ui = ui
        self._before = _Asked(Quality.CHOSEN, "", Subject.UNKNOWN)
        self._methodBefore = ""
        self._parameterNode: Any = None
        self._isFilling = False
        self._showSubject(False)
        ui.methodSelector.connect("currentIndexChanged(int)", self._onChosen)

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._parameterNode = parameterNode
        if parameterNode:
            self._before = _Asked.of(parameterNode)
            self._methodBefore = parameterNode.method

    def update(self) -> None:
        """Bring all in step; called when a parameter changed or the library was loaded."""
        methods = knownMethods()
        if not methods:
            return
        from USToMRILib.methods import DEFAULT

        chosen = self._parameterNode
        asked, before = _Asked.of(chosen), self._before
        wanted, methodBefore = asked.method, self._methodBefore
        self._before, self._methodBefore = asked, chosen.method
        if chosen.method not in methods:
            self._setMethod(wanted or DEFAULT)
        elif asked != before:
            self._setMethod(wanted or chosen.method)
        elif chosen.method != (wanted or methodBefore):  # it was chosen by hand
            self._before = asked._replace(quality=Quality.CHOSEN)
            chosen.quality = Quality.CHOSEN
        self._fill(methods, _Asked.of(chosen))

    def reasonNotReady(self) -> str:
        """Return why there is no method yet, in words for the user; empty where there is one."""
        asked = _Asked.of(self._parameterNode)
        if not asked.candidates or asked.method:
            return ""
        return _("Choose above what the volume shows: each has its own method.")

    def _setMethod(self, name: str) -> None:
        self._methodBefore = name
        if self._parameterNode.method != name:
            self._parameterNode.method = name

    def _fill(self, methods: dict[str, Any], asked: _Asked) -> None:
        self._isFilling = True
        box = self._ui.methodSelector
        if box.count != len(methods):
            box.clear()
            for index, method in enumerate(methods.values()):
                box.addItem(method.title, method.name)
                box.setItemData(index, method.summary, qt.Qt.ToolTipRole)
        box.currentIndex = box.findData(self._parameterNode.method)
        for index, quality in enumerate(Quality):
            text, name = quality.label(), asked._replace(quality=quality).method
            if name:
                title = methods[name].title.partition(":")[0]
                text = _("{quality}: {method}").format(quality=text, method=title)
            self._ui.qualitySelector.setItemText(index, text)
        self._showSubject(len(asked.candidates) > 1)
        self._isFilling = False

    def _showSubject(self, isAsked: bool) -> None:
        self._ui.subjectLabel.visible = self._ui.subjectSelector.visible = isAsked

    def _onChosen(self, index: int) -> None:
        if not self._isFilling and self._parameterNode and index >= 0:
            self._parameterNode.method = self._ui.methodSelector.itemData(index)


class _Asked(NamedTuple):
    """What decides on the method.

    kind - "slice" or "volume", the library's words
    """

    quality: Quality
    kind: str
    subject: Subject

    @classmethod
    def of(cls, chosen: Any) -> _Asked:
        """Return what the parameters ask for."""
        kind = "volume" if isVolume(chosen.inputVolume) else "slice"
        return cls(chosen.quality, kind, chosen.subject)

    @property
    def candidates(self) -> list[Any]:
        """The methods that the quality stands for, one for each subject; none before loading."""
        library = sys.modules.get("USToMRILib.methods")
        return library.by_quality(self.quality.value, self.kind) if library else []

    @property
    def method(self) -> str:
        """The name of the one that is asked for; empty while that is open."""
        names = {method.subject: method.name for method in self.candidates}
        only = next(iter(names.values())) if len(names) == 1 else ""
        return names.get(self.subject.value, only)


def knownMethods() -> dict[str, Any]:
    """Return the library's methods by name; none before it is loaded."""
    library = sys.modules.get("USToMRILib.methods")
    return dict(library.METHODS) if library else {}


def takesSlices(name: str) -> bool:
    """Return whether a method translates single slices, as far as is known."""
    method = knownMethods().get(name)
    return method is None or "slice" in method.takes


def isVolume(node: Any) -> bool:
    """Return whether a node holds an image of several slices."""
    return bool(node and holdsImage(node) and not isSlice(node))
