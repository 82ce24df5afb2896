"""Loading a .ui file as Slicer does: only its widgets, only their properties and connections."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ElementTree
from typing import Any, Optional

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import pythonqt


class UiLoader:
    """``qt.QUiLoader`` for :func:`slicer.util.loadUI`."""

    def __init__(self, classes: dict[str, type]) -> None:
        self._classes = classes

    def load(self, file: Any) -> Any:
        """Return the widget of an open ``QFile``; raise where Slicer has not what the file asks."""
        root = ElementTree.parse(file.fileName()).getroot()
        for element in root.iter("widget"):
            self._check_widget(element)
        connections = _take(root, "connections")
        _take(root, "customwidgets")
        loader = _Loader(self._classes)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        pythonqt.PythonQtManners._host_loading = True
        try:
            widget: Any = loader.load(buffer)
        finally:
            pythonqt.PythonQtManners._host_loading = False
        widget._host_loader = loader  # keeps the Python side of the widgets alive
        self._connect(widget, connections)
        return widget

    def _check_widget(self, element: ElementTree.Element) -> None:
        class_name = element.get("class", "")
        if class_name not in self._classes:
            raise ValueError(f"The .ui file has a widget that is not known here: {class_name}")
        properties = self._classes[class_name]._api.properties  # type: ignore[attr-defined]
        for item in element.findall("property"):
            if item.get("stdset") != "0" and item.get("name") not in properties:
                raise ValueError(f"{class_name} has no property {item.get('name')!r} in Slicer")

    def _connect(self, widget: Any, connections: Optional[ElementTree.Element]) -> None:
        by_name = {
            child.objectName: child
            for child in [widget, *widget.findChildren()]
            if hasattr(type(child), "_api")
        }
        for connection in [] if connections is None else connections.findall("connection"):
            sender = by_name[connection.findtext("sender", "")]
            receiver = by_name[connection.findtext("receiver", "")]
            slot = connection.findtext("slot", "")
            if slot not in type(receiver)._api.slots:
                raise ValueError(f"{receiver.className()} has no slot {slot!r} in Slicer")
            # PySide6 crashes on the bound method of a widget of these classes; a function is safe.
            call = functools.partial(_call, receiver, slot.partition("(")[0])
            sender.connect(connection.findtext("signal", ""), call)


class _Loader(QtUiTools.QUiLoader):
    """Makes widgets of the stand-in's classes."""

    def __init__(self, classes: dict[str, type]) -> None:
        super().__init__()
        self._classes = classes
        self._kept: list[QtWidgets.QWidget] = []

    def createWidget(
        self, className: str, parent: Optional[QtWidgets.QWidget] = None, name: str = ""
    ) -> QtWidgets.QWidget:
        """Create a widget for Qt's form builder."""
        widget = self._classes[className](parent)
        QtCore.QObject.setObjectName(widget, name)
        self._kept.append(widget)
        return widget


def _call(receiver: Any, method: str, *arguments: Any) -> None:
    getattr(receiver, method)(*arguments)


def _take(root: ElementTree.Element, tag: str) -> Optional[ElementTree.Element]:
    """Remove a child element from the form and return it."""
    element = root.find(tag)
    if element is not None:
        root.remove(element)
    return element
