"""The options of a method as fields of the panel, made from what the library says of them."""

from __future__ import annotations

import json
from typing import Any, Callable, Optional

import qt
from slicer.i18n import tr as _

from .MethodChoice import isVolume, knownMethods

# Maps that are made unless the user says no.
_USUAL_MAPS = ("tissues",)

# Of numbers without a limit of their own.
_MOST = 999999


class OptionFields:
    """Shows a field for every option of the chosen method, and for every map that it offers."""

    def __init__(self, widget: Any) -> None:
        """Fill a widget that has a layout."""
        self._layout = widget.layout()
        self._shown = ""
        self._container: Any = None
        self._parameterNode: Any = None
        self._writers: dict[str, Callable[[Any], None]] = {}
        self.fields: dict[str, Any] = {}

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._parameterNode = parameterNode

    def update(self) -> None:
        """Show the fields of the chosen method, and what is chosen in them."""
        method = knownMethods().get(self._parameterNode.method)
        if method is None:
            return
        if method.name != self._shown:
            self._shown = method.name
            self._build(method)
        chosen = chosenOptions(self._parameterNode, method.name)
        for option in method.option_list:
            self._writers[option.name](chosen.get(option.name, option.default))
        for name in method.offers:
            self.fields[name].checked = chosen.get(name, name in _USUAL_MAPS)
        if "axis" in self.fields:
            self.fields["axis"].enabled = isVolume(self._parameterNode.inputVolume)

    def values(self) -> dict[str, Any]:
        """Return the options of the chosen method that are not the default, and its maps."""
        method = knownMethods()[self._parameterNode.method]
        chosen = chosenOptions(self._parameterNode, method.name)
        known = {option.name: option for option in method.option_list}
        options = {name: value for name, value in chosen.items() if name in known}
        maps = {name: chosen.get(name, name in _USUAL_MAPS) for name in method.offers}
        return {**options, **{name: True for name, wanted in maps.items() if wanted}}

    def _build(self, method: Any) -> None:
        if self._container is not None:
            self._container.hide()
            self._container.deleteLater()
        self._container, self.fields, self._writers = qt.QWidget(), {}, {}
        form = qt.QFormLayout(self._container)
        form.setContentsMargins(0, 0, 0, 0)
        for option in method.option_list:
            field, write = self._field(option)
            field.toolTip = option.help
            self.fields[option.name], self._writers[option.name] = field, write
            form.addRow(_("{name}:").format(name=_title(option.name)), field)
        for name, help_text in method.offers.items():
            box = qt.QCheckBox(_("Map of the {name}").format(name=name))
            box.toolTip = help_text
            box.connect("toggled(bool)", lambda value, name=name: self._set(name, value))
            self.fields[name] = box
            form.addRow("", box)
        self._layout.addWidget(self._container)

    def _field(self, option: Any) -> tuple[Any, Callable[[Any], None]]:
        """Return a widget for an option, and what writes a value into it."""
        if option.choices:
            return self._choiceField(option)
        if option.type is bool:
            box = qt.QCheckBox()
            box.connect("toggled(bool)", lambda value: self._set(option.name, value))
            return box, lambda value: setattr(box, "checked", value)
        return self._numberField(option)

    def _choiceField(self, option: Any) -> tuple[Any, Callable[[Any], None]]:
        box = qt.QComboBox()
        box.addItems(list(option.choices))

        def changed(index: int) -> None:
            self._set(option.name, option.choices[index])

        def write(value: Any) -> None:
            box.currentIndex = option.choices.index(value) if value in option.choices else 0

        box.connect("currentIndexChanged(int)", changed)
        return box, write

    def _numberField(self, option: Any) -> tuple[Any, Callable[[Any], None]]:
        isWhole = option.type is int
        box = qt.QSpinBox() if isWhole else qt.QDoubleSpinBox()
        least = option.least or 0
        if option.default is None:  # the lowest value stands for it
            least -= 1
            box.specialValueText = _("Default of the method")
        box.minimum, box.maximum = least, option.most or _MOST

        def changed(value: Any) -> None:
            self._set(option.name, None if option.default is None and value == least else value)

        box.connect("valueChanged(int)" if isWhole else "valueChanged(double)", changed)
        return box, lambda value: setattr(box, "value", least if value is None else value)

    def _set(self, name: str, value: Any) -> None:
        """Keep a value of the chosen method; its default is not kept."""
        if self._parameterNode is None or self._parameterNode.method != self._shown:
            return
        method = knownMethods()[self._shown]
        usual = {option.name: option.default for option in method.option_list}
        usual.update({each: each in _USUAL_MAPS for each in method.offers})
        every = _parsed(self._parameterNode.options)
        chosen = chosenOptions(self._parameterNode, self._shown)
        if value == usual[name]:
            chosen.pop(name, None)
        else:
            chosen[name] = value
        every.pop(self._shown, None)
        if chosen:
            every[self._shown] = chosen
        text = json.dumps(every, sort_keys=True)
        if text != self._parameterNode.options:
            self._parameterNode.options = text


def chosenOptions(parameterNode: Any, method: str) -> dict[str, Any]:
    """Return the options and maps of a method that are not the default, by name."""
    chosen = _parsed(parameterNode.options).get(method, {})
    return chosen if isinstance(chosen, dict) else {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError:  # of a scene that somebody else wrote
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
