"""What is translated: a volume or a region of it, now or at every time point, and its head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np
from slicer.i18n import tr as _

from .OutputNodes import Place
from .RegionVoxels import Region, voxelsOf
from .VolumeNodes import volumeFromNode

if TYPE_CHECKING:
    from USToMRILib import Volume


class Frame(NamedTuple):
    """One image to translate.

    head - a mask on the same grid, an ellipse, "none", or None to look for the head
    """

    volume: Volume
    head: Any = None


def prepare(
    inputNode: Any,
    region: Optional[Region] = None,
    head: Any = None,
    pixelSize: float = 0.0,
    frameNodes: Optional[list[Any]] = None,
) -> tuple[list[Frame], Place]:
    """Return a copy of what is to be translated, and where its result will lie.

    Of a region it is the smallest box of whole voxels that holds the region.

    :param head: a closed curve, ROI or :class:`Region` around the head, or what the library takes.
    :param pixelSize: see :func:`~.VolumeNodes.volumeFromNode`.
    :param frameNodes: the volumes to translate where they are not the input itself but the time
        points that it shows one of, on the same grid.
    :raises USToMRILib.InputError: one sentence that says what to change.
    """
    volumes = [volumeFromNode(node, pixelSize) for node in frameNodes or [inputNode]]
    if isinstance(head, Region) or hasattr(head, "IsA"):
        head = _headMask(head, inputNode, volumes[0])
    if region is None:
        return [Frame(volume, head) for volume in volumes], Place(inputNode)
    box = _tightBox(region, inputNode)
    if hasattr(head, "grid"):
        head = _cropped(head, box)
    place = Place(inputNode, (box[2].start, box[1].start, box[0].start))
    return [Frame(_cropped(volume, box), head) for volume in volumes], place


def _headMask(head: Any, inputNode: Any, volume: Volume) -> Volume:
    voxels = voxelsOf(head, inputNode)
    mask = np.zeros(volume.array.shape, np.uint8)
    mask[voxels.block] = voxels.inside
    return volume.with_array(mask)


def _tightBox(region: Region, inputNode: Any) -> tuple[slice, slice, slice]:
    from USToMRILib import InputError

    voxels = voxelsOf(region, inputNode)
    inside = np.argwhere(voxels.inside)
    if not len(inside):
        name = region.node.GetName()
        text = _("The region {name} holds no voxel of the ultrasound; move it there.")
        raise InputError(text.format(name=name))
    starts = inside.min(axis=0) + [part.start for part in voxels.block]
    stops = inside.max(axis=0) + [part.start + 1 for part in voxels.block]
    k, j, i = (slice(int(start), int(stop)) for start, stop in zip(starts, stops))
    return k, j, i


def _cropped(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    from USToMRILib import Grid, Volume

    array = np.ascontiguousarray(volume.array[box])
    origin = volume.grid.index_to_physical(np.array([part.start for part in box[::-1]]))
    grid = Grid(array.shape[::-1], volume.grid.spacing, tuple(origin), volume.grid.direction)
    return Volume(array, grid)
