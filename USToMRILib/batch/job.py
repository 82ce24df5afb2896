"""What is asked of every case of a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from .. import __version__
from ..bridge.schedule import Schedule
from ..compute.bundle import read_metadata, verify_bundle
from ..compute.device import choose_device
from ..errors import InputError
from ..fetal.cyclegan import BUNDLE as CYCLEGAN_BUNDLE
from ..fetal.diffusion import BRIDGES, US_BUNDLE, BridgeSettings, load_pair
from ..fetal.stack import AXES, check_axis
from ..pix2pix.pix2pix3d import BUNDLE as PIX2PIX3D
from ..pix2pix.pix2pix3d import DEFAULT_MEMORY_GIB
from ..translate import METHODS
from .cases import Case

# Beside the results: who is at work on what, and how each case ended.
STATE_FOLDER = ".ustomri"


@dataclass(frozen=True)
class Job:
    """What is asked of every case of a run; the same in every process that works on it.

    Attributes:
        output: folder of the results, absolute.
        arguments: of :func:`USToMRILib.translate`, everything that changes a voxel.
        device: as for ``translate``.
        pixel_size, frame, head_mask: for the cases that do not say; the pixel size only where
            the image does not state it.
        resume: whether a case that is complete from an earlier run is left as it is.
        processes: that share this machine's memory.
        since: nanoseconds on the output disk's clock; what was done later is of this run.
        run: id of the run.
    """

    output: Path
    arguments: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"
    pixel_size: Optional[float] = None
    frame: Optional[int] = None
    head_mask: Optional[str] = None
    resume: bool = False
    processes: int = 1
    since: int = 0
    run: str = ""

    @property
    def method(self) -> str:
        """The method of translation."""
        return str(self.arguments["method"])

    @property
    def _deciding(self) -> dict[str, Any]:
        """The arguments that change more of a voxel than its rounding.

        With more memory, a run goes on where one volume was too large for what was allowed.
        """
        return {name: value for name, value in self.arguments.items() if name != "memory_gib"}

    @property
    def share(self) -> dict[str, Any]:
        """The arguments for one of the processes, with its part of the memory."""
        memory = self.arguments.get("memory_gib", DEFAULT_MEMORY_GIB)
        return {**self.arguments, "memory_gib": memory / self.processes}

    @property
    def state(self) -> Path:
        """The folder of the run's state."""
        return self.output / STATE_FOLDER

    def output_path(self, case: Case) -> Path:
        """Where the pseudo-MRI of a case goes."""
        return self.output / case.output_name(self.method)

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
        asked = {"version": __version__, "arguments": self._deciding, "head_mask": mask}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """What two runs on one folder must agree on."""
        asked = [__version__, self._deciding, self.pixel_size, self.frame, self.head_mask]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def check(self) -> None:
        """Raise InputError for options that no case could be translated with, here."""
        self.check_options()
        chosen = choose_device(self.device)
        if self.method in BRIDGES:
            load_pair(chosen)
        else:
            verify_bundle(PIX2PIX3D if self.method == PIX2PIX3D else CYCLEGAN_BUNDLE)

    def check_options(self) -> None:
        """Raise InputError for options that no machine could translate with; without torch."""
        if self.method not in METHODS:
            known = ", ".join(METHODS)
            raise InputError(f"The method {self.method!r} is unknown; choose from {known}.")
        check_axis(self.arguments.get("axis", AXES[0]))
        if self.method in BRIDGES:
            names = ("method", "steps", "solver", "similarity", "median_kernel", "gain")
            settings = BridgeSettings(*(self.arguments[name] for name in names))
            settings.check(Schedule.from_metadata(read_metadata(US_BUNDLE)))


def _file_sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened ({error.strerror}); check the path and its permissions."
        ) from error
