"""Diffusion bridges between two image domains: DDIB and DDIC.

Both carry an image to the latent with the deterministic DDIM ordinary differential equation (Song
et al. 2021, eq. 12 with sigma = 0) of its own domain's network, and back with the network of the
other domain (dual diffusion implicit bridges, Su et al. 2023). DDIC (dual diffusion imposed
correlation) pulls the way back towards images that correlate with the ultrasound.

Networks are called as ``eps = net(x, t)`` with x float32 [B, 1, H, W] and t int64 [B].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from .errors import InputError
from .progress import Progress
from .schedule import Schedule

if TYPE_CHECKING:
    import torch

    EpsNet = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

SOLVERS = ("ddim",)

# Of the DDIC paper, at 1000 steps and for 128x128 pixels.
GRADIENT_STEP = 3.0
MEDIAN_KERNEL = 5


def ddim_step(
    x: torch.Tensor, net: EpsNet, schedule: Schedule, level: int, next_level: int
) -> torch.Tensor:
    """One explicit Euler step of the ODE, upwards or downwards, from ``level`` to ``next_level``.

    The clean image, level -1, has no noise level of its own in the network's training: there eps
    is taken at t = 0.
    """
    import torch

    t = torch.full((len(x),), max(level, 0), dtype=torch.int64, device=x.device)
    eps = net(x, t)
    here, there = schedule.at(level), schedule.at(next_level)
    clean = (x - (1 - here) ** 0.5 * eps) / here**0.5
    return there**0.5 * clean + (1 - there) ** 0.5 * eps


def encode(
    x0: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int = 1000,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry clean images x0 [B, 1, H, W] to their latents, same shape, in ``steps`` steps."""
    return _walk(x0, net, schedule, schedule.levels(steps), "encode", progress)


def decode(
    latent: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int = 1000,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry latents [B, 1, H, W] to clean images, same shape, in ``steps`` steps."""
    return _walk(latent, net, schedule, schedule.levels(steps)[::-1], "decode", progress)


def _walk(
    x: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    levels: list[int],
    phase: str,
    progress: Progress | None,
) -> torch.Tensor:
    import torch

    progress = progress or Progress()
    with torch.no_grad():
        for level, next_level in progress.track(phase, list(zip(levels, levels[1:]))):
            x = _finite(ddim_step(x, net, schedule, level, next_level), next_level)
    return x


def _finite(x: torch.Tensor, level: int) -> torch.Tensor:
    if not x.isfinite().all():
        raise FloatingPointError(
            f"The image became NaN or infinite at level {level} of the diffusion; "
            "check the weights with `ustomri models verify`."
        )
    return x


def ddib(
    x0: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    steps: int = 1000,
    solver: str = "ddim",
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Translate ultrasound to MRI with the dual diffusion implicit bridge.

    Args:
        x0: float32 [B, 1, H, W] in [-1, 1].
        us_net, mri_net: noise-prediction networks of both domains.
        steps: of the ODE each way, 2 .. T.
        solver: one of :data:`SOLVERS`.
        schedule: of both networks; cosine with T = 1000 where not given.
        progress: looked at in every step.

    Returns:
        Images of the same shape; not clipped.

    Raises:
        InputError: for an unknown solver or a number of steps that cannot be run.
        Cancelled: when the progress' token is set.
    """
    check_solver(solver)
    schedule = schedule or Schedule.cosine()
    latent = encode(x0, us_net, schedule, steps, progress)
    return decode(latent, mri_net, schedule, steps, progress)


def ddic(
    x0: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    steps: int = 1000,
    solver: str = "ddim",
    lr: float = GRADIENT_STEP,
    median_kernel: int = MEDIAN_KERNEL,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Translate ultrasound to MRI with dual diffusion imposed correlation.

    Back from the latent, at each level: one step of both ODEs gives x_{t-1} and y_{t-1}; the
    negative Pearson correlation of their median-filtered images is the loss; y_t moves by one
    gradient step; y_{t-1} is computed again from there. With ``steps`` = T this is the published
    algorithm. With fewer steps there are fewer, larger moves: the gradient step is ``lr * T /
    steps``, so that their sum stays that of the published one.

    Args:
        lr: size of the gradient step at ``steps`` = T; 0 gives :func:`ddib`.
        median_kernel: odd width in pixels of the median filter; 1 turns it off.

    Other arguments, result and errors are those of :func:`ddib`.
    """
    check_solver(solver)
    schedule, progress = schedule or Schedule.cosine(), progress or Progress()
    x = y = encode(x0, us_net, schedule, steps, progress)
    rate = lr * schedule.num_steps / steps
    levels = schedule.levels(steps)[::-1]
    for level, next_level in progress.track("decode", list(zip(levels, levels[1:]))):
        x, y = _imposed_step(
            x, y, us_net, mri_net, schedule, (level, next_level), rate, median_kernel
        )
        _finite(y, next_level)
    return y


def _imposed_step(
    x: torch.Tensor,
    y: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    schedule: Schedule,
    levels: tuple[int, int],
    rate: float,
    median_kernel: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of both images from levels[0] to levels[1], the MRI pulled by the correlation."""
    import torch

    from .correlation import median_filter, pearson

    with torch.no_grad():
        x = ddim_step(x, us_net, schedule, *levels)
    with torch.enable_grad():
        y = y.detach().requires_grad_(True)
        moved = ddim_step(y, mri_net, schedule, *levels)
        correlation = pearson(median_filter(x, median_kernel), median_filter(moved, median_kernel))
        # The sum keeps the images of a batch independent of each other.
        (gradient,) = torch.autograd.grad(-correlation.sum(), y)
    with torch.no_grad():
        return x, ddim_step(y - rate * gradient, mri_net, schedule, *levels)


def check_solver(solver: str) -> None:
    """Raise InputError for a solver that is not one of :data:`SOLVERS`."""
    if solver not in SOLVERS:
        raise InputError(f"The solver {solver!r} is unknown; choose from {', '.join(SOLVERS)}.")
