"""The user's choices, saved with the scene."""

from __future__ import annotations

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


class Method(enum.Enum):
    """A translation method; the value is the library's word for it.

    Scenes store the member's name: never rename one.
    """

    DDIC = "ddic"
    DDIB = "ddib"
    PIX2PIX3D = "pix2pix3d"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Method.DDIC: _("DDIC: imposed correlation, 2D"),
            Method.DDIB: _("DDIB: diffusion bridge, 2D"),
            Method.PIX2PIX3D: _("Pix2Pix: adversarial, 3D"),
        }[self]


class Device(enum.Enum):
    """Where the networks run; the value is the library's word for it, the name is saved."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Device.AUTO: _("Automatic"),
            Device.CPU: _("CPU"),
            Device.CUDA: _("GPU (CUDA)"),
            Device.MPS: _("GPU (Apple)"),
        }[self]


@parameterNodeWrapper
class USToMRIParameterNode:
    """The parameters of the module.

    inputVolume - the ultrasound
    outputVolume - the volume to overwrite; None makes a new one
    method - how it is translated
    device - where the networks run
    steps - levels of the diffusion schedule that are visited; 0 leaves it to the method
    seed - of the random numbers
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    method: Method = Method.DDIC
    device: Device = Device.AUTO
    steps: Annotated[int, WithinRange(0, 1000)] = 0
    seed: Annotated[int, WithinRange(0, 999999)] = 0
