"""Where the cases of a run come from: files, or whatever else reads images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Union

from ..cine import CineResult, translate_cine
from ..fetal.heads import HeadHint
from ..files import expanded
from ..image.reading import NeedlessPixelSizeError
from ..image.sequence import ImageSequence
from ..image.synthetic import check_measured
from ..image.volume import Volume
from ..progress import CancelToken
from ..result import Result
from ..translate import translate
from .cases import Case, find_cases
from .job import Job

# An image, or all frames of a cine, and what becomes of it.
Image = Union[Volume, ImageSequence]
Made = Union[Result, CineResult]


class Source(Protocol):
    """What finds cases, reads their images and has them translated."""

    def find(self, source: str, output: Path) -> list[Case]:
        """The cases that the user's INPUT holds.

        Raises:
            InputError: there are none.
        """

    def check(self, job: Job) -> None:
        """Raise InputError where no case could be translated as the job says."""

    def read(self, case: Case, job: Job) -> Image:
        """The image of a case.

        Raises:
            InputError: it cannot be read.
        """

    def translate(self, image: Any, job: Job, head: HeadHint, cancel: CancelToken) -> Made:
        """Translate an image as the job says.

        Raises:
            InputError: it cannot be translated.
            Cancelled: the token was set.
        """

    def keep(self, case: Case, result: Any, output: Path) -> None:
        """Write more than the pseudo-MRI and its record, if there is more to write."""

    def kept(self, output: Path) -> bool:
        """Whether an earlier run wrote all of that."""


class FileSource:
    """Image files, as :meth:`USToMRILib.Volume.read` reads them."""

    def find(self, source: str, output: Path) -> list[Case]:
        """As :func:`.cases.find_cases`."""
        return find_cases(expanded(source), output)

    def check(self, job: Job) -> None:
        """The networks must be here, and the device."""
        job.check()

    def read(self, case: Case, job: Job) -> Image:
        """Read the file; the run's pixel size is for the files that do not state one."""
        pixel_size = job.pixel_size if case.pixel_size is None else case.pixel_size
        try:
            image = self._read(case, job, pixel_size)
        except NeedlessPixelSizeError:
            if case.pixel_size is not None:
                raise
            image = self._read(case, job, None)
        if not job.allow_synthetic:
            check_measured(image)
        return image

    def _read(self, case: Case, job: Job, pixel_size: float | None) -> Image:
        region = job.region if case.region is None else case.region
        if job.is_cine(case):
            return ImageSequence.read(case.input, pixel_size, region)
        frame = job.frame if case.frame is None else case.frame
        return Volume.read(case.input, pixel_size, frame, region)

    def translate(self, image: Image, job: Job, head: HeadHint, cancel: CancelToken) -> Made:
        """Translate it in this process."""
        how: dict[str, Any] = {
            "options": job.share,
            "device": job.device,
            "head": head,
            "allow_synthetic": job.allow_synthetic,
            "cancel": cancel,
        }
        if isinstance(image, ImageSequence):
            return translate_cine(image, job.method, **how)
        return translate(image, job.method, **how)

    def keep(self, case: Case, result: Any, output: Path) -> None:
        """Nothing more."""

    def kept(self, output: Path) -> bool:
        """There is nothing more."""
        return True
