"""A volume through the 3D generator: turned to the probe, in windows that join without a trace."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..compute.bundle import Bundle
from ..compute.device import list_devices
from ..image.belonging import check_belong_together
from ..image.grid import Grid
from ..image.volume import Volume
from ..progress import Progress
from .cone import cone_around, echoing
from .echo import GreyLevels, echo_weight, ultrasound_range
from .generator import accepted_shape, device_of, dtype_of, generate, reach_and_divisors
from .memory import WINDOW_BYTES, MemoryNeed
from .orientation import SCAN_AXES, Orientation, find_orientation
from .spacing import grid_of_spacing, resampled
from .straight import Straightened, cone_axes
from .windows import Padded, plan_windows, smallest_window

# Of the whole process: on a machine with 8 GiB, half is left to others.
DEFAULT_MEMORY_GIB = 4.0

# Axes (sweep, depth, lateral) to mirror: the first and the last. The probe stays at the top, where
# the generator knows it, and a head in a mirror is a head still, its sides exchanged.
FLIPS: tuple[tuple[int, ...], ...] = ((), (0,), (2,), (0, 2))


@dataclass(frozen=True)
class VolumeTranslation:
    """What became of a volume.

    Attributes:
        array: float32 [k, j, i] in 0..255 on the volume's grid, 0 outside the ultrasound's cone
            and, smoothly, where nothing echoes.
        orientation: how the volume was turned for the generator; an oblique one, after it was
            brought along its ultrasound's own axes.
        axes: of an oblique volume, [3, 3], unit vectors in LPS along the sweep, away from the
            probe and laterally, as columns.
        spread: where it was asked for, the same for the standard deviation of the answers over
            :data:`FLIPS`, in the units of `array`. It shows where the answer depends on how the
            volume lies. It is not the error: where it is small, the answer may still be wrong.
        echo_exponent: of the grey levels that the generator saw (:class:`~.echo.GreyLevels`).
    """

    array: np.ndarray
    orientation: Orientation
    axes: np.ndarray | None = None
    spread: np.ndarray | None = None
    echo_exponent: float = 1.0

    def describe(self) -> dict[str, Any]:
        """For the record: sweep, depth and lateral as the volume's axes, or as vectors in LPS."""
        said = self.orientation.describe()
        if self.axes is None:
            return said
        return {**said, **dict(zip(SCAN_AXES, np.round(self.axes.T, 3).tolist()))}


def translate_volume(
    volume: Volume,
    bundle: Bundle,
    progress: Progress,
    memory_gib: float = DEFAULT_MEMORY_GIB,
    spread: bool = False,
) -> VolumeTranslation:
    """Translate an ultrasound volume to pseudo-MRI with a 3D generator.

    The generator knows volumes with the probe at the top: any other is turned, by whole axes, and
    the result back, so that the answer does not depend on how a volume is stored
    (:func:`~.orientation.find_orientation`); an oblique one is interpolated along its ultrasound's
    own axes first (:func:`~.straight.cone_axes`). The generator sees voxels of the size that it was
    trained on (`spacing_mm` in the bundle's metadata): a volume whose voxels differ from it by more
    than a quarter is resampled to it and the result back; any other that is not oblique stays on
    its own grid throughout. Windows see everything that can change their answer
    (`receptive_field`), so that the result is that of one pass over it all. Where nothing echoes it
    fades to the background (:func:`~.echo.echo_weight`).

    Args:
        volume: ultrasound of any size, also of a single slice; its background is its least value.
        bundle: of :func:`~.generator.load_generator`, whose network maps float32 [1, 1, D, H, W] in
            [-1, 1] to the same, where D, H, W are multiples of `divisors` in its metadata; `window`
            there is (D, H, W) in training.
        progress: reports and cancels window by window in the phase "windows".
        memory_gib: that the process may take in all. It decides how large the windows are, and
            changes a voxel by rounding only.
        spread: whether to translate the mirrored volume too, which takes 4 times as long.

    Raises:
        InputError: the memory does not suffice, or the slices do not belong together.
        Cancelled: a cancel was asked for.
    """
    flips = FLIPS if spread else FLIPS[:1]
    # Before anything is computed, and again when it is known which axis is which.
    _largest_window(volume, bundle, memory_gib, len(flips[:2]))
    echoes = echoing(volume.array)
    check_belong_together(volume.array, echoes, volume.grid.spacing[::-1])
    levels = GreyLevels.of(
        volume.array, ultrasound_range(volume.array), bundle.metadata.get("dark_echo")
    )
    run = _Run(bundle, levels, flips, memory_gib, progress)
    axes = cone_axes(echoes, volume.grid.spacing[::-1])
    made = run.straight(volume, echoes) if axes is None else run.oblique(volume, echoes, axes)
    for array in made.results:
        array[~made.cone] = 0
    own = None if axes is None else made.axes
    mri, *others = made.results
    spreads = others[0] if others else None
    return VolumeTranslation(mri, made.orientation, own, spreads, levels.exponent)


@dataclass(frozen=True)
class _Straight:
    """What became of a volume along its ultrasound's axes.

    Attributes:
        results: float32 [k, j, i]: the answer and, of several flips, their standard deviation.
        cone: bool [k, j, i], beyond which the results say nothing.
        orientation: how the volume was turned.
        axes: [3, 3], unit vectors in LPS along the sweep, the depth and laterally, as columns.
    """

    results: list[np.ndarray]
    cone: np.ndarray
    orientation: Orientation
    axes: np.ndarray


