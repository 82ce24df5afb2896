"""The pseudo-MRIs of a scene, each with the ultrasound that it was made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Optional

import slicer
from slicer.i18n import tr as _

from ..Scene.HeldImage import volumeFromNode
from ..Scene.VolumeNodes import isPseudoMri, isSynthetic, reasonNotAnInput
from ..Synthetic.OutputNodes import PROVENANCE_ROLE

if TYPE_CHECKING:
    from USToMRILib.reader_study.pairs import StudyPair


def scenePairs() -> tuple[list[StudyPair], list[str]]:
    """Return the pairs of the scene, and a sentence for each pseudo-MRI without its ultrasound.

    The ultrasound is the volume whose voxels the pseudo-MRI's provenance names, whatever it is
    called by now. Volumes that are no grey or colour images, such as diffusion series, cannot be
    it and are passed over.
    """
    from USToMRILib.provenance import voxels_sha256
    from USToMRILib.reader_study.pairs import StudyPair

    synthetic, ultrasounds = [], {}
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if isPseudoMri(node):
            synthetic.append(node)
        elif isSynthetic(node):
            continue
        elif not (reasonNotAnInput(node) or node.IsA("vtkMRMLLabelMapVolumeNode")):
            volume = volumeFromNode(node)
            ultrasounds[voxels_sha256(volume.array)] = volume
    pairs, problems = [], []
    for node in synthetic:
        ultrasound = ultrasounds.get(_inputOf(node) or "")
        if reasonNotAnInput(node):
            reason = _("{name}: it holds no image that can be shown.")
        elif ultrasound is None:
            reason = _("{name}: its ultrasound is not in the scene.")
        elif node.GetImageData().GetDimensions() != ultrasound.grid.size:
            reason = _("{name}: only a part of its ultrasound was translated.")
        else:
            pairs.append(StudyPair(node.GetName(), ultrasound, volumeFromNode(node)))
            continue
        problems.append(reason.format(name=node.GetName()))
    return pairs, problems


def _inputOf(node: Any) -> Optional[str]:
    """Return the SHA-256 of the voxels that a pseudo-MRI was made of."""
    textNode = node.GetNodeReference(PROVENANCE_ROLE)
    provenance = json.loads(textNode.GetText()) if textNode else {}
    found: Optional[str] = provenance.get("input", {}).get("voxels_sha256")
    return found
