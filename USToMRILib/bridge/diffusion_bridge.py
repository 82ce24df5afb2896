"""Diffusion bridges between two image domains: DDIB and DDIC.

Both carry an image up to its latent with the deterministic ordinary differential equation of its
own domain's network, and down from there with the network of the other domain (dual diffusion
implicit bridges, Su et al. 2023). DDIC (dual diffusion imposed correlation) moves the image on its
way down along the gradient of its correlation with the ultrasound at the same level. Both are the
loops of :func:`forward_ode` and :func:`reverse_ode`.

Networks are called as ``eps = net(x, t)`` with x float32 [B, 1, H, W] and t int64 [B].
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..compute.threads import SideBySide
from ..progress import Progress
from .imposed import GRADIENT_STEP, MEDIAN_KERNEL, Imposed, pull_weights
from .schedule import Schedule
from .similarity import PEARSON
from .solvers import PUBLISHED, SOLVERS, ddim_step, levels_of

if TYPE_CHECKING:
    import torch

    from .solvers import EpsNet


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

    Args:
        lr: size of a published gradient step; 0 gives :func:`ddib`.
        median_kernel: odd width in pixels of the median filter; 1 turns it off.
        similarity: a key of :data:`USToMRILib.bridge.similarity.SIMILARITIES`.

    Other arguments, result and errors are those of :func:`ddib`.
    """
    imposed = Imposed(similarity, lr, median_kernel)
    schedule = schedule or Schedule.cosine()
    ultrasound = forward_ode(x0, us_net, schedule, steps, solver, imposed, progress)
    latent, nets = ultrasound[-1], (us_net, mri_net)
    return reverse_ode(ultrasound, latent, *nets, schedule, steps, solver, imposed, progress)


def forward_ode(
    x: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int,
    solver: str,
    imposed: Imposed | None = None,
    progress: Progress | None = None,
) -> list[torch.Tensor]:
    """Carry clean images x [B, 1, H, W] to their latents.

    Returns:
        What :func:`reverse_ode` needs: the latents last, and before them, for what is ``imposed``
        by other solvers than the published one, the images at every level from the clean one on.
    """
    import torch

    levels = levels_of(solver, schedule, steps)
    ode = SOLVERS[solver](net, schedule)
    images = [x]
    for t, above in (progress or Progress()).track("encode", list(zip(levels, levels[1:]))):
        with torch.no_grad():
            x = _finite(ode.step(x, t, above), above)
        images.append(x)
        if imposed is None or solver == PUBLISHED:
            images = [x]
    return images


def reverse_ode(
    ultrasound: list[torch.Tensor],
    y: torch.Tensor,
    us_net: EpsNet,
    mri_net: EpsNet,
    schedule: Schedule,
    steps: int,
    solver: str,
    imposed: Imposed | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry latents y [B, 1, H, W] to clean images: DDIC, or DDIB where nothing is ``imposed``.

    The solver "ddim" with T steps is DDIC as published, to the letter: at each level one step of
    both ODEs, one gradient step of y_t, and the step of the MRI again.

    The other solvers leave out what hardly changes the picture: the ultrasound at each level is
    that of the forward ODE, and the gradient step is taken at y_{t-1} itself.

    Where there are fewer steps than T each stands for as many published ones as it passes levels
    (:func:`.imposed.pull_weights`), so that the effect of all gradient steps stays that of the
    published algorithm.

    Args:
        ultrasound: of :func:`forward_ode`; the list is used up.
        y: where the MRI begins; in :func:`ddic` the latents of the ultrasound.
    """
    import torch

    levels = levels_of(solver, schedule, steps)[::-1]
    ode = SOLVERS[solver](mri_net, schedule)
    weights = pull_weights(levels, schedule, ode.remembers)
    down = list(zip(levels, levels[1:], weights))
    x = ultrasound.pop()
    with SideBySide(y.device.type) as side:
        for t, below, weight in (progress or Progress()).track("decode", down):
            if imposed is None:  # DDIB
                with torch.no_grad():
                    y = ode.step(y, t, below)
            elif solver == PUBLISHED:  # DDIC
                y = y.detach().requires_grad_(True)
                x, y_below = side.both(
                    partial(_step, x, us_net, schedule, t, below),
                    partial(_differentiable_step, y, mri_net, schedule, t, below),
                )
                published = schedule.num_steps / steps
                y = imposed.gradient_step(imposed.filtered(x), y_below, y, published)
                y = _step(y, mri_net, schedule, t, below)
            else:  # DDIC, faster
                with torch.no_grad():
                    y = ode.step(y, t, below)
                y = imposed.pull(ultrasound.pop(), y, weight)
            _finite(y, below)
    return y


def encode(
    x0: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int = 1000,
    solver: str = PUBLISHED,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry clean images x0 [B, 1, H, W] to their latents, same shape, in ``steps`` steps."""
    return forward_ode(x0, net, schedule, steps, solver, None, progress)[-1]


def decode(
    latent: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    steps: int = 1000,
    solver: str = PUBLISHED,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Carry latents [B, 1, H, W] to clean images, same shape, in ``steps`` steps."""
    return reverse_ode([latent], latent, net, net, schedule, steps, solver, None, progress)


def _step(
    x: torch.Tensor, net: EpsNet, schedule: Schedule, level: int, next_level: int
) -> torch.Tensor:
    import torch

    with torch.no_grad():
        return ddim_step(x, net, schedule, level, next_level)


def _differentiable_step(
    x: torch.Tensor, net: EpsNet, schedule: Schedule, level: int, next_level: int
) -> torch.Tensor:
    import torch

    with torch.enable_grad():
        return ddim_step(x, net, schedule, level, next_level)


def _finite(x: torch.Tensor, level: int) -> torch.Tensor:
    if not x.isfinite().all():
        raise FloatingPointError(
            f"The image became NaN or infinite at level {level} of the diffusion; "
            "check the weights with `ustomri models verify`."
        )
    return x


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
