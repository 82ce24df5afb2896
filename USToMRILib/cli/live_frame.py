"""Translating frame after frame of a live image from file to file, for the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ..image.volume import PathLike, Volume, check_usable
from ..live import LIVE_METHOD, LiveTranslation
from ..progress import CancelToken, ProgressCallback


class _Held:
    """The translation of the frames before, which holds networks and head."""

    key: Any = None
    live: Optional[LiveTranslation] = None


def translate_live_frame(
    input: PathLike,
    output: PathLike,
    seconds: float,
    method: str = LIVE_METHOD,
    *,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    tissues: PathLike | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Translate the next frame; the head is followed from the one before.

    Args:
        input: file of the frame, one slice.
        output: file of the pseudo-MRI, bytes, written without compression.
        seconds: when the frame was taken, by any clock.
        method, options, device: as of :class:`USToMRILib.live.LiveTranslation`; others than before
            begin afresh.
        tissues: file of the labels of the tissues, bytes, where they are wanted.
        progress, cancel: a frame is one step.

    Returns:
        "provenance": the record.

    Raises:
        InputError: as :meth:`USToMRILib.live.LiveTranslation.translate`; nothing is written then.
    """
    asked = dict(options or {})
    key = (method, tuple(sorted(asked.items())), device, tissues is not None)
    if _Held.live is None or _Held.key != key:
        _Held.live = LiveTranslation(method, asked, device, tissues is not None)
        _Held.key = key
    frame = Volume.read(input)
    check_usable(frame)
    made = _Held.live.translate(frame, seconds)
    made.mri.write(output, compress=False)
    if tissues is not None and made.tissues is not None:
        made.tissues.write(tissues, compress=False)
    return {"provenance": made.provenance}
