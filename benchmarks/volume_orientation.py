"""How much the answer of pix2pix3d depends on how a volume lies.

``python -m benchmarks.volume_orientation`` writes ``benchmarks/volume_orientation.md``: some
minutes of one core. Ultrasound is simulated, of heads in no training.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import SimpleITK as sitk
import torch
from scipy.ndimage import binary_erosion
from scipy.spatial.transform import Rotation

from benchmarks.machine import processor
from benchmarks.markdown import table
from training.data.location import add_data_option
from training.data.pairs import Pair
from training.data.splits import read_split
from training.runinfo import run_record
from training.simulation import adult_pairs
from training.simulation.adult_anatomy import MriPriors, read_head
from training.simulation.adult_domain import NARROW
from training.simulation.adult_pairs import make_case
from training.simulation.ultrasound import simulate_bmode
from USToMRILib.compute.bundle import Bundle, load_bundle
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume
from USToMRILib.pix2pix import translation
from USToMRILib.pix2pix.generator import BUNDLE, load_generator
from USToMRILib.pix2pix.orientation import CONE, Orientation
from USToMRILib.pix2pix.translation import translate_volume
from USToMRILib.progress import Progress

SHAPE = (64, 96, 96)
OBLIQUE = 20
AS_IT_LIES = Orientation((0, 1, 2), (), CONE)
AXIS_ALIGNED = [
    Orientation((k, j, i), flipped, CONE)
    for k, j, i in itertools.permutations(range(3))
    for number in range(4)
    for flipped in itertools.combinations(range(3), number)
    if np.linalg.det(np.eye(3)[[k, j, i]]) * (-1) ** number > 0
]
# Voxels at the cone's edge, which interpolation there and back blurs, are left out.
_EDGE = 3


@dataclass(frozen=True)
class Case:
    """A simulated pair and what the library makes of its ultrasound as it was simulated.

    Attributes:
        pair: on a grid along the probe's axes.
        volume: its ultrasound.
        answer: of the library.
        scan: the ultrasound of the same scan at places [3, k, j, i], in voxels of the volume.
    """

    pair: Pair
    volume: Volume
    answer: np.ndarray
    scan: Callable[[np.ndarray], np.ndarray]

    @property
    def core(self) -> np.ndarray:
        """The cone without its edge, bool [k, j, i]."""
        return binary_erosion(self.pair.cone, iterations=_EDGE)

    def difference(self, answer: np.ndarray) -> float:
        """Mean difference from the library's answer in the core, in per cent of the range."""
        return float(np.abs(answer - self.answer)[self.core].mean() / 2.55)

    def error(self, answer: np.ndarray) -> float:
        """Mean difference from the simulated MRI in the cone, in per cent of the range."""
        return float(np.abs(answer - self.pair.mri)[self.pair.cone].mean() / 2.55)


def translated_case(data: Path, head: str, bundle: Bundle) -> Case:
    """Simulate a pair of a head and translate it."""
    priors = MriPriors.of("T1", data)
    with patch.object(adult_pairs, "simulate_bmode", wraps=simulate_bmode) as simulated:
        pair = make_case(read_head(data, head), priors, 0, SHAPE, NARROW, 0.3).pair
    maps, scan, seed, _ = simulated.call_args.args
    volume = Volume(pair.ultrasound, Grid(SHAPE[::-1]))
    return Case(
        pair,
        volume,
        translated(volume, bundle),
        lambda at: simulate_bmode(maps, scan, seed, at=at)[0],
    )


def translated(volume: Volume, bundle: Bundle, forced: Orientation | None = None) -> np.ndarray:
    """Translate; with ``forced``, taken to lie so, whatever the library would find."""
    if forced is None:
        return translate_volume(volume, bundle, Progress()).array
    with patch.object(translation, "find_orientation", return_value=forced):
        return translate_volume(volume, bundle, Progress()).array


