"""The modules ``qt`` and ``ctk`` and the widget classes in ``slicer``."""

from __future__ import annotations

import os
import sys
import types
from typing import Any, Callable

import slicer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtGui, QtWidgets

from . import api, pythonqt, ui, widgets

_WIDGETS = (
    "QCheckBox", "QComboBox", "QDoubleSpinBox", "QFrame", "QGroupBox", "QLabel", "QLineEdit",
    "QMenu", "QProgressBar", "QPushButton", "QSlider", "QSpinBox", "QTableWidget",
    "QToolButton", "QWidget",
)  # fmt: skip

# Classes whose objects are no widgets of the panel: PySide6's own are near enough.
_PLAIN = {
    QtCore: ("QByteArray", "QEventLoop", "QFile", "QProcessEnvironment", "QSettings", "QSize",
             "Qt"),
    QtGui: ("QColor", "QIcon", "QPixmap"),
    QtWidgets: ("QFormLayout", "QGridLayout", "QHBoxLayout", "QSizePolicy", "QVBoxLayout"),
}  # fmt: skip


def install() -> None:
    """Put ``qt``, ``ctk`` and Slicer's widget classes in place, once."""
    if "qt" in sys.modules:
        return
    pythonqt.keep_constants()
    pythonqt.application()
    qt_classes = _qt_classes()
    ctk_classes = {
        "ctkCollapsibleButton": pythonqt.make_class(
            "ctk.ctkCollapsibleButton", widgets.CollapsibleButton
        ),
        "ctkSliderWidget": pythonqt.make_class("ctk.ctkSliderWidget", widgets.NumberSlider),
    }
    slicer_classes = {
        "qMRMLWidget": pythonqt.make_class("slicer.qMRMLWidget", widgets.MRMLWidget),
        "qMRMLNodeComboBox": pythonqt.make_class("slicer.qMRMLNodeComboBox", widgets.NodeComboBox),
        "qSlicerScriptedLoadableModuleWidget": pythonqt.make_class(
            "slicer.qSlicerScriptedLoadableModuleWidget", widgets.ModuleWidget
        ),
    }
    all_widgets = {**qt_classes, **ctk_classes, **slicer_classes}
    qt_classes["QUiLoader"] = lambda: ui.UiLoader(all_widgets)
    sys.modules["qt"] = _module("qt", qt_classes)
    sys.modules["ctk"] = _module("ctk", ctk_classes)
    for name in api.names_of("slicer"):
        setattr(slicer, name, slicer_classes.get(name) or pythonqt.placeholder(f"slicer.{name}"))


def _qt_classes() -> dict[str, Any]:
    classes: dict[str, Any] = {
        name: pythonqt.make_class(f"qt.{name}", getattr(QtWidgets, name)) for name in _WIDGETS
    }
    classes["QAction"] = pythonqt.make_class("qt.QAction", QtGui.QAction)
    for name in ("QProcess", "QTimer"):
        classes[name] = pythonqt.make_class(f"qt.{name}", getattr(QtCore, name))
    for library, names in _PLAIN.items():
        classes.update({name: getattr(library, name) for name in names})
    return classes


def _module(name: str, classes: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(classes)
    module.__getattr__ = _unknown_name(name)  # type: ignore[method-assign]
    return module


def _unknown_name(module_name: str) -> Callable[[str], Any]:
    def look_up(name: str) -> Any:
        if name not in api.names_of(module_name):
            raise AttributeError(f"{module_name}.{name} is not a name in Slicer")
        return pythonqt.placeholder(f"{module_name}.{name}")

    return look_up
