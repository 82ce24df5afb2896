"""The method that a quality stands for."""

from __future__ import annotations

from typing import Any, Optional

from slicer.i18n import tr as _

from ..ParameterNode import Method, Quality
from ..Scene.VolumeNodes import holdsImage, isSlice

_METHODS = {
    (Quality.FAST, False): Method.CYCLEGAN,
    (Quality.FAST, True): Method.PIX2PIX3D,
    (Quality.BEST, False): Method.DDIC,
    (Quality.BEST, True): Method.DDIC,
}


class MethodChoice:
    """Keeps quality and method in step: a quality chooses a method, a method that is chosen by hand
    is no quality."""

    def __init__(self, comboBox: Any) -> None:
        """Write into a combo box of the qualities which methods they stand for."""
        self._comboBox = comboBox
        self._before: tuple[Quality, bool] = (Quality.CHOSEN, False)
        self._parameterNode: Any = None

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._parameterNode = parameterNode
        if parameterNode:
            self._before = (parameterNode.quality, _isVolume(parameterNode.inputVolume))

    def update(self) -> None:
        """Bring both in step; called when a parameter changed."""
        chosen = self._parameterNode
        isVolume = _isVolume(chosen.inputVolume)
        wanted = _METHODS.get((chosen.quality, isVolume))
        before, self._before = self._before, (chosen.quality, isVolume)
        if wanted and chosen.method is not wanted:
            if before == self._before:  # the method was changed
                self._before = (Quality.CHOSEN, isVolume)
                chosen.quality = Quality.CHOSEN
            else:
                chosen.method = wanted
        self._showMethods(isVolume)

    def _showMethods(self, isVolume: bool) -> None:
        for index, quality in enumerate(Quality):
            method = _METHODS.get((quality, isVolume))
            text = quality.label()
            if method:
                text = _("{quality}: {method}").format(quality=text, method=method.name)
            self._comboBox.setItemText(index, text)


def _isVolume(node: Any) -> bool:
    return bool(node and holdsImage(node) and not isSlice(node))
