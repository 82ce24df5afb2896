"""What is asked of every case of a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from ..compute.device import choose_device
from ..errors import InputError
from ..methods import DEFAULT, method_named
from ..options import deciding, options_of
from ..version import __version__
from .cases import Case

# Beside the results: who is at work on what, and how each case ended.
STATE_FOLDER = ".ustomri"


@dataclass(frozen=True)
class Job:
    """What is asked of every case of a run; the same in every process that works on it.

    Attributes:
        output: folder of the results, absolute.
        method: of translation.
        options: of the method, its dataclass; those by default where None.
        device: as for ``translate``.
        pixel_size, frame, region, head_mask: for the cases that do not say; the pixel size only
            where the image does not state it.
        resume: whether a case that is complete from an earlier run is left as it is.
        allow_synthetic: whether to take what is itself a pseudo-MRI.
        processes: that share this machine's memory.
        all_frames: whether a case that names no frame is translated as a cine.
        since: nanoseconds on the output disk's clock; what was done later is of this run.
        run: id of the run.
    """

    output: Path
    method: str = DEFAULT
    options: Any = None
    device: str = "auto"
    pixel_size: Optional[float] = None
    frame: Optional[int] = None
    all_frames: bool = False
    head_mask: Optional[str] = None
    resume: bool = False
    region: Optional[int] = None
    allow_synthetic: bool = False
    processes: int = 1
    since: int = 0
    run: str = ""

    @property
    def asked(self) -> dict[str, Any]:
        """Method and options that change more of a voxel than its rounding.

        With more memory, a run goes on where one volume was too large for what was allowed.
        """
        return {"method": self.method, **deciding(self._options)}

    @property
    def share(self) -> Any:
        """The options for one of the processes, with its part of the machine."""
        of_machine = [each.name for each in options_of(type(self._options)) if each.of_machine]
        parts = {name: getattr(self._options, name) / self.processes for name in of_machine}
        return replace(self._options, **parts)

    @property
    def _options(self) -> Any:
        return method_named(self.method).make_options(self.options)

    @property
    def state(self) -> Path:
        """The folder of the run's state."""
        return self.output / STATE_FOLDER

    def output_path(self, case: Case) -> Path:
        """Where the pseudo-MRI of a case goes."""
        path = self.output / case.output_name(self.method)
        return path.with_suffix(f".seq{path.suffix}") if self.is_cine(case) else path

    def is_cine(self, case: Case) -> bool:
        """Whether all frames of a case are translated."""
        return self.all_frames and case.frame is None

    def head_mask_of(self, case: Case) -> str | None:
        """What is known about the head in a case: path of a mask, "none", or nothing."""
        return case.head_mask or self.head_mask

    def request(self, case: Case) -> str:
        """A digest of everything but the image that decides the voxels of a case.

        Raises:
            InputError: if the head mask cannot be read.
        """
        mask = self.head_mask_of(case)
        if mask not in (None, "none"):
            mask = _file_sha256(Path(str(mask)))
        asked = {"version": __version__, "arguments": self.asked, "head_mask": mask}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """What two runs on one folder must agree on."""
        how = [self.pixel_size, self.frame, self.all_frames, self.region, self.head_mask]
        asked = [__version__, self.asked, *how]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def check(self) -> None:
        """Raise InputError for options that no case could be translated with, here."""
        method_named(self.method).load(self._options, choose_device(self.device))

    def check_options(self) -> None:
        """Raise InputError for options that no machine could translate with; without torch."""
        _ = self._options


def _file_sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened ({error.strerror}); check the path and its permissions."
        ) from error