def axis_aligned(
    case: Case, bundle: Bundle, ways: Sequence[Orientation]
) -> tuple[list[float], list[float]]:
    """Differences of the library's answers in some orientations; and in two without turning."""
    found = [
        case.difference(way.turn_back(translated(way.turn_volume(case.volume), bundle)))
        for way in ways
    ]
    alone = replace(case, answer=translated(case.volume, bundle, AS_IT_LIES))
    plain = [
        alone.difference(
            way.turn_back(translated(way.turn_volume(case.volume), bundle, AS_IT_LIES))
        )
        for way in ways[-2:]
    ]
    return found, plain


def turned_grid(grid: Grid, rotation: Rotation) -> Grid:
    """The grid of cubes that holds another one, turned about its middle."""
    corners = np.array(list(itertools.product(*[(-0.5, n - 0.5) for n in grid.size])))
    points, axes = grid.index_to_physical(corners), rotation.as_matrix()
    along = points @ axes
    size = np.ceil(np.ptp(along, axis=0) / grid.spacing[0]).astype(int)
    origin = axes @ (along.min(axis=0) + grid.spacing[0] / 2)
    return Grid.of(size.tolist(), grid.spacing, origin, axes)


def resampled(volume: Volume, grid: Grid) -> Volume:
    """Interpolate linearly, 0 beyond."""
    target = Volume(np.zeros(grid.shape, np.uint8), grid).to_sitk()
    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    return Volume(sitk.GetArrayFromImage(sitk.Resample(image, target)), grid)


@dataclass(frozen=True)
class Oblique:
    """One oblique orientation.

    Attributes:
        angle: in degrees from the nearest axis of the grid to the depth.
        scanned: difference of the library's answer to what the same scan gives on the oblique grid.
        interpolated: of that to ultrasound that is interpolated from one grid to the other.
        back: of the answer as it is, which is only interpolated there and back.
    """

    angle: float
    scanned: float
    interpolated: float
    back: float


def oblique(case: Case, bundle: Bundle, rotation: Rotation) -> Oblique:
    """Measure an orientation."""
    grid = turned_grid(case.volume.grid, rotation)
    interpolated = resampled(case.volume, grid)
    # Interpolation leaves a rim of faint voxels around the cone.
    interpolated.array[interpolated.array < 1] = 0

    def difference(turned: Volume) -> float:
        answer = Volume(translated(turned, bundle), turned.grid)
        return case.difference(resampled(answer, case.volume.grid).array)

    answered = resampled(case.volume.with_array(case.answer), grid)
    return Oblique(
        float(np.degrees(np.arccos(np.abs(rotation.as_matrix()[1]).max()))),
        difference(scanned(case, grid)),
        difference(interpolated),
        case.difference(resampled(answered, case.volume.grid).array),
    )


def scanned(case: Case, grid: Grid) -> Volume:
    """The scan of a case on another grid, as a scanner would store it, uint8."""
    at = np.moveaxis(case.volume.grid.physical_to_index(grid.points())[..., ::-1], -1, 0)
    beyond = np.array(SHAPE)[:, None, None, None] - 0.5
    inside = ((at >= -0.5) & (at <= beyond)).all(axis=0)
    return Volume(np.rint(case.scan(at) * inside).astype(np.uint8), grid)


def exchanged_and_unfaded(case: Case, bundle: Bundle) -> tuple[float, float, float]:
    """Errors of the library's answer, with sweep and lateral axis exchanged, and without fading."""
    wrong = translated(case.volume, bundle, Orientation((2, 1, 0), (), CONE))
    with patch.object(translation, "echo_weight", lambda *of: np.ones(of[-1].shape, np.float32)):
        unfaded = translated(case.volume, bundle)
    return case.error(case.answer), case.error(wrong), case.error(unfaded)


@dataclass(frozen=True)
class Measured:
    """What was measured on one head: see the functions above."""

    found: list[float]
    plain: list[float]
    oblique: list[Oblique]
    errors: tuple[float, float, float]