@dataclass(frozen=True)
class _Run:
    """How a volume is translated.

    Attributes:
        bundle: with the generator.
        levels: how grey levels become what the generator sees.
        flips: of :data:`FLIPS`, those that are seen.
        memory_gib: that the process may take in all.
        progress: reports and cancels.
    """

    bundle: Bundle
    levels: GreyLevels
    flips: Sequence[tuple[int, ...]]
    memory_gib: float
    progress: Progress

    def oblique(self, volume: Volume, echoes: np.ndarray, axes: np.ndarray) -> _Straight:
        """Translate a volume along its ultrasound's own axes, and bring results and cone back.

        Args:
            volume: ultrasound.
            echoes: bool [k, j, i], what is not its background.
            axes: of :func:`~.straight.cone_axes`.
        """
        turned = Straightened.of(volume, echoes, axes, min(self.bundle.metadata["spacing_mm"]))
        beside = volume.array.nbytes + echoes.nbytes
        made = self.straight(turned.volume, turned.echoes, beside)
        results = [turned.back(each, volume.grid) for each in made.results]
        cone = echoes | (turned.back(made.cone, volume.grid) > 0.5)
        return replace(made, results=results, cone=cone)

    def straight(self, volume: Volume, echoes: np.ndarray, beside: int = 0) -> _Straight:
        """Translate a volume whose axes are those of its ultrasound, in whatever order.

        Args:
            volume: ultrasound.
            echoes: bool [k, j, i], what is not its background.
            beside: bytes that others hold.
        """
        orientation = find_orientation(volume.array, echoes, volume.grid.spacing[::-1])
        turned = orientation.turn_volume(volume)
        # Where it lies changes nothing, not even by rounding.
        upright = Volume(turned.array, Grid(turned.grid.size, turned.grid.spacing))
        most_voxels = _largest_window(
            upright, self.bundle, self.memory_gib, len(self.flips[:2]), beside
        )
        cone = cone_around(orientation.turn(echoes))
        results = self._upright(upright, cone, most_voxels)
        return _Straight(
            [orientation.turn_back(result) for result in results],
            orientation.turn_back(cone),
            orientation,
            turned.grid.axes[:, ::-1],
        )

    def _upright(self, volume: Volume, cone: np.ndarray, most_voxels: int) -> list[np.ndarray]:
        """Translate a volume with the probe at the top; as :meth:`_windows`, on its grid."""
        grid = grid_of_spacing(volume.grid, self.bundle.metadata["spacing_mm"])
        seen, wanted = volume.array, cone
        if grid != volume.grid:
            seen = resampled(volume, grid, smooth=True).array
            # Smoothed, so that every voxel that the cone's are interpolated from is wanted.
            wanted = resampled(volume.with_array(cone), grid, smooth=True).array > 0
        weight = echo_weight(volume, self.levels.limits, grid)
        results = self._windows(seen, wanted & (weight > 0), most_voxels)
        for array in results:
            array *= weight
        if grid != volume.grid:
            results = [resampled(Volume(r, grid), volume.grid, smooth=False).array for r in results]
        return results

    def _windows(self, array: np.ndarray, wanted: np.ndarray, most_voxels: int) -> list[np.ndarray]:
        """Translate voxels [k, j, i] of the generator's spacing, where wanted.

        Returns:
            Answers, float32 in 0..255; with several flips also their standard deviation.
        """
        results = [np.zeros(array.shape, np.float32) for _ in self.flips[:2]]
        if not wanted.any():
            return results
        padded = Padded(array, accepted_shape(array.shape, self.bundle))
        geometry = reach_and_divisors(self.bundle)
        planned = plan_windows(padded.shape, padded.box(wanted), *geometry, most_voxels)
        placed = [(window.seen, *padded.overlap(window.core, window.seen)) for window in planned]
        passes = list(itertools.product([p for p in placed if wanted[p[1]].any()], self.flips))
        answers: list[np.ndarray] = []
        for (seen, place, core), axes in self.progress.track("windows", passes):
            ultrasound = np.flip(self.levels.seen(padded.read(seen)), axes)
            mri = np.flip(generate(ultrasound, self.bundle.net), axes)[core]
            answers.append(np.clip((mri + 1) * np.float32(127.5), 0, 255))
            if len(answers) == len(self.flips):
                results[0][place] = answers[0]
                for spread in results[1:]:
                    spread[place] = np.std(answers, axis=0)
                answers.clear()
        return results


def _largest_window(
    volume: Volume, bundle: Bundle, memory_gib: float, results: int, beside: int = 0
) -> int:
    """Return how many voxels a window may have in the memory, and in that of the net's device."""
    in_float32 = bundle.metadata.get("bytes_per_voxel", WINDOW_BYTES)
    window_bytes = in_float32 * dtype_of(bundle.net).itemsize // 4
    grid = grid_of_spacing(volume.grid, bundle.metadata["spacing_mm"])
    voxels = volume.array.size + (math.prod(grid.size) if grid != volume.grid else 0)
    need = MemoryNeed(volume.array.nbytes + beside, voxels, results, window_bytes)
    smallest = smallest_window(accepted_shape(grid.shape, bundle), *reach_and_divisors(bundle))
    most = need.largest_window(memory_gib, smallest)
    device = device_of(bundle.net).type
    free = {found.name: found.free_bytes for found in list_devices()}.get(device)
    if device == "cpu" or free is None:
        return most
    return max(min(most, free // window_bytes), smallest)
