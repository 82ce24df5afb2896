"""One request to translate: what is read from the scene, and how the answer gets into it."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple, Optional

import slicer
from slicer.i18n import tr as _

from ..Scene.PixelSize import lacksPixelSize
from ..Scene.RegionVoxels import Region
from ..Scene.Sequences import Sequence, sequenceOf
from ..Scene.VolumeNodes import Result
from ..Synthetic.OutputNodes import OutputLocation, publish
from ..Synthetic.SampleNodes import publishSamples
from ..Synthetic.SequenceNodes import publishSequence, reasonNotAnOutput
from ..Worker.TranslationInput import TranslationInput, readInputs


class TranslationRequest(NamedTuple):
    """What is to be translated, and where the result goes."""

    inputs: list[TranslationInput]
    location: OutputLocation
    outputNode: Optional[Any]
    method: str
    sequence: Optional[Sequence]

    @classmethod
    def read(
        cls,
        inputNode: Any,
        outputNode: Optional[Any],
        method: str,
        region: Any = None,
        head: Any = None,
        pixelSize: float = 0.0,
        allFrames: bool = False,
    ) -> TranslationRequest:
        """Check the nodes and take hold of what is to be translated.

        :raises USToMRILib.InputError: one sentence that says what to change.
        """
        sequence = sequenceOf(inputNode) if allFrames else None
        _checkNodes(inputNode, outputNode, sequence)
        _checkPixelSize(inputNode, pixelSize)
        if region is not None and not isinstance(region, Region):
            region = Region(region)
        frameNodes = sequence.frameNodes() if sequence else None
        inputs, location = readInputs(inputNode, region, head, pixelSize, frameNodes)
        return cls(inputs, location, outputNode, method, sequence)

    @property
    def isCine(self) -> bool:
        """Whether it is one flat image at several times: the head is then followed through them."""
        held = [each.image for each in self.inputs]
        kinds = {(each.grid, each.image.GetScalarType()) for each in held}
        return len(held) > 1 and len(kinds) == 1 and held[0].grid.size[2] == 1

    def publish(self, results: list[Result]) -> Any:
        """Put the results into the scene and return the output node."""
        if self.sequence:
            return publishSequence(
                results, self.location, self.sequence, self.outputNode, self.method
            )
        node = publish(results[0], self.location, self.outputNode, self.method)
        publishSamples(results[0], self.location, node)
        return node

    def tryPublish(self, results: list[Result]) -> tuple[Optional[Any], Optional[Exception]]:
        """Publish what was made while the scene went on; return the output node, or the error."""
        scene = slicer.mrmlScene
        needed = [self.location.inputNode, *(self.sequence or ())]
        if not all(scene.IsNodePresent(node) for node in needed):
            return None, RuntimeError(_("The ultrasound was removed while it was translated."))
        request = self
        if self.outputNode is not None and not scene.IsNodePresent(self.outputNode):
            request = self._replace(outputNode=None)
        try:
            return request.publish(results), None
        except Exception as error:  # Qt calls this: nobody above could tell the user
            logging.exception("USToMRI: the result could not be put into the scene")
            return None, error


def _checkPixelSize(inputNode: Any, pixelSize: float) -> None:
    from USToMRILib import InputError

    if inputNode is not None and not pixelSize and lacksPixelSize(inputNode):
        text = _("The picture {name} does not say how large its pixels are; give pixelSize in mm.")
        raise InputError(text.format(name=inputNode.GetName()))


def _checkNodes(inputNode: Any, outputNode: Optional[Any], sequence: Optional[Sequence]) -> None:
    from USToMRILib import InputError

    if outputNode is None:
        return
    if outputNode is inputNode:
        raise InputError(_("The output is the input itself; choose another output volume."))
    if outputNode.GetClassName() != "vtkMRMLScalarVolumeNode":
        raise InputError(_("The output is no scalar volume; choose one, or none for a new one."))
    reason = reasonNotAnOutput(outputNode, sequence)
    if reason:
        raise InputError(reason)
