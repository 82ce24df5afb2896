"""Following a fetal head from frame to frame, in a cine or live."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Optional

import numpy as np

from ..errors import InputError
from ..image.volume import Volume
from .ellipse import Ellipse, axis_angle
from .head import close_grid, find_head_with, look_at
from .midline import with_midline
from .outline import ellipse_of, moments_of, smooth_motion

if TYPE_CHECKING:
    from .head import HeadNet

# Width of the one look at a head that is followed, in lengths of it: room to move to every side.
_WIDTH = 1.5
# Between two frames a head moves by less than this part of its short semi-axis and changes its
# area by less than this factor; otherwise something else was found.
_MOST_SHIFT = 0.5
_MOST_GROWTH = 1.3
# Time constant in s of the outline's average. A probe is moved more slowly, chance is faster.
_STEADY_S = 0.15


class HeadTracker:
    """Finds a head once, then follows it with one close look a frame.

    The whole search (:func:`.head.find_head`) takes twenty passes of the network, the close look
    takes one. The search is done again where the close look shows no head any more, or another.

    Args:
        net: segments heads, as :func:`.head.find_head_with` takes it.
        device: of the network.

    Attributes:
        searches: how often the whole search was done.
    """

    def __init__(self, net: HeadNet, device: str = "cpu") -> None:
        self._net = net
        self._device = device
        self._last: Optional[Ellipse] = None
        self._steady: Optional[Ellipse] = None
        self._seconds = 0.0
        self.searches = 0

    def look(self, image: Volume) -> Ellipse:
        """Return the outline of the head in the next frame, as it was found.

        Args:
            image: one slice; of one grid with the frames before.

        Raises:
            InputError: it shows no head; the next frame is searched again.
        """
        last, self._last = self._last, None
        if image.array.min() == image.array.max():
            raise InputError("No fetal head was found: the image is empty.")
        if last is not None:
            self._last = self._followed(image, last)
            if self._last is not None and last.midline:  # else it is the long axis, which is steady
                pixels, spacing = image.array[0], image.grid.spacing[:2]
                self._last = with_midline(self._last, pixels, spacing, last.midline_angle)
        if self._last is None:
            self._steady = None
            self.searches += 1
            self._last = find_head_with(self._net, image, self._device).ellipse
        return self._last

    def outlines(self, images: Iterable[Volume], step_s: float) -> dict[int, Ellipse]:
        """Return smooth outlines of the head in the frames of a cine that show it, by number.

        Args:
            images: as of :meth:`look`.
            step_s: seconds from one to the next.
        """
        found = {}
        for number, image in enumerate(images):
            with suppress(InputError):
                found[number] = self.look(image)
        return smooth_motion(found, step_s)

    def follow(self, image: Volume, seconds: float) -> Ellipse:
        """Return the outline of the head in the next frame, steadied by those before.

        Args:
            image: as of :meth:`look`.
            seconds: when the frame was taken, by any clock.

        Raises:
            InputError: as :meth:`look`.
        """
        found = self.look(image)
        if self._steady is not None:
            kept = float(np.exp(-max(seconds - self._seconds, 0.0) / _STEADY_S))
            before, now = np.array(moments_of(self._steady)), np.array(moments_of(found))
            steady = ellipse_of(kept * before + (1 - kept) * now, self._steady.angle)
            if found.midline or self._steady.midline:
                last = self._steady.midline_angle
                turned = (1 - kept) * axis_angle(found.midline_angle - last)
                steady = steady.with_midline_at(last + turned)
            found = steady
        self._steady, self._seconds = found, seconds
        return found

    def _followed(self, image: Volume, last: Ellipse) -> Ellipse | None:
        """The head near to where it was; None where it is lost."""
        pixels, spacing = image.array[0], image.grid.spacing[:2]
        grid = close_grid(last, _WIDTH)
        try:
            look = look_at(self._net, pixels, spacing, grid, self._device, mirrored=False)
        except InputError:
            return None
        return look.ellipse if _is_near(look.ellipse, last) else None


def _is_near(found: Ellipse, last: Ellipse) -> bool:
    shift = float(np.hypot(*np.subtract(found.centre, last.centre)))
    growth = float(np.prod(found.semi_axes) / np.prod(last.semi_axes))
    return shift < _MOST_SHIFT * last.semi_axes[1] and 1 / _MOST_GROWTH < growth < _MOST_GROWTH
