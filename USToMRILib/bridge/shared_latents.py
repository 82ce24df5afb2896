"""Latents of neighbouring slices.

The forward ODE turns the speckle of ultrasound into noise: neighbouring slices whose images are
much alike have latents that are less so than those of neighbouring MRI slices by the MRI network's
own forward ODE, and the pseudo-MRI flickers (`python -m benchmarks.flicker` measures it). Noise
that neighbours share is what Du et al. 2026 (arXiv:2602.04162) use against flicker in
reconstructions by 2D diffusion models; there the noise is drawn, here it is the ultrasound's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# The Gaussian ends at so many sigmas.
_REACH_SIGMAS = 3.0
# Of spatial frequency, from 0 to that of neighbouring pixels.
_BANDS = 24


def reach(sigma: float) -> int:
    """How many slices away others still count, for a sigma in slices."""
    return int(_REACH_SIGMAS * sigma + 0.5)


def share(latents: torch.Tensor, sigma: float, wanted: slice) -> torch.Tensor:
    """Average latents over neighbouring slices, and give the noise back what that takes from it.

    Averaging alone would make the latents' noise weaker than any that the networks know. So each
    band of spatial frequency in the plane gets the power back that it had in these slices: noise,
    which differs from slice to slice, is lifted, and structure, which does not, hardly.

    Args:
        latents: float32 [n, 1, H, W] of neighbouring slices, on the CPU: the wanted ones and those
            within :func:`reach`, as far as the stack has them.
        sigma: of the Gaussian, in slices; 0 leaves the latents as they are.
        wanted: for which of them.

    Returns:
        Of the wanted slices, float32 [m, 1, H, W].
    """
    import torch

    if not reach(sigma) or len(latents) == 1:
        return latents[wanted]
    weights = _gaussian(len(latents), sigma)[wanted]
    averaged = (weights @ latents.flatten(1)).view_as(latents[wanted])
    spectrum = torch.fft.rfft2(averaged)
    band = _bands(*latents.shape[-2:])
    had = weights @ _power(torch.fft.rfft2(latents), band)
    has = _power(spectrum, band)
    gain = (had / has.clamp_min(torch.finfo(has.dtype).tiny)).sqrt()
    return torch.fft.irfft2(spectrum * gain[:, None, band], s=latents.shape[-2:])


def _gaussian(count: int, sigma: float) -> torch.Tensor:
    """Weights [count, count] of every slice (columns) for every other (rows), of unit sum."""
    import torch

    place = torch.arange(count, dtype=torch.float32)
    apart = (place[:, None] - place).abs()
    weights = torch.exp(-0.5 * (apart / sigma) ** 2) * (apart <= reach(sigma))
    return weights / weights.sum(1, keepdim=True)


def _bands(rows: int, columns: int) -> torch.Tensor:
    """Number of the band of every frequency of a real transform, int64 [rows, columns // 2 + 1]."""
    import torch

    frequency = torch.hypot(torch.fft.fftfreq(rows)[:, None], torch.fft.rfftfreq(columns)[None])
    return (frequency / 0.5 * _BANDS).long().clamp_max(_BANDS - 1)


def _power(spectrum: torch.Tensor, band: torch.Tensor) -> torch.Tensor:
    """Mean power of each band, [n, bands], of spectra [n, 1, H, W // 2 + 1]."""
    import torch

    power = spectrum.abs().square().flatten(1)
    total = power.new_zeros(len(power), _BANDS).index_add_(1, band.flatten(), power)
    return total / torch.bincount(band.flatten(), minlength=_BANDS)
