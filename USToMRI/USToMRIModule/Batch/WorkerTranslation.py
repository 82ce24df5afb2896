"""Translating one image in the worker process, for a run that waits for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..Worker.WorkerJobs import TranslationJob, Worker

if TYPE_CHECKING:
    from USToMRILib import CancelToken, Volume
    from USToMRILib.result import Result


class _Image(NamedTuple):
    """What :class:`TranslationJob` asks of an image."""

    whole: Volume
    head: Any

    def volume(self) -> Volume:
        return self.whole


def translateInWorker(
    worker: Worker,
    volume: Volume,
    head: Any,
    method: str,
    options: dict[str, Any],
    cancel: CancelToken,
) -> Result:
    """Return what ``USToMRILib.translate`` returns, made by the worker.

    :param head: mask on the volume's grid, "none", or None to look for the head.
    :param options: "device", and options of the method by name; None: not given.
    :raises USToMRILib.InputError: the image cannot be translated.
    :raises USToMRILib.Cancelled: the token was set.
    """
    from USToMRILib import Volume
    from USToMRILib.provenance import header_fields
    from USToMRILib.result import Result

    ended: list[Any] = []
    image = _Image(volume, head)
    job = TranslationJob(worker, [image], method, options, lambda *answer: ended.extend(answer))
    job.start()
    job.wait(lambda: cancel.cancelled)
    cancel.raise_if_cancelled()
    results, error = ended
    if error is not None:
        raise error
    (made,) = results
    record = made.provenance

    def described(image: Volume, part: str = "") -> Volume:
        return Volume(image.array, volume.grid, header_fields(record, part))

    output = described(made.volume)
    samples = tuple(described(s, f"SAMPLE {n}") for n, s in enumerate(made.samples, start=1))
    return Result(output, record, record["warnings"], record["timings_s"], samples=samples)
