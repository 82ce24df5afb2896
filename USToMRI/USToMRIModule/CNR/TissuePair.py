"""The pair of regions that the tissues of a pseudo-MRI give: ventricles and white matter."""

from __future__ import annotations

from typing import Any, Optional

from slicer.i18n import tr as _

from ..Scene.RegionVoxels import Region, maskOf
from ..Scene.Segments import setSegment
from ..Synthetic.OutputNodes import PROVENANCE_ROLE, recordOf
from ..Synthetic.TissueNodes import TISSUES_ROLE, recordedSpacing
from .CNRPairs import BACKGROUND, REGION, Pair, addPair, allPairs

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
    """Return the pair of ventricles and the white matter beside them; the regions are segments.

    It is made where the pseudo-MRI has none.
    """
    from scipy.ndimage import distance_transform_edt

    node = pseudoMri.GetNodeReference(TISSUES_ROLE)
    ventricles, white = (
        maskOf(Region(node, each), pseudoMri) for each in (VENTRICLES, WHITE_MATTER)
    )
    textNode = pseudoMri.GetNodeReference(PROVENANCE_ROLE)
    spacing = recordedSpacing(recordOf(textNode) if textNode else {}, pseudoMri)
    distance = distance_transform_edt(~ventricles, sampling=spacing[::-1])
    beside = white & (distance <= _REACH)
    segments = node.GetSegmentation()
    if segments.GetSegment(BESIDE) is None:
        segments.AddEmptySegment(BESIDE, _("white matter beside the ventricles"))
    setSegment(node, BESIDE, beside, pseudoMri)
    pair = _pairOf(node) or addPair(_("Ventricles and white matter"))
    pair.setRegion(REGION, node, VENTRICLES)
    pair.setRegion(BACKGROUND, node, BESIDE)
    return pair


def _pairOf(segmentationNode: Any) -> Optional[Pair]:
    """Return the pair that an earlier press made of a segmentation."""
    background = Region(segmentationNode, BESIDE)
    return next((each for each in allPairs() if each.region(BACKGROUND) == background), None)
