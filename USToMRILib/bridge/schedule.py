"""Noise schedules of the diffusion models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError

# The level of the clean image.
CLEAN = -1

# Outside this range of lambda hardly anything is decided: one step at each end covers it. Of the
# ranges in benchmarks/bridge.md, it comes nearest to the published algorithm's pictures.
LOG_SNR_RANGE = (-3.5, 5.0)


@dataclass(frozen=True)
class Schedule:
    """The cumulative signal fractions alpha-bar of a variance-preserving diffusion.

    A *level* is an integer from -1, the clean image, to ``T - 1``, the latent.

    Attributes:
        alpha_bar: float64 [T + 1]; entry ``level + 1`` is alpha-bar of that level, entry 0 is 1.
    """

    alpha_bar: np.ndarray

    @property
    def num_steps(self) -> int:
        """T, the number of noise levels the networks were trained with."""
        return len(self.alpha_bar) - 1

    def at(self, level: int) -> float:
        """Alpha-bar of ``level`` in -1 .. T-1."""
        return float(self.alpha_bar[level + 1])

    def signal_noise(self, level: int) -> tuple[float, float]:
        """Alpha and sigma of ``level``: x = alpha x_0 + sigma eps."""
        alpha_bar = self.at(level)
        return math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)

    def log_snr(self, level: int) -> float:
        """Lambda = log(alpha / sigma) of ``level`` in 0 .. T-1, half the log signal-to-noise."""
        alpha, sigma = self.signal_noise(level)
        return math.log(alpha / sigma)

    def levels(self, steps: int) -> list[int]:
        """``steps + 1`` levels from -1 to T-1, spread evenly, both ends kept.

        Raises:
            InputError: if ``steps`` is not in 2 .. T.
        """
        self._check(steps)
        return [int(level) for level in np.linspace(-1, self.num_steps - 1, steps + 1).round()]

    def log_snr_levels(self, steps: int) -> list[int]:
        """``steps + 1`` levels from -1 to T-1, those between spread evenly in log-SNR.

        Raises:
            InputError: if ``steps`` is not in 2 .. T.
        """
        self._check(steps)
        log_snr = [self.log_snr(level) for level in range(self.num_steps)]
        wanted = np.linspace(*LOG_SNR_RANGE, steps - 1)[::-1]
        between = np.interp(-wanted, np.negative(log_snr), np.arange(self.num_steps)).round()
        # Where levels are rarer than asked for, their neighbours.
        order = np.arange(steps - 1)
        between = np.maximum.accumulate(between - order).clip(0, self.num_steps - steps) + order
        return [CLEAN, *(int(level) for level in between), self.num_steps - 1]

    def levels_below(self, start: int, steps: int) -> list[int]:
        """Levels from ``start`` down to -1 in at most ``steps`` steps, spread evenly in log-SNR."""
        log_snr = np.array([self.log_snr(level) for level in range(start + 1)])
        wanted = np.linspace(log_snr[start], LOG_SNR_RANGE[1], steps)
        between = np.interp(-wanted, -log_snr, np.arange(start + 1)).round().astype(int)
        return [*sorted(set(between.tolist()), reverse=True), CLEAN]

    def _check(self, steps: int) -> None:
        if not 2 <= steps <= self.num_steps:
            raise InputError(f"{steps} steps cannot be run; choose from 2 to {self.num_steps}.")

    @classmethod
    def from_betas(cls, betas: np.ndarray) -> Schedule:
        """The schedule of the variances ``betas`` [T]: alpha-bar_t = prod_s (1 - beta_s)."""
        return cls(np.concatenate([[1.0], np.cumprod(1.0 - np.asarray(betas, np.float64))]))

    @classmethod
    def cosine(cls, num_steps: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> Schedule:
        """The cosine schedule of Nichol & Dhariwal 2021, eq. 17, with beta clipped at 0.999."""
        time = np.arange(num_steps + 1) / num_steps
        f = np.cos((time + s) / (1 + s) * np.pi / 2) ** 2
        return cls.from_betas(np.minimum(1 - f[1:] / f[:-1], max_beta))

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any]) -> Schedule:
        """The schedule that a bundle's metadata names under ``schedule``.

        Raises:
            InputError: if the bundle has no schedule, or one of an unknown name.
        """
        named = dict(metadata.get("schedule") or {})
        name = named.pop("name", None)
        if name != "cosine":
            raise InputError(
                f"The bundle's schedule {name!r} is unknown; its metadata must name 'cosine'."
            )
        return cls.cosine(**named)
