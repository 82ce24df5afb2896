"""Diffusion bridges between two image domains: DDIB and DDIC.

Both carry an image to the latent with the deterministic ordinary differential equation of its own
domain's network, and back with the network of the other domain (dual diffusion implicit bridges,
Su et al. 2023). DDIC (dual diffusion imposed correlation) pulls the way back towards images that
correlate with the ultrasound.

Networks are called as ``eps = net(x, t)`` with x float32 [B, 1, H, W] and t int64 [B].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..compute.side_by_side import SideBySide
from ..progress import Progress
from .imposed import GRADIENT_STEP, MEDIAN_KERNEL, Imposed, pull_weights
from .schedule import Schedule
from .similarity import PEARSON
from .solvers import PUBLISHED, SOLVERS, levels_of

if TYPE_CHECKING:
    import torch

    from .solvers import EpsNet


def encode(
    x0: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int = 1000,
    solver: str = PUBLISHED,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry clean images x0 [B, 1, H, W] to their latents, same shape, in ``steps`` steps."""
    levels = levels_of(solver, schedule, steps)
    return _last(_walk(x0, net, schedule, levels, solver, "encode", progress))


def decode(
    latent: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int = 1000,
    solver: str = PUBLISHED,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry latents [B, 1, H, W] to clean images, same shape, in ``steps`` steps."""
    levels = levels_of(solver, schedule, steps)[::-1]
    return _last(_walk(latent, net, schedule, levels, solver, "decode", progress))


def _walk(
    x: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    levels: list[int],
    solver: str,
    phase: str,
    progress: Progress | None,
) -> Iterator[torch.Tensor]:
    """The image at each of the levels after the first."""
    import torch

    way = SOLVERS[solver](net, schedule)
    progress = progress or Progress()
    for level, next_level in progress.track(phase, list(zip(levels, levels[1:]))):
        with torch.no_grad():
            x = _finite(way.step(x, level, next_level), next_level)
        yield x


def _last(images: Iterator[torch.Tensor]) -> torch.Tensor:
    for image in images:
        last = image
    return last


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
    solver: str = PUBLISHED,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Translate ultrasound to MRI with the dual diffusion implicit bridge.

    Args:
        x0: float32 [B, 1, H, W] in [-1, 1].
        us_net, mri_net: noise-prediction networks of both domains.
        steps: of the ODE each way, 2 .. T.
        solver: a key of :data:`USToMRILib.bridge.solvers.SOLVERS`.
        schedule: of both networks; cosine with T = 1000 where not given.
        progress: looked at in every step.

    Returns:
        Images of the same shape; not clipped.

    Raises:
        InputError: for an unknown solver or a number of steps that cannot be run.
        FloatingPointError: if the image becomes NaN or infinite; the message says at which level.
        Cancelled: when the progress' token is set.
    """
    schedule = schedule or Schedule.cosine()
    latent = encode(x0, us_net, schedule, steps, solver, progress)
    return decode(latent, mri_net, schedule, steps, solver, progress)


def ddic(
    x0: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    steps: int = 1000,
    solver: str = PUBLISHED,
    lr: float = GRADIENT_STEP,
    median_kernel: int = MEDIAN_KERNEL,
    similarity: str = PEARSON,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Translate ultrasound to MRI with dual diffusion imposed correlation.

    The solver "ddim" with ``steps`` = T is the published algorithm, to the letter: back from the
    latent, at each level, one step of both ODEs, one gradient step of y_t, and the step of the MRI
    again (:meth:`USToMRILib.bridge.imposed.Imposed.published_step`).

    The other solvers leave out what hardly changes the picture: the ultrasound at each level is
    that of the way up, and the gradient step is taken at y_{t-1} itself
    (:meth:`USToMRILib.bridge.imposed.Imposed.pull`).

    Where there are fewer steps than T each stands for as many published ones as it passes levels,
    and follows the gradient in as many parts as it takes not to overshoot, so that the effect of
    all gradient steps stays that of the published algorithm
    (:func:`USToMRILib.bridge.imposed.pull_weights`).

    Args:
        lr: size of a published gradient step; 0 gives :func:`ddib`.
        median_kernel: odd width in pixels of the median filter; 1 turns it off.
        similarity: a key of :data:`USToMRILib.bridge.similarity.SIMILARITIES`.

    Other arguments, result and errors are those of :func:`ddib`.
    """
    imposed = Imposed(similarity, lr, median_kernel)
    schedule, progress = schedule or Schedule.cosine(), progress or Progress()
    ultrasound = way_up(x0, us_net, schedule, steps, solver, progress)
    walk = schedule, steps, solver, progress
    return way_down(ultrasound, ultrasound[-1], us_net, mri_net, imposed, *walk)


def way_up(
    x0: torch.Tensor,
    us_net: EpsNet,
    schedule: Schedule,
    steps: int,
    solver: str,
    progress: Progress | None = None,
) -> list[torch.Tensor]:
    """The first half of :func:`ddic`: the images that the second needs, the latents last."""
    levels = levels_of(solver, schedule, steps)
    images = _walk(x0, us_net, schedule, levels, solver, "encode", progress)
    return [_last(images)] if solver == PUBLISHED else [x0, *images]


def way_down(
    ultrasound: list[torch.Tensor],
    latent: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    imposed: Imposed,
    schedule: Schedule,
    steps: int,
    solver: str,
    progress: Progress | None = None,
) -> torch.Tensor:
    """The second half of :func:`ddic`.

    Args:
        ultrasound: of :func:`way_up`; the list is used up.
        latent: where the MRI begins, [B, 1, H, W]; in :func:`ddic` that of the ultrasound.
    """
    levels, progress = levels_of(solver, schedule, steps), progress or Progress()
    x = ultrasound.pop()
    if solver == PUBLISHED:
        return _decode_published(x, latent, us_net, mri_net, schedule, levels, imposed, progress)
    return _decode_pulled(ultrasound, latent, mri_net, schedule, levels, solver, imposed, progress)


def _decode_published(
    x: torch.Tensor,
    y: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    schedule: Schedule,
    levels: list[int],
    imposed: Imposed,
    progress: Progress,
) -> torch.Tensor:
    weight = schedule.num_steps / (len(levels) - 1)
    down = levels[::-1]
    with SideBySide(y.device.type) as side:
        for step in progress.track("decode", list(zip(down, down[1:]))):
            x, y = imposed.published_step(x, y, us_net, mri_net, schedule, step, weight, side)
            _finite(y, step[1])
    return y


def _decode_pulled(
    ultrasound: list[torch.Tensor],
    y: torch.Tensor,
    mri_net: EpsNet,
    schedule: Schedule,
    levels: list[int],
    solver: str,
    imposed: Imposed,
    progress: Progress,
) -> torch.Tensor:
    """Decode latents y, pulled at every level below them towards the ultrasound there."""
    import torch

    way = SOLVERS[solver](mri_net, schedule)
    down = levels[::-1]
    weights = pull_weights(down, schedule, way.remembers)
    for level, next_level, weight in progress.track("decode", list(zip(down, down[1:], weights))):
        with torch.no_grad():
            y = way.step(y, level, next_level)
        y = _finite(imposed.pull(ultrasound.pop(), y, weight), next_level)
    return y


def residual(
    x0: torch.Tensor,
    y: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    steps: int = 1000,
    solver: str = PUBLISHED,
    schedule: Schedule | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Where a translation is not consistent with itself.

    The pseudo-MRI is carried back to ultrasound by :func:`ddib` in reverse, and compared with the
    ultrasound that it was made from. For the exact bridge alone the difference is 0: what remains
    is where the imposed correlation, clipping and the solver's errors moved the pseudo-MRI away
    from the image that the networks hold for the same. A low value says that the way can be gone
    back, not that the anatomy is right.

    Args:
        x0: the ultrasound, float32 [B, 1, H, W] in [-1, 1].
        y: its pseudo-MRI, the same shape.

    Returns:
        Absolute difference, of the same shape, 0 .. 2 (the carried back image is clipped).

    Other arguments and errors are those of :func:`ddib`.
    """
    back = ddib(y, mri_net, us_net, steps, solver, schedule, progress)
    return (back.clamp(-1, 1) - x0).abs()
