"""Volume translation with the 3D pix2pix generator, in windows that join without a trace."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.bundle import Bundle, load_bundle
from ..compute.device import list_devices
from ..compute.precision import has_matrix_unit
from ..image.belonging import check_belong_together
from ..image.grid import Grid
from ..image.volume import Volume
from ..options import option
from ..progress import Progress
from ..result import Made, Request
from .cone import cone_around, echoing
from .echo import GreyLevels, echo_weight
from .memory import WINDOW_BYTES, MemoryNeed
from .orientation import ECHO, SCAN_AXES, UNSURE, Orientation, find_orientation
from .straight import Straightened, cone_axes
from .windows import Padded, plan_windows, smallest_window

if TYPE_CHECKING:
    import torch

BUNDLE = "pix2pix3d"

UNCERTAINTY = (
    "standard deviation of the pseudo-MRI over the volume as it is, mirrored along the sweep, "
    "mirrored laterally, and both: the spread of the model under flips, not its error"
)

# Of the whole process: on a machine with 8 GiB, half is left to others.
DEFAULT_MEMORY_GIB = 4.0

# Axes (sweep, depth, lateral) to mirror: the first and the last. The probe stays at the top, where
# the generator knows it, and a head in a mirror is a head still, its sides exchanged.
FLIPS: tuple[tuple[int, ...], ...] = ((), (0,), (2,), (0, 2))

_SPACING_TOLERANCE = 0.25
_HIGH_PERCENTILE = 99.5


def ultrasound_range(array: np.ndarray) -> tuple[float, float]:
    """Return the values that normalisation maps to -1 and 1.

    The low end is the smallest value (the background of an ultrasound volume), the high end the
    99.5th percentile of what lies above it, so that neither the gain nor a few bright echoes nor
    the size of the background decide. Training and inference use this one function.

    Args:
        array: ultrasound voxels of any shape and real dtype, all finite.
    """
    low = float(array.min())
    above = array[array > low]
    high = float(np.percentile(above, _HIGH_PERCENTILE)) if above.size else low
    return low, high


def load_generator(device: str) -> Bundle:
    """The bundle, with its network as ``device`` runs it fastest.

    That is bfloat16 where there is hardware for it and the metadata say that the network can
    (`bfloat16`): several times as fast as float32, and on average a fraction of a grey level from
    it (`python -m benchmarks.volumes`).

    Raises:
        InputError: if the bundle cannot be used.
    """
    bundle = load_bundle(BUNDLE, device)
    if bundle.metadata.get("bfloat16") and has_matrix_unit(_device(bundle.net)):
        return replace(bundle, net=_in_bfloat16(bundle.net))
    return bundle


@lru_cache(maxsize=2)
def _in_bfloat16(net: torch.nn.Module) -> torch.nn.Module:
    import torch

    reduced = copy.deepcopy(net).to(torch.bfloat16)
    return reduced.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def precision_of(bundle: Bundle) -> str:
    """What a bundle's network computes in, as torch names it: "float32" or "bfloat16"."""
    return str(_precision(bundle.net)).removeprefix("torch.")


@dataclass(frozen=True)
class Pix2Pix3dOptions:
    """How "pix2pix3d" translates."""

    memory_gib: float = option(
        DEFAULT_MEMORY_GIB,
        "that the process may take in all",
        unit="GIB",
        flag="--memory",
        of_machine=True,
    )


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


@dataclass(frozen=True)
class VolumeMethod:
    """The generator with the options, ready to translate volumes."""

    bundle: Bundle
    options: Pix2Pix3dOptions

    def translate(self, volume: Volume, request: Request) -> Made:
        """Translate a volume window by window.

        Raises:
            InputError: the memory does not suffice.
            Cancelled: when the progress' token is set.
        """
        wanted = "uncertainty" in request.maps
        memory = self.options.memory_gib
        done = translate_volume(volume, self.bundle, request.progress, memory, wanted)
        return Made(
            done.array,
            {self.bundle.name: self.bundle.sha256},
            {
                # Bundles that do not say are from when there was none but T1.
                "contrast": self.bundle.metadata.get("contrast", "T1"),
                "precision": precision_of(self.bundle),
                "orientation": done.describe(),
                "echo_exponent": round(done.echo_exponent, 3),
            },
            (*self.bundle.cautions, *_doubts(volume, done, self.bundle)),
            {} if done.spread is None else {"uncertainty": done.spread},
        )


def _doubts(volume: Volume, done: VolumeTranslation, bundle: Bundle) -> list[str]:
    """What to say of a volume that is not as those of the training."""
    doubts = [UNSURE] if done.orientation.told_by == ECHO else []
    thickness, least = min(volume.array.shape), bundle.metadata["window"][0]
    if thickness < least:
        doubts.append(
            f"The image is {thickness} {'slice' if thickness == 1 else 'slices'} thick, and the "
            f"network has learned from {least} slices at once: the pseudo-MRI is less reliable; "
            "give the whole volume."
        )
    return doubts


