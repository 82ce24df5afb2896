"""The user's choices, saved with the scene."""

from __future__ import annotations

import enum
import json
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


class Subject(enum.Enum):
    """Whose brain an image shows; the methods of volumes differ."""

    UNKNOWN = "unknown"
    FETAL = "fetal head"
    ADULT = "adult brain"

    def label(self) -> str:
        """Return the text in the panel."""
        return {
            Subject.UNKNOWN: _("Choose"),
            Subject.FETAL: _("A fetal head"),
            Subject.ADULT: _("An adult brain"),
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


def bind(parameters: Any, ui: Any) -> Any:
    """Bind the widgets that name a parameter, both ways, and return the tag of ``disconnectGui``.

    ``connectGui`` does the same, but in Slicer 5.8 it returns no tag: nothing was ever unbound.

    :param parameters: a wrapped parameter node.
    :param ui: has the widgets as attributes.
    """
    named = {each.property("SlicerParameterName"): each for each in vars(ui).values()}
    return parameters.connectParametersToGui({name: named[name] for name in named if name})


# In Slicer's settings. A method that was chosen by hand for one image is none for the next.
_REMEMBERED = {"device": tuple(each.name for each in Device), "quality": ("FAST", "BEST")}
_SETTINGS_GROUP = "USToMRI"
_BEGUN_ATTRIBUTE = "USToMRI.begun"


def remember(node: Any) -> None:
    """Keep quality and device of a parameter node, as the scene holds it, for other scenes."""
    settings = slicer.app.userSettings()
    for name, known in _REMEMBERED.items():
        if node.GetParameter(name) in known:
            settings.setValue(f"{_SETTINGS_GROUP}/{name}", node.GetParameter(name))


def beginAsLast(node: Any) -> None:
    """Give a parameter node that is new in the scene, or empty since one was closed, the last ones.

    By an attribute: who still follows the node may have written the defaults into it again.
    """
    if node.GetAttribute(_BEGUN_ATTRIBUTE):
        return
    node.SetAttribute(_BEGUN_ATTRIBUTE, "true")
    settings = slicer.app.userSettings()
    for name, known in _REMEMBERED.items():
        value = settings.value(f"{_SETTINGS_GROUP}/{name}")
        if value in known and node.GetParameter("quality") in ("", Quality.BEST.name):
            node.SetParameter(name, value)


def letGo(node: Any, leaving: Any) -> None:
    """Choose nothing in the place of a node that is about to leave the scene.

    Slicer's node selectors would choose the next one of their list: a scan as the output that is
    overwritten, another head's outline.

    :param node: the parameter node as the scene holds it.
    """
    roles = [node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles())]
    with slicer.util.NodeModify(node):
        for role in roles:
            if node.GetNodeReferenceID(role) == leaving.GetID():
                node.SetNodeReferenceID(role, None)


# What version 0.1 called the methods and solvers in scenes.
_OLD_METHODS = {
    "DDIC": "ddic",
    "DDIB": "ddib",
    "PIX2PIX3D": "pix2pix3d",
    "CYCLEGAN": "cyclegan",
}
# HEUN, which is gone, opens as the default.
_OLD_SOLVERS = {"DPMPP_2M": "dpm++2m", "DDIM": "ddim"}
_OLD_SIMILARITIES = {
    "PEARSON": "pearson",
    "LOCAL_CORRELATION": "local-correlation",
    "MUTUAL_INFORMATION": "mutual-information",
}


def keepOldChoices(node: Any) -> None:
    """Let a scene of version 0.1 open with the choices that were made in it.

    Each of them was a parameter; now the method is one, and the options of all methods another.
    """
    if not node.HasParameter("method") or node.HasParameter("quality"):
        return
    node.SetAttribute(_BEGUN_ATTRIBUTE, "true")
    method = _OLD_METHODS.get(node.GetParameter("method"), "")
    with slicer.util.NodeModify(node):
        node.SetParameter("quality", (Quality.CHOSEN if method else Quality.BEST).name)
        node.SetParameter("method", method)
        crossing = _oldOptions(node)
        imposed: dict[str, Any] = {
            "similarity": _OLD_SIMILARITIES.get(node.GetParameter("similarity"))
        }
        if node.GetParameter("medianFilter") == "False":
            imposed["median_kernel"] = 1
        options = {"ddib": crossing, "ddic": {**crossing, **imposed}}
        if node.GetParameter("residual") == "True":
            for each in options.values():
                each["residual"] = True
        kept = {name: {k: v for k, v in each.items() if v} for name, each in options.items()}
        node.SetParameter("options", json.dumps(kept))


def _oldOptions(node: Any) -> dict[str, Any]:
    """Return what a scene of version 0.1 says of both diffusion bridges."""
    steps = node.GetParameter("steps")
    return {
        "steps": int(steps) if steps.isdigit() and int(steps) else None,
        "solver": _OLD_SOLVERS.get(node.GetParameter("solver")),
        "gain": "recorded" if node.GetParameter("evenGain") == "False" else None,
        "axis": node.GetParameter("axis").lower() or None,
    }


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
    subject - whose brain a volume shows; a quality chooses the method by it
    method - the name of a method of the library
    options - JSON: by the name of a method, its options that are not the default
    device - where the networks run
    headCurve - outline of the head; None looks for the head
    pixelSize - in mm, of a single image that does not know its own; 0: the image's
    pixelSizeWay - what the size of the pixels is given by
    rulerLine - between two marks of the scale on the image
    rulerLength - of that line, in mm
    knownCircumference - of the head, in mm, which gives the size of the pixels
    batchPixelSize - in mm, of the images of a batch that do not know their own; 0: not given
    biparietalLine, occipitofrontalLine - diameters of the head
    liveTissues - live mode lays the tissues over the ultrasound
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
    subject: Subject = Subject.UNKNOWN
    method: str = ""
    options: str = "{}"
    device: Device = Device.AUTO
    headCurve: vtkMRMLMarkupsClosedCurveNode
    pixelSize: Annotated[float, WithinRange(0, 10)] = 0.0
    pixelSizeWay: PixelSizeWay = PixelSizeWay.PIXEL
    rulerLine: vtkMRMLMarkupsLineNode
    rulerLength: Annotated[float, WithinRange(0, 500)] = 50.0
    knownCircumference: Annotated[float, WithinRange(0, 500)] = 0.0
    batchPixelSize: Annotated[float, WithinRange(0, 10)] = 0.0
    biparietalLine: vtkMRMLMarkupsLineNode
    occipitofrontalLine: vtkMRMLMarkupsLineNode
    liveTissues: bool = False
    studyBlinded: bool = False
    studySeed: Annotated[int, WithinRange(0, 999999)] = 0
