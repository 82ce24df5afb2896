"""The method that a quality stands for, and the list of the library's methods."""

from __future__ import annotations

import sys
from typing import Any, Optional

import qt
from slicer.i18n import tr as _

from ..ParameterNode import Quality
from ..Scene.VolumeNodes import holdsImage, isSlice

# What a quality stands for, for a volume or not: the first method whose networks are here. The
# methods of fetal heads go through a volume slice by slice, and make a fetal head of any brain:
# only who chooses one by hand gets it for a volume.
_METHODS = {
    (Quality.FAST, False): ("pix2pix2d", "cyclegan"),
    (Quality.FAST, True): ("pix2pix3d",),
    (Quality.BEST, False): ("ddic-guided", "ddic"),
    (Quality.BEST, True): ("pix2pix3d",),
}


class MethodChoice:
    """Keeps quality and method in step.

    A quality chooses a method; a method that is chosen by hand is no quality. Before the library
    is loaded there are no methods.
    """

    def __init__(self, qualityBox: Any, methodBox: Any, note: Any) -> None:
        """Fill a combo box of the qualities and one of the methods.

        :param note: label that says what a volume is taken for.
        """
        self._qualityBox = qualityBox
        self._note = note
        note.visible = False
        self._methodBox = methodBox
        self._before: tuple[Quality, bool] = (Quality.CHOSEN, False)
        self._parameterNode: Any = None
        self._isFilling = False
        methodBox.connect("currentIndexChanged(int)", self._onChosen)

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._parameterNode = parameterNode
        if parameterNode:
            self._before = (parameterNode.quality, isVolume(parameterNode.inputVolume))

    def update(self) -> None:
        """Bring both in step; called when a parameter changed or the library was loaded."""
        methods = knownMethods()
        if not methods:
            return
        chosen = self._parameterNode
        now = (chosen.quality, isVolume(chosen.inputVolume))
        before, self._before = self._before, now
        if chosen.method not in methods:
            chosen.method = _methodOf(Quality.BEST if now[0] is Quality.CHOSEN else now[0], now[1])
        wanted = _methodOf(*now)
        if wanted and chosen.method != wanted:
            if before == now:  # the method was changed
                self._before = (Quality.CHOSEN, now[1])
                chosen.quality = Quality.CHOSEN
            else:
                chosen.method = wanted
        self._fill(methods, now[1])

    def _fill(self, methods: dict[str, Any], ofVolume: bool) -> None:
        self._isFilling = True
        if self._methodBox.count != len(methods):
            self._methodBox.clear()
            for index, method in enumerate(methods.values()):
                self._methodBox.addItem(method.title, method.name)
                self._methodBox.setItemData(index, method.summary, qt.Qt.ToolTipRole)
        self._methodBox.currentIndex = self._methodBox.findData(self._parameterNode.method)
        for index, quality in enumerate(Quality):
            text, method = quality.label(), methods.get(_methodOf(quality, ofVolume))
            if method:
                title = method.title.partition(":")[0]
                text = _("{quality}: {method}").format(quality=text, method=title)
            self._qualityBox.setItemText(index, text)
        isByQuality = ofVolume and self._parameterNode.quality is not Quality.CHOSEN
        self._note.visible = isByQuality
        self._note.text = _(
            "A volume is taken for an adult brain; for a fetal head choose one of the methods for "
            "slices under Advanced."
        )
        self._isFilling = False

    def _onChosen(self, index: int) -> None:
        if not self._isFilling and self._parameterNode and index >= 0:
            self._parameterNode.method = self._methodBox.itemData(index)


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


def _methodOf(quality: Quality, ofVolume: bool) -> str:
    from USToMRILib.compute.bundle import list_bundles

    methods, installed = knownMethods(), set(list_bundles())
    names = [name for name in _METHODS.get((quality, ofVolume), ()) if name in methods]
    complete = (name for name in names if installed.issuperset(methods[name].bundles))
    return next(complete, names[-1] if names else "")
