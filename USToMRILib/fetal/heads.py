"""The heads in the slices of a volume: given by the user, or found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

import numpy as np

from ..compute.threads import on_threads
from ..errors import InputError
from ..image.masks import head_in, head_inside, read_mask
from ..image.volume import Volume
from ..progress import Progress
from .ellipse import Ellipse
from .head import Head, check_mask, find_head
from .stack import AXES, Stack


@dataclass(frozen=True)
class FollowedHead:
    """A head that was followed through the frames of a cine, which are the slices of a volume.

    Attributes:
        outlines: by number of the frame, of those that show it.
    """

    outlines: dict[int, Ellipse]


@dataclass(frozen=True)
class Heads:
    """The heads in the slices of a stack.

    Attributes:
        outlines: the ellipse of every slice that shows a head, by its number.
        with_others: numbers of the slices in which another head was seen besides.
    """

    outlines: dict[int, Ellipse]
    with_others: tuple[int, ...] = ()


# What is known about the head: a mask, an ellipse in the plane of every slice, "none" for an image
# that shows nothing but the head, where it was followed to, or nothing, and it is looked for.
HeadHint = Optional[Union[Volume, Ellipse, FollowedHead, str]]

# An axis whose slices are this much further apart than the others' is the one of the sweep.
THICK = 1.5
# Where slices lie that tell for an axis whether it shows heads, as fractions of it.
_PROBES = (0.3, 0.4, 0.5, 0.6, 0.7)


def read_head_hint(option: str | None, volume: Volume) -> HeadHint:
    """The hint that the user gave for an image: the path of a mask, "none", or nothing.

    Raises:
        InputError: if the mask cannot be read.
    """
    if option is None or option == "none":
        return option
    return Volume(read_mask(option, volume.grid).astype(np.uint8), volume.grid)


def stack_of(volume: Volume, axis: str, hint: HeadHint, device: str) -> Stack:
    """The slices of a volume along an axis; a single slice is a stack of one.

    Args:
        volume: checked.
        axis: one of :data:`.stack.AXES`; "auto" takes the one whose slices are clearly thickest,
            else the one along which most heads are found.
        hint: about the head.
        device: "cpu", "cuda" or "mps".

    Raises:
        InputError: no head is found along any.
    """
    if isinstance(hint, FollowedHead):
        return Stack(volume, "k", in_time=True)
    if volume.is_slice:
        return Stack(volume, "k")
    return Stack(volume, axis if axis != "auto" else _found_axis(volume, hint, device))


def _found_axis(volume: Volume, hint: HeadHint, device: str) -> str:
    by_spacing = sorted(zip(volume.grid.spacing, "ijk"))
    if by_spacing[2][0] > THICK * by_spacing[1][0]:
        return by_spacing[2][1]
    if hint is not None:
        return "k"

    def heads(axis: str) -> int:
        stack = Stack(volume, axis)
        probes = {int(part * len(stack)) for part in _PROBES}
        return sum(isinstance(_head_of(stack.slice(n), None, device), Head) for n in probes)

    found = {axis: heads(axis) for axis in AXES[1:]}
    if not any(found.values()):
        raise InputError(
            f"No fetal head was found in {len(_PROBES)} slices along each axis of the volume; "
            "choose an axis with --axis to look in all of its slices, or give the head with "
            "--head-mask FILE."
        )
    return max(AXES[1:], key=lambda axis: found[axis])


def find_heads(
    stack: Stack, volume: Volume, hint: HeadHint, device: str, progress: Progress
) -> Heads:
    """The heads in the slices of a stack.

    Args:
        stack: of ``volume``.
        volume: where a mask must lie.
        hint: about the head.
        device: "cpu", "cuda" or "mps".
        progress: phase "head".

    Raises:
        InputError: if no slice shows a head, or the hint cannot be used.
    """
    if isinstance(hint, FollowedHead):
        return Heads(hint.outlines)
    masks = _mask_stack(volume, hint, stack.axis)

    def look(progress: Progress, number: int) -> Head | InputError:
        with progress.phase("head"):
            mask = masks.slice(number) if masks else None
            known = hint if isinstance(hint, Ellipse) else mask
            return _head_of(stack.slice(number), known, device)

    numbers = range(len(stack))
    with progress.within("head", len(stack)) as inner:
        looked = on_threads(look, numbers, inner, 1, device)
    found = {n: head for n, head in enumerate(looked) if isinstance(head, Head)}
    if not found and isinstance(looked[0], InputError) and len(looked) == 1:
        raise looked[0]
    if not found:
        raise InputError(
            f"No fetal head was found in the {len(stack)} slices along {stack.axis}; choose "
            "another axis with --axis, or give the head with --head-mask FILE."
        )
    outlines = {n: head.ellipse for n, head in found.items()}
    return Heads(outlines, tuple(n for n, head in found.items() if not head.alone))


def _head_of(image: Volume, known: Ellipse | Volume | None, device: str) -> Head | InputError:
    """The head in one slice, or why there is none."""
    try:
        if isinstance(known, Ellipse):
            return Head.from_ellipse(known, image)
        if known is not None:
            return Head.around(known.array[0] > 0, image)
        if image.array.min() == image.array.max():
            return InputError("No fetal head was found: the slice is empty; choose another one.")
        return find_head(image, device)
    except InputError as error:  # that the bundle can be used was seen before
        return error


def _mask_stack(volume: Volume, hint: HeadHint, axis: str) -> Stack | None:
    if isinstance(hint, Volume):
        check_mask(hint, volume)
        inside = head_in(hint.array)
        return Stack(hint.with_array(inside.astype(np.uint8)), axis)
    if hint == "none":
        shown = volume.array > volume.array.min()
        return Stack(volume.with_array(head_inside(shown) if volume.is_slice else shown), axis)
    if isinstance(hint, str):
        raise InputError(f"The head {hint!r} is unknown; give a mask, an ellipse or 'none'.")
    return None
