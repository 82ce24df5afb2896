"""Translating images as they come: live, one after the other, with as little delay as can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from .compute.bundle import load_bundle
from .compute.device import choose_device
from .compute.threads import one_thread
from .errors import InputError
from .fetal.ellipse import Ellipse
from .fetal.head import BUNDLE as HEAD_BUNDLE
from .fetal.heads import FollowedHead
from .fetal.tracking import HeadTracker
from .image.grid import Grid
from .image.volume import Volume
from .methods import FAST, SLICE, by_quality, method_named
from .progress import Progress
from .provenance import header_fields, make_provenance
from .result import Request

# The method where the user does not say: it must be fast enough to follow a probe.
LIVE_METHOD = by_quality(FAST, SLICE)[0].name

_SAME_SPACING = 1e-4


@dataclass(frozen=True)
class LiveFrame:
    """What became of one frame.

    Attributes:
        mri: pseudo-MRI on the frame's grid, bytes; its metadata say that it is synthetic.
        head: outline of the head, steadied.
        provenance: the record.
        tissues: labels, bytes, where they were asked for.
    """

    mri: Volume
    head: Ellipse
    provenance: dict[str, Any]
    tissues: Optional[Volume] = None


class LiveTranslation:
    """Holds the networks and where the head was, and translates frame after frame.

    Args:
        method: a key of :data:`.methods.METHODS`, one that takes slices.
        options: of the method: its dataclass, or values by name.
        device: "auto", "cpu", "cuda" or "mps".
        tissues: whether to make labels too.

    Raises:
        InputError: the method or an option cannot be used.
    """

    def __init__(
        self,
        method: str = LIVE_METHOD,
        options: Any = None,
        device: str = "auto",
        tissues: bool = False,
    ) -> None:
        entry = method_named(method)
        if SLICE not in entry.takes:
            raise InputError(f"The method {method!r} translates volumes; choose one for slices.")
        self._maps = frozenset({"tissues"} if tissues else ())
        entry.check_offers(self._maps)
        self._device = choose_device(device)
        self._method = method
        self._loaded = entry.load(entry.make_options(options), self._device)
        self._head_net = load_bundle(HEAD_BUNDLE, self._device).net
        self._tracker = HeadTracker(self._head_net, self._device)
        self._grid: Optional[Grid] = None

    def translate(self, frame: Volume, seconds: float) -> LiveFrame:
        """Translate the next frame.

        Args:
            frame: one slice; where it lies may change from frame to frame, as with a tracked probe.
            seconds: when it was taken, by any clock.

        Raises:
            InputError: it shows no head, or is no slice.
        """
        return self.translate_head(frame, self.follow(frame, seconds))

    def follow(self, frame: Volume, seconds: float) -> Ellipse:
        """Find the head of the next frame, where it was in those before.

        Args:
            frame, seconds: as of :meth:`translate`.

        Returns:
            Its outline, steadied.

        Raises:
            InputError: as :meth:`translate`.
        """
        if not frame.is_slice:
            raise InputError(f"Live images are flat, and this one has {frame.grid.size[2]} slices.")
        if self._grid is None or not _is_as_large(frame.grid, self._grid):
            self._tracker = HeadTracker(self._head_net, self._device)
        self._grid = frame.grid
        with one_thread():
            return self._tracker.follow(frame, seconds)

    def translate_head(self, frame: Volume, head: Ellipse) -> LiveFrame:
        """Translate a frame whose head was followed, on any thread.

        While one does it, another one may follow the head to the next frame: so two processors are
        busy, each with a frame of its own.

        Args:
            frame: as of :meth:`translate`.
            head: of :meth:`follow`.

        Raises:
            InputError: the head holds no brain.
        """
        request = Request(self._device, Progress(), FollowedHead({0: head}), self._maps)
        with one_thread():
            made = self._loaded.translate(frame, request)
        record = make_provenance(frame, self._method, made.parameters, made.bundles, self._device)
        record["warnings"] = list(made.warnings)
        mri = Volume(np.rint(made.array).astype(np.uint8), frame.grid, header_fields(record))
        labels = made.maps.get("tissues")
        if labels is None:
            return LiveFrame(mri, head, record)
        tissues = Volume(labels, frame.grid, header_fields(record, "TISSUES"))
        return LiveFrame(mri, head, record, tissues)


def _is_as_large(grid: Grid, before: Grid) -> bool:
    """Whether depth and zoom are as before; a tracked probe's axes have single precision only."""
    return grid.size == before.size and np.allclose(
        grid.spacing, before.spacing, rtol=_SAME_SPACING, atol=0
    )
