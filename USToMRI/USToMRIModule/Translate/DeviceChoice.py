"""The devices in the panel, with the memory that is free on each."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ..ParameterNode import Device


class DeviceChoice:
    """Writes what the worker says of the devices into their combo box and a label below it."""

    def __init__(self, comboBox: Any, label: Any) -> None:
        """Show no more than the names, until :meth:`show`."""
        self._comboBox = comboBox
        self._label = label
        self._label.visible = False
        self._found: dict[str, dict[str, Any]] = {}

    def show(self, devices: list[dict[str, Any]]) -> None:
        """Show devices, each with its ``name``, ``label`` and ``free_bytes`` (None: not known)."""
        self._found = {device["name"]: device for device in devices}
        self.update()

    def update(self) -> None:
        """Write the texts again; called when the parameters' choices were filled in."""
        lines = []
        for index, device in enumerate(Device):
            found = self._found.get(device.value)
            text = device.label()
            if found:
                free = found["free_bytes"]
                lines.append(_withMemory(f"{text}: {found['label']}", free))
                text = _withMemory(text, free)
                self._comboBox.setItemData(index, found["label"], qt.Qt.ToolTipRole)
            elif self._found and device is not Device.AUTO:
                text = _("{device}, not on this computer").format(device=text)
            self._comboBox.setItemText(index, text)
        self._label.text = "\n".join(lines)
        self._label.visible = bool(lines)


def _withMemory(name: str, freeBytes: Any) -> str:
    if freeBytes is None:
        return name
    return _("{device}, {gigabytes:.1f} GB free").format(device=name, gigabytes=freeBytes / 1e9)
