"""What is translated: a volume or a region of it, now or at every time point, and its head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np

from ..Scene.HeldImage import HeldImage
from ..Scene.RegionVoxels import Region, maskOf, noVoxelIn, voxelsOf
from ..Synthetic.OutputNodes import OutputLocation

if TYPE_CHECKING:
    from USToMRILib import Volume


Box = tuple[slice, slice, slice]


class TranslationInput(NamedTuple):
    """One image to translate.

    image - of the whole volume
    box - the voxels (k, j, i) of it that are wanted; None: all
    head - a mask on the same grid, "none", or None to look for the head
    """

    image: HeldImage
    box: Optional[Box] = None
    head: Any = None

    def volume(self) -> Volume:
        """Return what is wanted of the image; its voxels are the image's own, not copied."""
        whole = self.image.volume()
        return _cropped(whole, self.box) if self.box else whole


def readInputs(
    inputNode: Any,
    region: Optional[Region] = None,
    head: Any = None,
    pixelSize: float = 0.0,
    frameNodes: Optional[list[Any]] = None,
) -> tuple[list[TranslationInput], OutputLocation]:
    """Take hold of what is to be translated, and tell where its result will lie.

    Of a region it is the smallest box of whole voxels that holds the region.

    :param head: a closed curve, ROI or :class:`Region` around the head, a mask volume, "none" or
        None.
    :param pixelSize: see :meth:`~..Scene.HeldImage.HeldImage.of`.
    :param frameNodes: the volumes to translate where they are not the input itself but the time
        points that it shows one of, on the same grid.
    :raises USToMRILib.InputError: one sentence that says what to change.
    """
    images = [HeldImage.of(node, pixelSize) for node in frameNodes or [inputNode]]
    if isinstance(head, Region) or hasattr(head, "IsA"):
        head = _headMask(head, inputNode, images[0])
    box, start = None, None
    if region is not None:
        box = _tightBox(region, inputNode)
        start = (box[2].start, box[1].start, box[0].start)
        if hasattr(head, "grid"):
            head = _cropped(head, box)
    return [TranslationInput(image, box, head) for image in images], OutputLocation(
        inputNode, start
    )


def _headMask(head: Any, inputNode: Any, image: HeldImage) -> Volume:
    from USToMRILib import Volume

    return Volume(maskOf(head, inputNode).astype(np.uint8), image.grid)


def _tightBox(region: Region, inputNode: Any) -> Box:
    from USToMRILib import InputError
    from USToMRILib.image.regions import Voxels

    voxels = voxelsOf(region, inputNode)
    if not voxels.inside.any():
        raise InputError(noVoxelIn(region))
    tight = Voxels.from_mask(voxels.inside).block
    k, j, i = (
        slice(part.start + own.start, part.start + own.stop)
        for part, own in zip(voxels.block, tight)
    )
    return k, j, i


def _cropped(volume: Volume, box: Box) -> Volume:
    from USToMRILib import Grid, Volume

    array = volume.array[box]
    origin = volume.grid.index_to_physical(np.array([part.start for part in box[::-1]]))
    grid = Grid(array.shape[::-1], volume.grid.spacing, tuple(origin), volume.grid.direction)
    return Volume(array, grid)
