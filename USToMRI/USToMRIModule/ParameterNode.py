"""The user's choices, saved with the scene."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Union

import slicer
from slicer import (
    vtkMRMLMarkupsClosedCurveNode,
    vtkMRMLMarkupsLineNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

# The values of these enums are the library's words. Scenes store the members' names: never rename
# one.


class Method(enum.Enum):
    """A translation method."""

    DDIC = "ddic"
    DDIB = "ddib"
    PIX2PIX3D = "pix2pix3d"
    CYCLEGAN = "cyclegan"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Method.DDIC: _("DDIC: imposed correlation, 2D"),
            Method.DDIB: _("DDIB: diffusion bridge, 2D"),
            Method.PIX2PIX3D: _("Pix2Pix: adversarial, 3D"),
            Method.CYCLEGAN: _("CycleGAN: one pass, 2D"),
        }[self]


class Quality(enum.Enum):
    """How much time a translation may take; chooses the method."""

    FAST = "fast"
    BEST = "best"
    CHOSEN = "chosen"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Quality.FAST: _("Fast"),
            Quality.BEST: _("Best"),
            Quality.CHOSEN: _("As chosen under Advanced"),
        }[self]


class PixelSizeWay(enum.Enum):
    """What the size of a picture's pixels is given by."""

    PIXEL = "pixel"
    RULER = "ruler"
    CIRCUMFERENCE = "circumference"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            PixelSizeWay.PIXEL: _("Width of a pixel"),
            PixelSizeWay.RULER: _("Depth scale on the image"),
            PixelSizeWay.CIRCUMFERENCE: _("Head circumference"),
        }[self]


class Device(enum.Enum):
    """Where the networks run."""

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


class Solver(enum.Enum):
    """Of the diffusion's ODE."""

    DPMPP_2M = "dpm++2m"
    HEUN = "dpm++2m"  # of earlier versions, whose scenes name it: the other of second order
    DDIM = "ddim"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Solver.DPMPP_2M: _("DPM-Solver++ (2M)"),
            Solver.DDIM: _("DDIM (as published)"),
        }[self]


class Similarity(enum.Enum):
    """What DDIC imposes."""

    PEARSON = "pearson"
    LOCAL_CORRELATION = "local-correlation"
    MUTUAL_INFORMATION = "mutual-information"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Similarity.PEARSON: _("Correlation (as published)"),
            Similarity.LOCAL_CORRELATION: _("Local correlation"),
            Similarity.MUTUAL_INFORMATION: _("Mutual information"),
        }[self]


class Axis(enum.Enum):
    """Of a volume, along which its slices lie."""

    AUTO = "auto"
    K = "k"
    J = "j"
    I = "i"  # noqa: E741

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Axis.AUTO: _("Automatic"),
            Axis.K: _("K, the third index"),
            Axis.J: _("J, the second index"),
            Axis.I: _("I, the first index"),
        }[self]


def readable(wrapper: Any, node: Any) -> Any:
    """Return a parameter node as the class of its parameters.

    Where one of them cannot be read, because another version of the module has written it, all
    of the class are set to their defaults; chosen nodes stay chosen.

    :param wrapper: the class, which the decorator gave another constructor.
    """
    try:
        chosen = wrapper(node)
        for name in wrapper.allParameters:
            getattr(chosen, name)
    except (KeyError, ValueError):
        with slicer.util.NodeModify(node):  # who follows it never sees it without
            for name in wrapper.allParameters:
                if not node.GetNodeReferenceID(name):
                    node.UnsetParameter(name)
            chosen = wrapper(node)
    return chosen


def keepOldChoices(node: Any) -> None:
    """Let a scene of a version without qualities open with the method that was chosen in it."""
    if node.HasParameter("method") and not node.HasParameter("quality"):
        node.SetParameter("quality", Quality.CHOSEN.name)


@parameterNodeWrapper
class USToMRIParameterNode:
    """The parameters of the module.

    inputVolume - the ultrasound
    region - only the box around it is translated; None: the whole image
    segment - the id of the segment that is the region, where that is a segmentation
    allFrames - translate every time point of the sequence that the ultrasound shows
    outputVolume - the volume to overwrite; None makes a new one
    keepOutput - a pseudo-MRI that was made is the volume to overwrite from then on
    quality - fast or best, which chooses the method, or as the method is chosen
    method - how it is translated
    device - where the networks run
    steps - levels of the diffusion schedule that are visited; 0 leaves it to the method
    solver - of the diffusion's ODE
    similarity - that DDIC imposes
    medianFilter - DDIC compares median filtered images
    evenGain - DDIC and DDIB raise dark parts of the head first
    axis - of a volume, along which its slices are translated one by one
    headCurve - outline of the head; None looks for the head
    pixelSize - in mm, of a single image that does not know its own; 0: the image's
    pixelSizeWay - what the size of the pixels is given by
    rulerLine - between two marks of the scale on the image
    rulerLength - of that line, in mm
    knownCircumference - of the head, in mm, which gives the size of the pixels
    biparietalLine, occipitofrontalLine - diameters of the head
    residual - make the residual map too, of DDIC and DDIB
    seed - of the random numbers
    studyBlinded - a reader study without labels, the pseudo-MRI on either side
    studySeed - of the order and the sides in a reader study
    """

    inputVolume: vtkMRMLScalarVolumeNode
    # Slicer's wrapper takes None for several kinds of nodes only where it is named.
    region: Union[
        vtkMRMLMarkupsROINode, vtkMRMLMarkupsClosedCurveNode, vtkMRMLSegmentationNode, None
    ]
    segment: str = ""
    allFrames: bool = False
    outputVolume: vtkMRMLScalarVolumeNode
    keepOutput: bool = False
    quality: Quality = Quality.BEST
    method: Method = Method.DDIC
    device: Device = Device.AUTO
    steps: Annotated[int, WithinRange(0, 1000)] = 0
    solver: Solver = Solver.DPMPP_2M
    similarity: Similarity = Similarity.PEARSON
    medianFilter: bool = True
    evenGain: bool = True
    axis: Axis = Axis.AUTO
    headCurve: vtkMRMLMarkupsClosedCurveNode
    pixelSize: Annotated[float, WithinRange(0, 10)] = 0.0
    pixelSizeWay: PixelSizeWay = PixelSizeWay.PIXEL
    rulerLine: vtkMRMLMarkupsLineNode
    rulerLength: Annotated[float, WithinRange(0, 500)] = 50.0
    knownCircumference: Annotated[float, WithinRange(0, 500)] = 0.0
    biparietalLine: vtkMRMLMarkupsLineNode
    occipitofrontalLine: vtkMRMLMarkupsLineNode
    residual: bool = False
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    studyBlinded: bool = False
    studySeed: Annotated[int, WithinRange(0, 999999)] = 0
