"""PySide6 classes with PythonQt's manners.

Qt properties are Python attributes, ``connect`` takes the signature as text, and what Slicer's
PythonQt does not know raises: an attribute, a new attribute, a signal. PythonQt itself is silent
about a wrong signal; a test must not be.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Any, Callable, Optional

from PySide6 import QtCore, QtWidgets

from . import api

# C++ asks Python for these as methods: as properties they would be called in an endless loop.
_VIRTUAL = frozenset({"sizeHint", "minimumSizeHint"})


# What PythonQt does silently when a property is set.
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"int": int, "QStringList": list}

# PySide6 looks these up on the object itself when a signal is connected.
_LOOKED_UP = frozenset({"connectNotify", "disconnectNotify"})


class PythonQtManners:
    """Mixed into a PySide6 class before it; ``_api`` says what the class offers in Slicer."""

    _api: api.ClassApi
    # PySide6 makes every child of a loaded form an attribute of the form; PythonQt does not.
    _host_loading = False

    def __getattribute__(self, name: str) -> Any:
        """Refuse what Slicer does not offer; names with an underscore are the stand-in's own."""
        hidden = name.startswith("_") or name in _LOOKED_UP
        if not hidden and name not in type(self)._api.names:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r} in Slicer")
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a Qt property; PythonQt refuses every other attribute on its objects."""
        if name == "name":
            name = "objectName"
        if name in type(self)._api.properties:
            kind = type(self)._api.properties[name]
            value = _CONVERSIONS.get(kind, lambda same: same)(value)
            if not QtCore.QObject.setProperty(self, name, value):  # type: ignore[arg-type]
                raise AttributeError(f"{name!r} of {type(self).__name__} cannot be set")
        elif name.startswith("_host"):
            super().__setattr__(name, value)
        elif PythonQtManners._host_loading:
            return
        else:
            raise AttributeError(f"PythonQt refuses the new attribute {name!r}")

    def connect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Connect a signal, given as in C++ without spaces."""
        return self._bound(signature, "connect", receiver)

    def disconnect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Undo :meth:`connect`."""
        return self._bound(signature, "disconnect", receiver)

    def _bound(self, signature: str, action: str, receiver: Callable[..., Any]) -> bool:
        if signature not in type(self)._api.signals:
            raise ValueError(f"{type(self).__name__} has no signal {signature!r} in Slicer")
        name, _, rest = signature.partition("(")
        signal = super().__getattribute__(name)
        if "vtk" not in rest:  # Qt's own signals may have several forms
            with contextlib.suppress(KeyError, IndexError, TypeError):
                signal = signal[signature]
        getattr(signal, action)(receiver)
        return True

    def findChildren(self, kind: Any = None) -> list[Any]:
        """Return all descendants that are Qt objects of a kind."""
        wanted = getattr(kind, "_host_qt_class", kind) or QtCore.QObject
        found = QtCore.QObject.findChildren(self, QtCore.QObject)  # type: ignore[call-overload]
        return [child for child in found if isinstance(child, wanted)]

    def className(self) -> str:
        """Return the name of the C++ class."""
        return type(self).__name__


def make_class(qualified_name: str, qt_class: type) -> type:
    """Return a class that behaves as PythonQt's wrapping of one of Slicer's classes."""
    class_api = api.of_class(qualified_name)
    body: dict[str, Any] = {"_api": class_api, "_host_qt_class": qt_class}
    for name in class_api.properties:
        declared = isinstance(getattr(qt_class, name, None), QtCore.Property)
        if name not in _VIRTUAL and not declared:
            body[name] = _QtProperty(name, getattr(qt_class, name, None))
    body["name"] = _QtProperty("objectName", None)
    # PySide6 finds its own of these before those of a base class.
    for name in ("connect", "disconnect", "findChildren"):
        body[name] = vars(PythonQtManners)[name]
    return type(qualified_name.partition(".")[2], (PythonQtManners, qt_class), body)


class _QtProperty:
    """A Qt property on objects; on the class what Qt has there (``QTimer.singleShot``)."""

    def __init__(self, name: str, on_class: Any) -> None:
        self._name = name
        self._on_class = on_class

    def __get__(self, owner: Any, owner_type: Optional[type] = None) -> Any:
        """Read the property."""
        return self._on_class if owner is None else QtCore.QObject.property(owner, self._name)

    def __set__(self, owner: Any, value: Any) -> None:
        """Write the property."""
        setattr(owner, self._name, value)


def placeholder(qualified_name: str) -> type:
    """Return a class for a name that Slicer has and this stand-in does not carry."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"The stand-in for Slicer does not carry {qualified_name}.")

    return type(qualified_name.partition(".")[2], (), {"__init__": refuse})


def keep_constants() -> None:
    """Keep None, True and False from being freed.

    PySide6 6.12 is built for Python 3.12, where they are immortal. Before, each None that it
    returns is one reference too few: after some thousand calls the interpreter aborts.
    """
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        for constant in (None, True, False):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40


def application() -> QtWidgets.QApplication:
    """Return the one QApplication of this process."""
    running = QtWidgets.QApplication.instance()
    if isinstance(running, QtWidgets.QApplication):
        return running
    return QtWidgets.QApplication(["slicer_host"])