def load(options: Pix2Pix3dOptions, device: str) -> VolumeMethod:
    """The generator on ``device``.

    Raises:
        InputError: if the bundle cannot be used.
    """
    return VolumeMethod(load_generator(device), options)


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
        bundle: of :func:`load_generator`, whose network maps float32 [1, 1, D, H, W] in [-1, 1] to
            the same, where D, H, W are multiples of `divisors` in its metadata; `window` there is
            (D, H, W) in training.
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
    axes = cone_axes(echoes, volume.grid.spacing[::-1])
    how = levels, bundle, flips, progress, memory_gib
    if axes is None:
        made = _translate_straight(volume, echoes, *how)
    else:
        made = _translate_oblique(volume, echoes, axes, *how)
    for array in made.results:
        array[~made.cone] = 0
    mri, *others = made.results
    own = None if axes is None else made.axes
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


def _translate_oblique(
    volume: Volume,
    echoes: np.ndarray,
    axes: np.ndarray,
    levels: GreyLevels,
    bundle: Bundle,
    flips: Sequence[tuple[int, ...]],
    progress: Progress,
    memory_gib: float,
) -> _Straight:
    """Translate a volume along its ultrasound's own axes, and bring results and cone back.

    Args:
        volume, echoes, levels, bundle, flips, progress, memory_gib: as of
            :func:`_translate_straight`.
        axes: of :func:`~.straight.cone_axes`.
    """
    turned = Straightened.of(volume, echoes, axes, min(bundle.metadata["spacing_mm"]))
    beside = volume.array.nbytes + echoes.nbytes
    made = _translate_straight(
        turned.volume, turned.echoes, levels, bundle, flips, progress, memory_gib, beside
    )
    results = [turned.back(each, volume.grid) for each in made.results]
    cone = echoes | (turned.back(made.cone, volume.grid) > 0.5)
    return replace(made, results=results, cone=cone)


def _translate_straight(
    volume: Volume,
    echoes: np.ndarray,
    levels: GreyLevels,
    bundle: Bundle,
    flips: Sequence[tuple[int, ...]],
    progress: Progress,
    memory_gib: float,
    beside: int = 0,
) -> _Straight:
    """Translate a volume whose axes are those of its ultrasound, in whatever order.

    Args:
        volume: ultrasound.
        echoes: bool [k, j, i], what is not its background.
        levels: how it becomes what the generator sees.
        bundle, flips, progress, memory_gib: as of :func:`translate_volume`.
        beside: bytes that others hold.
    """
    orientation = find_orientation(volume.array, echoes, volume.grid.spacing[::-1])
    turned = orientation.turn_volume(volume)
    # Where it lies changes nothing, not even by rounding.
    upright = Volume(turned.array, Grid(turned.grid.size, turned.grid.spacing))
    most_voxels = _largest_window(upright, bundle, memory_gib, len(flips[:2]), beside)
    cone = cone_around(orientation.turn(echoes))
    results = _translate_upright(upright, cone, levels, bundle, flips, most_voxels, progress)
    return _Straight(
        [orientation.turn_back(result) for result in results],
        orientation.turn_back(cone),
        orientation,
        turned.grid.axes[:, ::-1],
    )


def _translate_upright(
    volume: Volume,
    cone: np.ndarray,
    levels: GreyLevels,
    bundle: Bundle,
    flips: Sequence[tuple[int, ...]],
    most_voxels: int,
    progress: Progress,
) -> list[np.ndarray]:
    """Translate a volume with the probe at the top; as :func:`_translate_array`, on its grid."""
    grid = model_grid(volume.grid, bundle.metadata["spacing_mm"])
    seen, wanted = volume.array, cone
    if grid != volume.grid:
        seen = _resampled(volume, grid, smooth=True).array
        # Smoothed, so that every voxel that the cone's are interpolated from is wanted.
        wanted = _resampled(volume.with_array(cone), grid, smooth=True).array > 0
    weight = echo_weight(volume, levels.limits, grid)
    wanted = wanted & (weight > 0)
    results = _translate_array(seen, wanted, levels, bundle, flips, most_voxels, progress)
    for array in results:
        array *= weight
    if grid != volume.grid:
        results = [_resampled(Volume(r, grid), volume.grid, smooth=False).array for r in results]
    return results


