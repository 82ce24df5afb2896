"""Where the head lies in which a pseudo-MRI was made."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from ..Scene.WorldSpace import worldFromIjk
from ..Synthetic.OutputNodes import PROVENANCE_ROLE, recordOf

_POINTS = 24


def headPoints(pseudoMri: Any) -> Optional[np.ndarray]:
    """Return points of the head's outline in the world (RAS, mm), [n, 3].

    None where the record of the image tells of no single head.
    """
    textNode = pseudoMri.GetNodeReference(PROVENANCE_ROLE)
    record = recordOf(textNode) if textNode else {}
    head = record.get("parameters", {}).get("head")
    spacing = record.get("input", {}).get("grid", {}).get("spacing")
    if not isinstance(head, dict) or "semi_axes_mm" not in head or not spacing:
        return None
    turns = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    onAxes = np.stack([np.cos(turns), np.sin(turns)], axis=-1) * head["semi_axes_mm"]
    c, s = np.cos(head["angle_rad"]), np.sin(head["angle_rad"])
    plane = onAxes @ np.array([[c, s], [-s, c]]) + head["centre_mm"]
    toWorld = worldFromIjk(pseudoMri)
    return np.array([toWorld.TransformPoint((*point, 0.0)) for point in plane / spacing[:2]])
