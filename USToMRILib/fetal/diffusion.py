"""The pair of fetal eps-networks, and the bridge between them for many frames at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..bridge import diffusion_bridge as bridge
from ..bridge.imposed import MEDIAN_KERNEL, Imposed
from ..bridge.schedule import Schedule
from ..bridge.shared_latents import reach, share
from ..bridge.similarity import PEARSON, SIMILARITIES
from ..bridge.solvers import PUBLISHED, SOLVERS, levels_of
from ..compute.bundle import Bundle, first_installed, load_bundle
from ..compute.threads import at_work, on_threads
from ..errors import InputError
from ..options import option
from ..progress import Progress
from .envelope import drawn_brains
from .frame_spec import SKULL, FrameSpec, common_frame, takes_size
from .gain import EVEN, GAINS, even_gain
from .guided import MRI_BUNDLE as BRAIN_MRI_BUNDLE
from .pipeline import LATENT_MM, Answer, FrameMethod, Frames
from .stack import axis_option

if TYPE_CHECKING:
    import torch

    from ..bridge.solvers import EpsNet

US_BUNDLE = "fetal_us_eps"
MRI_BUNDLE = "fetal_mri_eps"
BRAIN_US_BUNDLE = "fetal_brain_us_eps"

# Networks of heads in the paper's frame, and of brains in the head-scaled one, which take their
# place where both are installed.
HEADS = (US_BUNDLE, MRI_BUNDLE)
BRAINS = (BRAIN_US_BUNDLE, BRAIN_MRI_BUNDLE)

# What `python -m benchmarks.bridge` measures.
DEFAULT_SOLVER = "dpm++2m"
# Steps each way where the user does not say; those of "ddim" are the published ones.
STEPS = {"dpm++2m": 18, "ddim": 1000}

# Frames in one pass of a network. On a CPU a batch saves a tenth of the time and rounds otherwise
# than an image alone; a median can then be another pixel's, and the pull goes there. Elsewhere it
# bounds the memory and what a cancel waits for, and is not measured.
CPU_FRAMES, DEVICE_FRAMES = 1, 8

RESIDUAL = (
    "absolute difference of the ultrasound, scaled to 0 .. 255 inside the head, and of the "
    "pseudo-MRI carried back to ultrasound: where the translation is not consistent with itself, "
    "not where it is wrong"
)


@dataclass(frozen=True)
class EpsPair:
    """Both eps-networks, on one device, with their common schedule and frame."""

    us: Bundle
    mri: Bundle
    schedule: Schedule
    frame: FrameSpec
    device: str

    @property
    def bundles(self) -> dict[str, str]:
        """Names of the bundles, with the SHA-256 of their weights."""
        return {bundle.name: bundle.sha256 for bundle in (self.us, self.mri)}

    @property
    def cautions(self) -> tuple[str, ...]:
        """What the user of a result should be told."""
        return (*self.us.cautions, *self.mri.cautions)

    def nets(self, sizes: torch.Tensor) -> tuple[EpsNet, EpsNet]:
        """Both networks for heads of these sizes in mm, float32 [B]."""
        return _of_sizes(self.us, sizes), _of_sizes(self.mri, sizes)


def _of_sizes(bundle: Bundle, sizes: torch.Tensor) -> EpsNet:
    """Return a network for heads of these sizes, whether or not it is conditioned on them."""
    net: EpsNet = bundle.net
    return (lambda x, t: bundle.net(x, t, sizes)) if takes_size(bundle) else net


@dataclass(frozen=True)
class DdibOptions:
    """How "ddib" crosses the bridge."""

    steps: Optional[int] = option(
        None,
        "of the diffusion each way; default: "
        + ", ".join(f"{count} for {solver}" for solver, count in STEPS.items()),
        least=2,
        most=1000,
    )
    solver: str = option(
        DEFAULT_SOLVER,
        f"of the diffusion's ODE; {PUBLISHED} with 1000 steps: as published",
        choices=tuple(SOLVERS),
    )
    gain: str = option(
        EVEN,
        f"of what the networks see; {EVEN} raises dark parts of the head, recorded: as published",
        choices=GAINS,
    )
    axis: str = axis_option()

    @property
    def steps_each_way(self) -> int:
        """As given, or the solver's default."""
        return STEPS[self.solver] if self.steps is None else self.steps

    @property
    def crossing(self) -> dict[str, Any]:
        """The arguments of the bridge."""
        return {"steps": self.steps_each_way, "solver": self.solver}

    @property
    def imposed(self) -> Optional[Imposed]:
        """What pulls the reverse ODE; nothing."""
        return None

    def steps_of(self, frames: int, device: str) -> int:
        """Number of steps in all, both ways, that so many frames take."""
        return 2 * self.steps_each_way * -(-frames // frames_at_once(device))


@dataclass(frozen=True)
class DdicOptions(DdibOptions):
    """How "ddic" crosses the bridge."""

    similarity: str = option(PEARSON, "that is imposed", choices=tuple(SIMILARITIES))
    median_kernel: int = option(
        MEDIAN_KERNEL,
        "odd width of the median filter, 5 as published; 1: none, fewer dots where it is dark",
        least=1,
        unit="PIXELS",
    )

    @property
    def crossing(self) -> dict[str, Any]:
        """The arguments of the bridge."""
        return {**super().crossing, **asdict(self.imposed)}

    @property
    def imposed(self) -> Imposed:
        """What pulls the reverse ODE."""
        return Imposed(self.similarity, median_kernel=self.median_kernel)

    def check(self) -> None:
        """Raise InputError for a filter that has no centre."""
        _ = self.imposed


def bridge_of(options: DdibOptions) -> Callable[..., torch.Tensor]:
    """The bridge that these options are of."""
    return bridge.ddic if options.imposed else bridge.ddib


def frames_at_once(device: str) -> int:
    """How many frames one pass of a network takes on a device."""
    return CPU_FRAMES if device == "cpu" else DEVICE_FRAMES


def load_pair(device: str, names: Optional[tuple[str, str]] = None) -> EpsPair:
    """Both eps-networks on ``device``.

    Args:
        device: "cpu", "cuda" or "mps".
        names: :data:`BRAINS` or :data:`HEADS`; the first of these that is installed where None.

    Raises:
        InputError: if a bundle cannot be used, or the two do not fit each other.
    """
    us, mri = (load_bundle(name, device) for name in names or first_installed(BRAINS, HEADS))
    frame = common_frame(us, mri)
    if us.metadata["schedule"] != mri.metadata["schedule"]:
        raise InputError(
            f"The bundles {us.name!r} and {mri.name!r} were trained with different schedules; "
            "install a pair that was trained with one."
        )
    return EpsPair(us, mri, Schedule.from_metadata(us.metadata), frame, device)


def load(options: DdibOptions, device: str) -> FrameMethod:
    """Both eps-networks on ``device``, ready to cross the bridge as the options say.

    Raises:
        InputError: if a bundle cannot be used, the two do not fit each other, or the options
            cannot be run.
    """
    pair = load_pair(device)
    levels_of(options.solver, pair.schedule, options.steps_each_way)
    within_skull = pair.frame.inside == SKULL
    if within_skull and options.gain != EVEN:
        raise InputError(
            f"The network {pair.us.name!r} has learned from brains with even gain alone; leave out "
            f"the gain {options.gain!r}."
        )

    def translate(frames: Frames) -> Answer:
        how = options, frames.progress, frames.sigma, frames.sizes
        made = translate_frames(frames.images, pair, *how)
        return Answer(made, shown=drawn_brains(made) if within_skull else None)

    def residual(frames: Frames, made: torch.Tensor) -> torch.Tensor:
        how = options, frames.progress, frames.sizes
        return residual_frames(frames.images, made, pair, *how)

    return FrameMethod(
        pair.frame,
        translate,
        pair.bundles,
        pair.cautions,
        options.crossing,
        options.axis,
        # Brains within their skulls have it already.
        prepare=even_gain if options.gain == EVEN and not within_skull else FrameMethod.prepare,
        residual=residual,
        latent_mm=LATENT_MM,
    )


def translate_frames(
    x0: torch.Tensor,
    pair: EpsPair,
    settings: DdibOptions,
    progress: Progress,
    sigma: float = 0.0,
    sizes: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """Carry ultrasound frames to MRI, each as if it were alone, or as slices of one stack.

    Args:
        x0: float32 [B, 1, H, W] in [-1, 1] of the pair's frame, on any device.
        pair: as loaded by :func:`load_pair`.
        settings: of the bridge.
        progress: phases "encode" and "decode"; "slices" where there are more frames than fit.
        sigma: how many frames far neighbours share their latents
            (:func:`USToMRILib.bridge.shared_latents.share`); 0 for frames that are no neighbours.
        sizes: of the heads in mm (:attr:`.frame.HeadFrame.size_mm`), float32 [B], for networks
            that are conditioned on them.

    Returns:
        float32 of the shape of x0 on the CPU, in [-1, 1].

    Raises:
        InputError: for settings that cannot be run.
        Cancelled: when the progress' token is set.
    """
    sizes = _sizes(sizes, len(x0))
    if len(x0) > 1 and reach(sigma):
        return _translate_stack(x0, sizes, pair, settings, progress, sigma)

    def cross(progress: Progress, part: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        options = {**settings.crossing, "schedule": pair.schedule, "progress": progress}
        return bridge_of(settings)(part, *pair.nets(sizes), **options).clamp(-1, 1)

    return _in_parts((x0, sizes), cross, pair.device, settings, progress)


def _translate_stack(
    x0: torch.Tensor,
    sizes: torch.Tensor,
    pair: EpsPair,
    settings: DdibOptions,
    progress: Progress,
    sigma: float,
) -> torch.Tensor:
    """As :func:`translate_frames`, with latents that neighbours share.

    The reverse ODE of a part begins when the forward ODEs are done that its latents are shared
    with; so few trajectories are in memory at a time, however long the stack.
    """
    import torch

    at_once = frames_at_once(pair.device)
    parts = list(zip(x0.to(pair.device).split(at_once), sizes.to(pair.device).split(at_once)))
    ahead = -(-reach(sigma) // len(parts[0][0]))
    steps, together = settings.steps_each_way, at_work(pair.device)
    ode = pair.schedule, steps, settings.solver, settings.imposed
    trajectories: dict[int, list[torch.Tensor]] = {}
    latents: list[torch.Tensor] = []
    made: list[torch.Tensor] = []

    def forward(progress: Progress, part: tuple[torch.Tensor, torch.Tensor]) -> list[torch.Tensor]:
        us_net, _ = pair.nets(part[1])
        return bridge.forward_ode(part[0], us_net, *ode, progress)

    def reverse(progress: Progress, number: int) -> torch.Tensor:
        first = max(number - ahead, 0)
        start = sum(map(len, latents[first:number]))
        near = torch.cat(latents[first : number + ahead + 1])
        shared = share(near, sigma, slice(start, start + len(parts[number][0])))
        us_net, mri_net = pair.nets(parts[number][1])
        latent = shared.to(pair.device)
        y = bridge.reverse_ode(trajectories.pop(number), latent, us_net, mri_net, *ode, progress)
        return y.clamp(-1, 1).cpu()

    with progress.within("slices", settings.steps_of(len(x0), pair.device)) as inner:
        for first in range(0, len(parts) + ahead, together):
            begun = on_threads(forward, parts[first : first + together], inner, steps, pair.device)
            trajectories.update(enumerate(begun, start=first))
            latents.extend(trajectory[-1].cpu() for trajectory in begun)
            ready = range(len(made), min(first + together - ahead, len(parts)))
            made += on_threads(reverse, ready, inner, steps, pair.device)
    return torch.cat(made)


def residual_frames(
    x0: torch.Tensor,
    y: torch.Tensor,
    pair: EpsPair,
    settings: DdibOptions,
    progress: Progress,
    sizes: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """Carry pseudo-MRI frames back, and compare, by :func:`.bridge.diffusion_bridge.residual`.

    Args:
        x0, y: ultrasound and its pseudo-MRI, float32 [B, 1, H, W] in [-1, 1].
        pair, settings: that made it.
        progress: phase "residual".
        sizes: as there.

    Returns:
        float32 of the same shape on the CPU, 0 .. 2.
    """

    def carry_back(progress: Progress, *part: torch.Tensor) -> torch.Tensor:
        steps, solver = settings.steps_each_way, settings.solver
        us, mri, sizes = part
        nets = pair.nets(sizes)
        return bridge.residual(us, mri, *nets, steps, solver, pair.schedule, progress)

    with progress.within("residual", settings.steps_of(len(x0), pair.device)) as inner:
        return _in_parts((x0, y, _sizes(sizes, len(x0))), carry_back, pair.device, settings, inner)


def _sizes(sizes: Optional[torch.Tensor], count: int) -> torch.Tensor:
    """As given, or NaN, which no network that is conditioned on them can hide."""
    import torch

    return torch.full((count,), torch.nan) if sizes is None else sizes


def _in_parts(
    frames: tuple[torch.Tensor, ...],
    cross: Callable[..., torch.Tensor],
    device: str,
    settings: DdibOptions,
    progress: Progress,
) -> torch.Tensor:
    """What ``cross`` makes of all frames, of :func:`frames_at_once` at a time."""
    import torch

    parts = list(zip(*(each.to(device).split(frames_at_once(device)) for each in frames)))
    steps = 2 * settings.steps_each_way

    def made(progress: Progress, part: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return cross(progress, *part).cpu()

    if len(parts) == 1:
        return on_threads(made, parts, progress, steps, device)[0]
    with progress.within("slices", settings.steps_of(len(frames[0]), device)) as inner:
        return torch.cat(on_threads(made, parts, inner, steps, device))