def measure(data: Path, number: int) -> Measured:
    """Measure a test head in its share of the orientations."""
    torch.set_num_threads(1)
    heads = read_split("adult")["test"]
    bundle = load_generator("cpu")
    case = translated_case(data, heads[number], bundle)
    found, plain = axis_aligned(case, bundle, AXIS_ALIGNED[number :: len(heads)])
    print(heads[number], "axis-aligned", max(found), plain, flush=True)
    errors = exchanged_and_unfaded(case, bundle)
    print(heads[number], "errors", errors, flush=True)
    turned = []
    for rotation in list(Rotation.random(OBLIQUE, random_state=0))[number :: len(heads)]:
        turned.append(oblique(case, bundle, rotation))
        print(heads[number], "oblique", turned[-1], flush=True)
    return Measured(found, plain, turned, errors)


def oblique_rows(found: list[Oblique]) -> list[list[str]]:
    """Rows of the table: all, and those nearer to and farther from an axis."""
    rows = []
    for name, low, high in (("all", 0, 90), ("below 25", 0, 25), ("25 to 55", 25, 90)):
        part = [row for row in found if low <= row.angle < high]
        if part:
            columns = np.array([[r.scanned, r.interpolated, r.back] for r in part]).T
            first, *others = [f"{value:.2f}" for value in columns.mean(axis=1)]
            rows.append([name, str(len(part)), first, f"{columns[0].max():.2f}", *others])
    return rows


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    heads = read_split("adult")["test"]
    tasks = [(options.data, number) for number in range(len(heads))]
    with multiprocessing.get_context("spawn").Pool(len(heads)) as pool:
        measured = pool.starmap(measure, tasks, chunksize=1)
    options.output.write_text(report(measured), encoding="utf-8")


def report(measured: Sequence[Measured]) -> str:
    """The page about all heads."""
    aligned = [value for each in measured for value in each.found]
    plain = [value for each in measured for value in each.plain]
    turned = [row for each in measured for row in each.oblique]
    errors = np.mean([each.errors for each in measured], axis=0)
    ways = [
        ("the library, which turns the probe to the top", *_mean_max(aligned)),
        (f"the generator on the volume as it lies ({len(plain)} of them)", *_mean_max(plain)),
    ]
    angles = (
        "angle in degrees",
        "volumes",
        "same scan, mean difference",
        "largest",
        "interpolated ultrasound",
        "answer there and back",
    )
    names = (
        "the library",
        "sweep and lateral axis exchanged",
        "without fading where nothing echoes",
    )
    return f"""\
# pix2pix3d in whatever way a volume lies

{_conditions(len(measured))}

## 24 axis-aligned orientations

The same volume turned, translated, and turned back, against the volume as it was simulated; each \
head in a third of the orientations.

{table(("", "mean difference", "largest"), ways)}

## {OBLIQUE} oblique orientations

Turned at random. "Same scan": its echoes are laid on the oblique grid as on the straight one, as \
a scanner does it. "Interpolated ultrasound" is the volume of the straight grid, linearly \
interpolated on the oblique one, which blurs its speckle. All answers are interpolated back, which \
by itself costs what "there and back" says. The angle is that between the depth and the nearest \
axis.

{table(angles, oblique_rows(turned))}

## Against the simulated MRI

Mean difference from the MRI in the cone, mean of the test heads.

{table(("", "mean difference"), [(name, f"{e:.2f}") for name, e in zip(names, errors)])}
"""


def _conditions(heads: int) -> str:
    record, bundle = run_record(seed=0), load_bundle(BUNDLE)
    return (
        f"`{record['command']}` at commit `{record['commit']}`, {record['date']}; {processor()}. "
        f"Weights: {BUNDLE} {bundle.sha256[:12]}. Simulated ultrasound of the {heads} test "
        f"heads, {' x '.join(map(str, SHAPE[::-1]))} voxels of 1 mm. Differences are means inside "
        f"the cone without its outer {_EDGE} voxels, in per cent of the range 0..255."
    )


def _mean_max(values: list[float]) -> tuple[str, str]:
    return f"{np.mean(values):.3g}", f"{max(values):.3g}"


if __name__ == "__main__":
    main()
