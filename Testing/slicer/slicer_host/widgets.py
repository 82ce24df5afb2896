"""The widgets that Qt does not have: CTK's and MRML's, as far as the panel uses them."""

from __future__ import annotations

import weakref
from typing import Any, Callable

import shiboken6
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

_HEADER_HEIGHT = 24

# The priority at which Slicer's selectors hear of a node that is about to leave the scene.
_LATE = -10.0


class CollapsibleButton(QtWidgets.QAbstractButton):
    """``ctkCollapsibleButton``: a header that shows and hides what lies below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._host_collapsed = False
        self._host_forcing = False
        self._host_hidden: set[int] = set()  # by whoever set them up, as CTK keeps it
        self.setContentsMargins(0, _HEADER_HEIGHT, 0, 0)

    def nextCheckState(self) -> None:
        """Open or close, when the button is clicked."""
        self._host_set_collapsed(not self._host_collapsed)

    def _host_get_collapsed(self) -> bool:
        return self._host_collapsed

    def _host_set_collapsed(self, collapsed: bool) -> None:
        self._host_collapsed = collapsed
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                self._host_force(child, not collapsed and id(child) not in self._host_hidden)
        self.contentsCollapsed.emit(collapsed)

    def _host_force(self, child: QtWidgets.QWidget, visible: bool) -> None:
        self._host_forcing = True
        QtWidgets.QWidget.setVisible(child, visible)
        self._host_forcing = False

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Remember which children are hidden by others, and keep all hidden while collapsed."""
        kinds = QtCore.QEvent.Type
        if not self._host_forcing and isinstance(child, QtWidgets.QWidget):
            if event.type() == kinds.HideToParent:
                self._host_hidden.add(id(child))
            elif event.type() == kinds.ShowToParent:
                self._host_hidden.discard(id(child))
                if self._host_collapsed:
                    self._host_force(child, False)
        return False

    collapsed = QtCore.Property(bool, _host_get_collapsed, _host_set_collapsed)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """Hide what is added to a collapsed button."""
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget):
            QtCore.QObject.installEventFilter(child, self)
            if self._host_collapsed:
                self._host_force(child, False)
        super().childEvent(event)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw the header."""
        painter = QtGui.QPainter(self)
        width = QtCore.QObject.property(self, "width")
        painter.fillRect(0, 0, width, _HEADER_HEIGHT - 4, self.palette.button())  # type: ignore
        arrow = "▸" if self._host_collapsed else "▾"
        text = QtCore.QObject.property(self, "text")
        painter.drawText(6, _HEADER_HEIGHT - 9, f"{arrow}  {text}")
        painter.end()


class SliderWidget(QtWidgets.QWidget):
    """``ctkSliderWidget``: a slider with a spin box, of numbers that need not be whole."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._host_slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._host_box = QtWidgets.QDoubleSpinBox()
        layout = QtWidgets.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._host_slider)
        layout.addWidget(self._host_box)
        self.setLayout(layout)
        self._host_slider.valueChanged.connect(lambda value: self._host_box.setValue(value))
        self._host_box.valueChanged.connect(lambda value: self._host_changed(value))

    def _host_changed(self, value: float) -> None:
        self._host_slider.blockSignals(True)
        self._host_slider.setValue(round(value))
        self._host_slider.blockSignals(False)
        self.valueChanged.emit(value)


def _of_box(name: str, kind: Any) -> Any:
    """Return a Qt property that is one of the spin box's."""

    def read(self: Any) -> Any:
        return self._host_box.property(name)

    def write(self: Any, value: Any) -> None:
        self._host_box.setProperty(name, value)

    return QtCore.Property(kind, read, write)


def _slider_widget() -> type:
    numbers = {name: _of_box(name, float) for name in ("value", "singleStep")}
    limits = {name: _of_box(name, float) for name in ("minimum", "maximum")}
    others = {"decimals": _of_box("decimals", int), "suffix": _of_box("suffix", str)}
    return type("NumberSlider", (SliderWidget,), {**numbers, **limits, **others})


NumberSlider = _slider_widget()


class MRMLWidget(QtWidgets.QWidget):
    """``qMRMLWidget``: passes the scene on to the widgets in it."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._host_scene: Any = None

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._host_scene

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene and tell about it."""
        self._host_scene = scene
        self.mrmlSceneChanged.emit(scene)


