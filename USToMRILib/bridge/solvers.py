"""Solvers of the diffusion ordinary differential equation, up to the latent and down from it.

With alpha^2 = alpha-bar, sigma^2 = 1 - alpha-bar and lambda = log(alpha / sigma), the ODE of the
clean image D that the network predicts, D = (x - sigma eps) / alpha, has the exact solution

    x_t = sigma_t / sigma_s x_s + sigma_t * integral of exp(lambda) D d lambda from s to t

(Lu et al. 2022, DPM-Solver++, eq. 9). A solver says how D goes on between two levels: DDIM takes it
as constant, 2M as a straight line in lambda. The equation holds in both directions.

Networks are called as ``eps = net(x, t)`` with x float32 [B, 1, H, W] and t int64 [B].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Callable, Optional, Protocol

from ..errors import InputError
from .schedule import CLEAN, Schedule

if TYPE_CHECKING:
    import torch

    EpsNet = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def predict_eps(x: torch.Tensor, net: EpsNet, level: int) -> torch.Tensor:
    """The noise that ``net`` sees in x at ``level``.

    The clean image has no noise level of its own in the network's training: there eps is taken at
    t = 0.
    """
    import torch

    return net(x, torch.full((len(x),), max(level, 0), dtype=torch.int64, device=x.device))


def predict_clean(x: torch.Tensor, net: EpsNet, schedule: Schedule, level: int) -> torch.Tensor:
    """The clean image that ``net`` sees behind x at ``level``."""
    alpha, sigma = schedule.signal_noise(level)
    return (x - sigma * predict_eps(x, net, level)) / alpha


def ddim_step(
    x: torch.Tensor, net: EpsNet, schedule: Schedule, level: int, next_level: int
) -> torch.Tensor:
    """One step of DDIM, explicit Euler, from ``level`` to ``next_level`` in either direction.

    Song et al. 2021, eq. 12 with sigma = 0.
    """
    eps = predict_eps(x, net, level)
    alpha, sigma = schedule.signal_noise(level)
    next_alpha, next_sigma = schedule.signal_noise(next_level)
    return next_alpha * ((x - sigma * eps) / alpha) + next_sigma * eps


def _step(
    x: torch.Tensor, clean: torch.Tensor, schedule: Schedule, level: int, next_level: int
) -> torch.Tensor:
    """The exact solution for a clean image that stays ``clean``; ``level`` is not clean itself."""
    alpha, sigma = schedule.signal_noise(level)
    next_alpha, next_sigma = schedule.signal_noise(next_level)
    ratio = next_sigma / sigma
    return ratio * x + (next_alpha - ratio * alpha) * clean


def _slope_weight(h: float) -> float:
    """Where in a step of ``h`` in lambda the mean of a straight line lies, 0 start .. 1 end.

    The integral of exp(lambda) (lambda - lambda_s) over that of exp(lambda), over h.
    """
    return (h - 1 + math.exp(-h)) / (h * -math.expm1(-h))


class Solver(Protocol):
    """Goes from level to level along the ODE of one network; made anew for every way.

    Attributes:
        remembers: whether a step depends on earlier ones.
    """

    remembers: bool

    def step(self, x: torch.Tensor, level: int, next_level: int) -> torch.Tensor:
        """Carry x [B, 1, H, W] from ``level`` to ``next_level``."""


class Ddim:
    """DDIM: first order, one pass a step."""

    remembers = False

    def __init__(self, net: EpsNet, schedule: Schedule) -> None:
        self.net, self.schedule = net, schedule

    def step(self, x: torch.Tensor, level: int, next_level: int) -> torch.Tensor:
        return ddim_step(x, self.net, self.schedule, level, next_level)


class Multistep:
    """DPM-Solver++ 2M (Lu et al. 2022, algorithm 2): second order, one pass a step.

    D goes on in the straight line through its values at this level and the one before. The paper
    takes the line's value in the middle of the step in lambda; here it is its exact mean. The
    first step, and those from and to the clean image, are DDIM's.
    """

    remembers = True

    def __init__(self, net: EpsNet, schedule: Schedule) -> None:
        self.net, self.schedule = net, schedule
        self._before: Optional[tuple[float, torch.Tensor]] = None

    def step(self, x: torch.Tensor, level: int, next_level: int) -> torch.Tensor:
        if level == CLEAN:
            return ddim_step(x, self.net, self.schedule, level, next_level)
        here = self.schedule.log_snr(level)
        clean = seen = predict_clean(x, self.net, self.schedule, level)
        if self._before is not None and next_level != CLEAN:
            before, seen_before = self._before
            h = self.schedule.log_snr(next_level) - here
            slope = (seen - seen_before) / (here - before)
            clean = seen + h * _slope_weight(h) * slope
        self._before = here, seen
        return _step(x, clean, self.schedule, level, next_level)


SOLVERS: dict[str, Callable[[EpsNet, Schedule], Solver]] = {
    "dpm++2m": Multistep,
    "ddim": Ddim,
}

# That of the DDIB and DDIC papers.
PUBLISHED = "ddim"


def levels_of(solver: str, schedule: Schedule, steps: int) -> list[int]:
    """The ``steps + 1`` levels from the clean image to the latent that suit a solver.

    Evenly in time for the published one, evenly in log-SNR for those of second order.

    Raises:
        InputError: for an unknown solver, or a number of steps that is not in 2 .. T.
    """
    if solver not in SOLVERS:
        raise InputError(f"The solver {solver!r} is unknown; choose from {', '.join(SOLVERS)}.")
    return schedule.levels(steps) if solver == PUBLISHED else schedule.log_snr_levels(steps)
