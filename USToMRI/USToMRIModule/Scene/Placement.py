"""Slicer's mouse mode in which clicks in a view place the points of a markup."""

from __future__ import annotations

from typing import Any

import slicer


def startPlacing(markupsNode: Any) -> None:
    """Let the next clicks in a view be the points of a markup."""
    selection, interaction = modeNodes()
    selection.SetReferenceActivePlaceNodeClassName(markupsNode.GetClassName())
    selection.SetActivePlaceNodeID(markupsNode.GetID())
    interaction.SetPlaceModePersistence(0)
    interaction.SetCurrentInteractionMode(interaction.Place)


def stopPlacing() -> None:
    """Let clicks be what they are without it."""
    if isPlacing():
        modeNodes()[1].SwitchToViewTransformMode()


def isPlacing() -> bool:
    """Return whether the next click in a view is a point of a markup."""
    interaction = modeNodes()[1]
    return bool(interaction.GetCurrentInteractionMode() == interaction.Place)


def modeNodes() -> tuple[Any, Any]:
    """Return the scene's selection node and interaction node."""
    logic = slicer.app.applicationLogic()
    return logic.GetSelectionNode(), logic.GetInteractionNode()
