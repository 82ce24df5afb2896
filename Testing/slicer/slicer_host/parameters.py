"""A small stand-in for ``slicer.parameterNodeWrapper``.

It knows nodes, numbers, texts, booleans and enums, and the widgets that a panel binds to them.
"""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import dataclass
from typing import Any, Callable, Optional

import slicer
import vtk

WIDGET_PROPERTY = "SlicerParameterName"


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the least and the greatest value."""

    minimum: float
    maximum: float


def module() -> types.ModuleType:
    """Return the stand-in module."""
    stand_in = types.ModuleType("slicer.parameterNodeWrapper")
    stand_in.parameterNodeWrapper = parameter_node_wrapper  # type: ignore[attr-defined]
    stand_in.WithinRange = WithinRange  # type: ignore[attr-defined]
    return stand_in


class Parameter:
    """One attribute of a wrapped class, kept as text or as a reference in the parameter node."""

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        self.name = name
        arguments = typing.get_args(annotation)
        annotated = typing.get_origin(annotation) is typing.Annotated
        kind = arguments[0] if annotated else annotation
        if typing.get_origin(kind) is typing.Union:
            kind = typing.get_args(kind)
            if type(None) not in kind:
                raise TypeError(f"{name}: a union of nodes must name None too, as in Slicer")
            kind = tuple(each for each in kind if each is not type(None))
        self.kind = kind
        self.notes = arguments[1:] if annotated else ()
        self.default = default

    @property
    def is_node(self) -> bool:
        """Whether the value is a node of the scene, of one class or of several."""
        return all(issubclass(kind, slicer.vtkMRMLNode) for kind in self.node_classes)

    @property
    def node_classes(self) -> tuple[type, ...]:
        """The classes of the value."""
        return self.kind if isinstance(self.kind, tuple) else (self.kind,)

    def __get__(self, owner: Any, owner_type: Optional[type] = None) -> Any:
        """Read the value."""
        if self.is_node:
            return owner.parameterNode.GetNodeReference(self.name)
        if not owner.parameterNode.HasParameter(self.name):  # of a scene that was closed
            self.__set__(owner, self.default)
        text = owner.parameterNode.GetParameter(self.name)
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        return text == "True" if self.kind is bool else self.kind(text)

    def __set__(self, owner: Any, value: Any) -> None:
        """Check and write the value."""
        for note in self.notes:
            if isinstance(note, WithinRange) and not note.minimum <= value <= note.maximum:
                raise ValueError(f"{self.name} = {value} is not within {note}")
        may_be_none = self.is_node and value is None
        if not may_be_none and not isinstance(value, self.kind):
            raise ValueError(f"{self.name} = {value!r} is not a {self.kind}")
        if self.is_node:
            owner.parameterNode.SetNodeReferenceID(self.name, value.GetID() if value else None)
        else:
            text = value.name if isinstance(value, enum.Enum) else str(value)
            owner.parameterNode.SetParameter(self.name, text)


class Wrapper:
    """What a wrapped class can do."""

    allParameters: dict[str, Parameter]

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._bindings: dict[int, list[tuple[Parameter, Any, Callable[[], None]]]] = {}
        self._observers: dict[int, int] = {}
        self._showing = False
        for name, parameter in self.allParameters.items():
            if not parameter.is_node and not parameterNode.HasParameter(name):
                setattr(self, name, parameter.default)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        """Observe the parameter node."""
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        """Stop observing the parameter node."""
        self.parameterNode.RemoveObserver(tag)

    def connectGui(self, gui: Any) -> None:
        """Bind the widgets that name a parameter, both ways; returns no tag, as in Slicer 5.8."""
        named = {widget.property(WIDGET_PROPERTY): widget for widget in vars(gui).values()}
        self.connectParametersToGui({name: named[name] for name in named if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Bind widgets to parameters, by their names, and return the tag of the binding."""
        tag = len(self._observers)
        self._bindings[tag] = []
        for name, widget in mapping.items():
            self._bind(tag, self.allParameters[name], widget)
        self._show()
        self._observers[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show)
        return tag

    def disconnectGui(self, tag: Optional[int]) -> None:
        """Undo :meth:`connectParametersToGui`; an unknown tag is passed over, as in Slicer."""
        if tag not in self._observers:
            return
        self.RemoveObserver(self._observers.pop(tag))
        for _, widget, callback in self._bindings.pop(tag):
            _changed_signal(widget).disconnect(callback)

    def _bind(self, tag: int, parameter: Parameter, widget: Any) -> None:
        _prepare(widget, parameter)

        def changed(*args: Any) -> None:
            if not self._showing:
                setattr(self, parameter.name, _read(widget, parameter))

        self._bindings[tag].append((parameter, widget, changed))
        self._showing = True
        _write(widget, parameter, getattr(self, parameter.name))
        self._showing = False
        _changed_signal(widget).connect(changed)

    def _show(self, *args: Any) -> None:
        if self._showing:
            return
        self._showing = True
        for bindings in list(self._bindings.values()):
            for parameter, widget, _ in bindings:
                _write(widget, parameter, getattr(self, parameter.name))
        self._showing = False


def parameter_node_wrapper(wrapped: type) -> type:
    """Turn a class with annotated attributes into a typed view of a parameter node."""
    hints = typing.get_type_hints(wrapped, include_extras=True)
    parameters = {
        name: Parameter(name, hint, getattr(wrapped, name, None)) for name, hint in hints.items()
    }
    body = {"__doc__": wrapped.__doc__, "allParameters": parameters, **parameters}
    return type(wrapped.__name__, (Wrapper,), body)


def _prepare(widget: Any, parameter: Parameter) -> None:
    """Give a widget the range, the choices or the node types of its parameter."""
    if parameter.is_node:
        widget.nodeTypes = [kind.__name__ for kind in parameter.node_classes]
    elif issubclass(parameter.kind, enum.Enum):
        widget.clear()
        for member in parameter.kind:
            widget.addItem(getattr(parameter.kind, "label", lambda m: m.name)(member))
    for note in parameter.notes:
        widget.minimum, widget.maximum = note.minimum, note.maximum


def _changed_signal(widget: Any) -> Any:
    for name in ("currentNodeChanged", "currentIndexChanged", "valueChanged"):
        if hasattr(widget, name):
            return getattr(widget, name)
    return widget.toggled


def _read(widget: Any, parameter: Parameter) -> Any:
    if parameter.is_node:
        return widget.currentNode()
    if issubclass(parameter.kind, enum.Enum):
        return list(parameter.kind)[widget.currentIndex]
    return widget.checked if parameter.kind is bool else widget.value


def _write(widget: Any, parameter: Parameter, value: Any) -> None:
    if parameter.is_node:
        widget.setCurrentNode(value)
    elif issubclass(parameter.kind, enum.Enum):
        widget.currentIndex = list(parameter.kind).index(value)
    elif parameter.kind is bool:
        widget.checked = value
    else:
        widget.value = value
