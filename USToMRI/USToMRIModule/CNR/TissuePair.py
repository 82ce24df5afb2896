"""The pair of regions that the tissues of a pseudo-MRI give: ventricles and white matter."""

from __future__ import annotations

from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ..Scene.RegionVoxels import Region, voxelsOf
from ..Scene.Segments import setSegment
from ..Scene.WorldSpace import worldSpacing
from ..Synthetic.TissueNodes import TISSUES_ROLE
from .CNRPairs import BACKGROUND, REGION, Pair, addPair

VENTRICLES, WHITE_MATTER = "VENTRICLES", "WHITE_MATTER"
BESIDE = "WHITE_MATTER_BESIDE_VENTRICLES"

# mm; how far from the ventricles white matter is still beside them.
_REACH = 5.0


def hasTissues(pseudoMri: Any) -> bool:
    """Return whether a pseudo-MRI has ventricles and white matter to measure."""
    node = pseudoMri.GetNodeReference(TISSUES_ROLE) if pseudoMri else None
    segments = node.GetSegmentation() if node else None
    return segments is not None and all(
        segments.GetSegment(each) is not None for each in (VENTRICLES, WHITE_MATTER)
    )


def addTissuePair(pseudoMri: Any) -> Pair:
    """Add the pair of ventricles and the white matter beside them; the regions are segments."""
    from scipy.ndimage import distance_transform_edt

    node = pseudoMri.GetNodeReference(TISSUES_ROLE)
    ventricles, white = (_mask(node, each, pseudoMri) for each in (VENTRICLES, WHITE_MATTER))
    distance = distance_transform_edt(~ventricles, sampling=worldSpacing(pseudoMri)[::-1])
    beside = white & (distance <= _REACH)
    segments = node.GetSegmentation()
    if segments.GetSegment(BESIDE) is None:
        segments.AddEmptySegment(BESIDE, _("white matter beside the ventricles"))
    setSegment(node, BESIDE, beside, pseudoMri)
    pair = addPair(_("Ventricles and white matter"))
    pair.setRegion(REGION, node, VENTRICLES)
    pair.setRegion(BACKGROUND, node, BESIDE)
    return pair


def _mask(node: Any, segmentId: str, volumeNode: Any) -> np.ndarray:
    i, j, k = volumeNode.GetImageData().GetDimensions()
    mask = np.zeros((k, j, i), bool)
    voxels = voxelsOf(Region(node, segmentId), volumeNode)
    mask[voxels.block] = voxels.inside
    return mask