class ModuleWidget(MRMLWidget):
    """``qSlicerScriptedLoadableModuleWidget``: the parent of a scripted module's panel."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._host_entered = False
        self.setLayout(QtWidgets.QVBoxLayout())

    def _host_is_entered(self) -> bool:
        return self._host_entered

    isEntered = QtCore.Property(bool, _host_is_entered)


class MRMLNodeComboBox(QtWidgets.QWidget):
    """``qMRMLNodeComboBox``: the nodes of some classes in a scene, and None where enabled."""

    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._host_scene: Any = None
        self._host_tags: list[int] = []
        self._host_settings: dict[str, Any] = {"nodeTypes": [], "showChildNodeTypes": True}
        self._host_box = QtWidgets.QComboBox()
        narrow = QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self._host_box.setSizeAdjustPolicy(narrow)
        layout = QtWidgets.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._host_box)
        self.setLayout(layout)
        self._host_box.currentIndexChanged.connect(lambda index: self._host_chosen())

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._host_scene

    def setMRMLScene(self, scene: Any) -> None:
        """Show the nodes of a scene, and follow it."""
        for tag in self._host_tags:
            self._host_scene.RemoveObserver(tag)
        self._host_scene = scene
        self._host_tags = []
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.EndCloseEvent):
                self._host_tags.append(scene.AddObserver(event, _filler(self)))
            leaving = scene.NodeAboutToBeRemovedEvent
            self._host_tags.append(scene.AddObserver(leaving, _remover(self), _LATE))
        self._host_fill()

    def currentNode(self) -> Any:
        """Return the chosen node."""
        node_id = self._host_box.currentData()
        return self._host_scene.GetNodeByID(node_id) if self._host_scene and node_id else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node, or the node of an id; none where it is not offered."""
        node_id = node.GetID() if isinstance(node, slicer.vtkMRMLNode) else node
        self._host_box.setCurrentIndex(self._host_box.findData(node_id or ""))

    def _host_chosen(self) -> None:
        self.currentNodeChanged.emit(self.currentNode())

    def _host_fill(self) -> None:
        """List the nodes anew; without None the real widget chooses the first node by itself."""
        box, before = self._host_box, self._host_box.currentData()
        box.blockSignals(True)
        box.clear()
        if self._host_settings.get("noneEnabled"):
            box.addItem(self._host_settings.get("noneDisplay", "None"), "")
        for node in self._host_nodes():
            box.addItem(node.GetName(), node.GetID())
        box.setCurrentIndex(max(box.findData(before), 0))
        box.blockSignals(False)
        if (box.currentData() or "") != (before or ""):
            self._host_chosen()

    def _host_remove(self, node: Any) -> None:
        """Forget a node; in the place of the chosen one Qt chooses the next, as in Slicer."""
        index = self._host_box.findData(node.GetID())
        if index >= 0 and not self._host_scene.IsClosing():
            self._host_box.removeItem(index)

    def _host_nodes(self) -> list[Any]:
        if self._host_scene is None:
            return []
        types, children = (
            self._host_settings["nodeTypes"],
            self._host_settings["showChildNodeTypes"],
        )
        hidden = self._host_settings.get("hideChildNodeTypes", [])
        nodes = [self._host_scene.GetNthNode(i) for i in range(self._host_scene.GetNumberOfNodes())]
        return [
            node
            for node in nodes
            if not node.GetHideFromEditors()
            and not any(node.IsA(t) for t in hidden)
            and any(node.GetClassName() == t or (children and node.IsA(t)) for t in types)
        ]


def _filler(widget: MRMLNodeComboBox) -> Callable[..., None]:
    """Return an observer that does nothing once its widget was destroyed."""
    reference = weakref.ref(widget)

    def fill(*args: Any) -> None:
        alive = reference()
        if alive is not None and shiboken6.isValid(alive):
            alive._host_fill()

    return fill


def _remover(widget: MRMLNodeComboBox) -> Callable[..., None]:
    """Return an observer likewise, of nodes that are about to leave the scene."""
    reference = weakref.ref(widget)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def remove(caller: Any, event: str, node: Any) -> None:
        alive = reference()
        if alive is not None and shiboken6.isValid(alive):
            alive._host_remove(node)

    return remove


def _setting(name: str, kind: Any, default: Any) -> Any:
    """Return a Qt property that is kept in ``_host_settings``."""

    def read(self: Any) -> Any:
        return self._host_settings.get(name, default)

    def write(self: Any, value: Any) -> None:
        self._host_settings[name] = value
        self._host_fill()

    return QtCore.Property(kind, read, write)


def _node_combo_box() -> type:
    kinds: dict[str, tuple[Any, Any]] = {
        name: ("QStringList", []) for name in ("nodeTypes", "hideChildNodeTypes")
    }
    for name in ("addEnabled", "removeEnabled", "renameEnabled", "editEnabled", "noneEnabled"):
        kinds[name] = (bool, False)
    for name in ("showChildNodeTypes", "selectNodeUponCreation", "showHidden"):
        kinds[name] = (bool, False)
    for name in ("noneDisplay", "baseName"):
        kinds[name] = (str, "")
    body = {name: _setting(name, kind, default) for name, (kind, default) in kinds.items()}
    return type("NodeComboBox", (MRMLNodeComboBox,), body)


NodeComboBox = _node_combo_box()
