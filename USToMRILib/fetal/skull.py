"""Where in the skull the brain lies."""

from __future__ import annotations

from ..errors import InputError
from .ellipse import Ellipse

# From the outer outline of the skull to the brain, on every side.
_LEAST_MM = 1.5
_PART_OF_LONG_AXIS = 0.02


def brain_inside(outline: Ellipse) -> Ellipse:
    """The brain's ellipse in a skull with this outer outline.

    Raises:
        InputError: the outline is too small to hold a brain.
    """
    long, short = outline.semi_axes
    skull = _LEAST_MM + _PART_OF_LONG_AXIS * 2 * long
    if short <= skull:
        raise InputError(cannot_be(outline))
    return Ellipse(outline.centre, (long - skull, short - skull), outline.angle)


def cannot_be(outline: Ellipse) -> str:
    """What to say of an outline that no head has."""
    length, width = (2 * axis for axis in outline.semi_axes)
    return (
        f"The head measures {length:.2g} mm x {width:.2g} mm, which cannot be; correct the pixel "
        "size (mm), or give the head with --head-mask FILE."
    )
