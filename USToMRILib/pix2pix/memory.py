"""How much memory the translation of a volume takes, and how large its windows may be.

The numbers are measured, with room to spare, by ``python -m benchmarks.volumes``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

GIB = 2**30

# Interpreter, torch, SimpleITK and the library; allocators' slack.
_PROGRAM_BYTES = 0.6 * GIB
# A generator with so many channels in its first level, for each voxel of a window; a bundle's
# metadata may say otherwise in `bytes_per_voxel`.
WINDOW_BYTES, WINDOW_BYTES_WIDTH = 90, 16
# While windows run: cone, the volume at the generator's spacing, weight, result.
_KEPT_BYTES = 14
# Before and after: labels of the cone's outside, resampling, percentiles.
_PASSING_BYTES = 25


@dataclass(frozen=True)
class MemoryNeed:
    """What a translation takes besides its windows.

    Attributes:
        input_bytes: of the volume's own array.
        voxels: of the volume, and again at the generator's spacing where it is resampled.
        results: arrays of the volume's size that are made.
        window_bytes: for each voxel of a window.
    """

    input_bytes: int
    voxels: int
    results: int
    window_bytes: int

    def largest_window(self, memory_gib: float, smallest: int) -> int:
        """Return how many voxels a window may have within ``memory_gib``.

        Args:
            memory_gib: of the whole process, in GiB.
            smallest: voxels that a window must have.

        Raises:
            InputError: the memory does not suffice for the smallest window.
        """
        fixed = _PROGRAM_BYTES + self.input_bytes
        kept = (_KEPT_BYTES + 4 * (self.results - 1)) * self.voxels
        needed = fixed + max(_PASSING_BYTES * self.voxels, kept + smallest * self.window_bytes)
        if not memory_gib * GIB >= needed:
            raise InputError(
                f"Translating this volume takes about {needed / GIB + 0.05:.1f} GiB of memory and "
                f"{memory_gib:g} GiB are allowed; allow more (--memory), or crop the volume."
            )
        return int((memory_gib * GIB - fixed - kept) / self.window_bytes)
