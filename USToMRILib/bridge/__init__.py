"""The diffusion bridge: DDIB and DDIC, and the solvers, schedule and filters they call."""

from .diffusion_bridge import ddib, ddic

__all__ = ["ddib", "ddic"]