def _largest_window(
    volume: Volume, bundle: Bundle, memory_gib: float, results: int, beside: int = 0
) -> int:
    """Return how many voxels a window may have in the memory, and in that of the net's device."""
    in_float32 = bundle.metadata.get("bytes_per_voxel", WINDOW_BYTES)
    window_bytes = in_float32 * _precision(bundle.net).itemsize // 4
    grid = model_grid(volume.grid, bundle.metadata["spacing_mm"])
    voxels = volume.array.size + (math.prod(grid.size) if grid != volume.grid else 0)
    need = MemoryNeed(volume.array.nbytes + beside, voxels, results, window_bytes)
    smallest = smallest_window(_padded_shape(grid.shape, bundle), *_windowing(bundle))
    most = need.largest_window(memory_gib, smallest)
    device = _device(bundle.net).type
    free = {found.name: found.free_bytes for found in list_devices()}.get(device)
    if device == "cpu" or free is None:
        return most
    return max(min(most, free // window_bytes), smallest)


def _translate_array(
    array: np.ndarray,
    wanted: np.ndarray,
    levels: GreyLevels,
    bundle: Bundle,
    flips: Sequence[tuple[int, ...]],
    most_voxels: int,
    progress: Progress,
) -> list[np.ndarray]:
    """Translate voxels [k, j, i] of the generator's spacing, where wanted.

    Returns:
        Answers, float32 in 0..255; with several flips also their standard deviation.
    """
    results = [np.zeros(array.shape, np.float32) for _ in flips[:2]]
    if not wanted.any():
        return results
    padded = Padded(array, _padded_shape(array.shape, bundle))
    planned = plan_windows(padded.shape, padded.box(wanted), *_windowing(bundle), most_voxels)
    placed = [(window.seen, *padded.overlap(window.core, window.seen)) for window in planned]
    passes = itertools.product([p for p in placed if wanted[p[1]].any()], flips)
    answers: list[np.ndarray] = []
    for (seen, place, core), axes in progress.track("windows", list(passes)):
        ultrasound = np.flip(levels.seen(padded.read(seen)), axes)
        mri = np.flip(_generate(ultrasound, bundle.net), axes)[core]
        answers.append(np.clip((mri + 1) * np.float32(127.5), 0, 255))
        if len(answers) == len(flips):
            results[0][place] = answers[0]
            for spread in results[1:]:
                spread[place] = np.std(answers, axis=0)
            answers.clear()
    return results


def _padded_shape(shape: Sequence[int], bundle: Bundle) -> list[int]:
    """Return the shape that the generator is given for a volume (k, j, i).

    Slices are repeated up to the number in training, which the generator knows; in plane a size
    is only rounded up.
    """
    least = (bundle.metadata["window"][0], 1, 1)
    sizes = zip(shape, least, bundle.metadata["divisors"])
    return [-(-max(size, few) // by) * by for size, few, by in sizes]


def _windowing(bundle: Bundle) -> tuple[Sequence[int], Sequence[int]]:
    return bundle.metadata["receptive_field"]["reach"], bundle.metadata["divisors"]


def _generate(ultrasound: np.ndarray, net: torch.nn.Module) -> np.ndarray:
    """Run the generator on one window, float32 [D, H, W] in [-1, 1]."""
    import torch

    with torch.no_grad():
        image = torch.from_numpy(np.ascontiguousarray(ultrasound))[None, None]
        return net(image.to(_device(net), _precision(net)))[0, 0].float().cpu().numpy()


def _device(net: torch.nn.Module) -> torch.device:
    import torch

    return next((p.device for p in net.parameters()), torch.device("cpu"))


def _precision(net: torch.nn.Module) -> torch.dtype:
    import torch

    return next((p.dtype for p in net.parameters()), torch.float32)


def model_grid(grid: Grid, spacing: Sequence[float]) -> Grid:
    """Return the grid over the same extent with voxels of about `spacing` mm along (i, j, k).

    An axis whose voxels are within a quarter of it, or that has one voxel, is left as it is.
    """
    size, new_spacing, shift = [], [], []
    for n, old, wanted in zip(grid.size, grid.spacing, spacing):
        keep = n == 1 or abs(old / wanted - 1) <= _SPACING_TOLERANCE
        number = n if keep else max(1, round(n * old / wanted))
        size.append(number)
        new_spacing.append(old * n / number)
        shift.append((n / number - 1) / 2)
    if tuple(size) == grid.size:
        return grid
    origin = grid.index_to_physical(np.array(shift))
    return Grid(
        (size[0], size[1], size[2]),
        (new_spacing[0], new_spacing[1], new_spacing[2]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        grid.direction,
    )


def _resampled(volume: Volume, grid: Grid, smooth: bool) -> Volume:
    """Interpolate linearly on a grid of the same extent, after smoothing for coarser voxels."""
    import SimpleITK as sitk

    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    if smooth:
        # Half the new voxel less the old one, as a Gaussian's sigma in mm.
        pairs = zip(volume.grid.spacing, grid.spacing)
        variances = [max((new / 2) ** 2 - (old / 2) ** 2, 0.0) for old, new in pairs]
        image = sitk.DiscreteGaussian(image, variances)
    return Volume(grid.resample(image), grid)
