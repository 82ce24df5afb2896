"""The pair of fetal eps-networks, and the bridge between them for many frames at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from . import bridge
from .bundle import Bundle, load_bundle
from .errors import InputError
from .frame import check_fits_frame
from .progress import Progress
from .schedule import Schedule

if TYPE_CHECKING:
    import torch

US_BUNDLE, MRI_BUNDLE = "fetal_us_eps", "fetal_mri_eps"

BRIDGES: dict[str, Callable[..., Any]] = {"ddic": bridge.ddic, "ddib": bridge.ddib}


@dataclass(frozen=True)
class EpsPair:
    """Both eps-networks, on one device, and their common schedule."""

    us: Bundle
    mri: Bundle
    schedule: Schedule
    device: str

    @property
    def bundles(self) -> dict[str, str]:
        """Names of the bundles, with the SHA-256 of their weights."""
        return {bundle.name: bundle.sha256 for bundle in (self.us, self.mri)}

    @property
    def cautions(self) -> tuple[str, ...]:
        """What the user of a result should be told."""
        return (*self.us.cautions, *self.mri.cautions)


@dataclass(frozen=True)
class BridgeSettings:
    """How to cross the bridge.

    Attributes:
        method: a key of :data:`BRIDGES`.
        steps: of the diffusion each way, 2 .. T.
        solver: one of :data:`USToMRILib.bridge.SOLVERS`.
    """

    method: str
    steps: int
    solver: str

    def check(self, schedule: Schedule) -> None:
        """Raise InputError for what cannot be run."""
        bridge.check_solver(self.solver)
        schedule.levels(self.steps)

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that changes a voxel, for the provenance."""
        imposed = {"lr": bridge.GRADIENT_STEP, "median_kernel": bridge.MEDIAN_KERNEL}
        return {
            "steps": self.steps,
            "solver": self.solver,
            **(imposed if self.method == "ddic" else {}),
        }


def load_pair(device: str) -> EpsPair:
    """Both eps-networks on ``device``.

    Raises:
        InputError: if a bundle cannot be used, or the two fit neither each other nor the frame.
    """
    nets = load_bundle(US_BUNDLE, device), load_bundle(MRI_BUNDLE, device)
    for bundle in nets:
        check_fits_frame(bundle)
    if nets[0].metadata["schedule"] != nets[1].metadata["schedule"]:
        raise InputError(
            f"The bundles {US_BUNDLE!r} and {MRI_BUNDLE!r} were trained with different schedules; "
            "install a pair that was trained with one."
        )
    return EpsPair(*nets, Schedule.from_metadata(nets[0].metadata), device)


def translate_frames(
    x0: torch.Tensor, pair: EpsPair, settings: BridgeSettings, progress: Progress
) -> torch.Tensor:
    """Carry ultrasound frames to MRI; each as if it were alone.

    Args:
        x0: float32 [B, 1, 128, 128] in [-1, 1], on any device.
        pair: as loaded by :func:`load_pair`.
        settings: of the bridge.
        progress: phases "encode" and "decode".

    Returns:
        float32 [B, 1, 128, 128] on the CPU, in [-1, 1].

    Raises:
        InputError: for settings that cannot be run.
        Cancelled: when the progress' token is set.
    """
    y = BRIDGES[settings.method](
        x0.to(pair.device),
        pair.us.net,
        pair.mri.net,
        steps=settings.steps,
        solver=settings.solver,
        schedule=pair.schedule,
        progress=progress,
    )
    return y.clamp(-1, 1).cpu()
