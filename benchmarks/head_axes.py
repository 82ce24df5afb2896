"""How well the axes of fetal heads are found, on the atlases' volumes turned at random.

``python -m benchmarks.head_axes`` writes ``benchmarks/head_axes.json``: some minutes of one
core. Each volume is turned by random rotations, sampled on another grid, every other time mirrored
in storage, and written with FeTA's numbers.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from training.data.fetal_labels import FETA, Tissue
from training.data.fetal_mri import MriSlice, cut_planes, planes_of
from training.data.fetal_slices import contact_sheet
from training.data.fetal_volumes import FetalVolume, find_atlas, read_upright
from training.data.head_axes import find_head_axes, turn_upright
from training.data.location import add_data_option
from training.runinfo import run_record
from USToMRILib.image.intensity import rescale

_SPACING_MM = (0.9, 1.0, 1.1)
_MARGIN_MM = 6.0
_SHOWN_EVERY = 5

Upright = tuple[sitk.Image, sitk.Image]


@dataclass(frozen=True)
class Turn:
    """What was found of one turned volume.

    Attributes:
        subject: the atlas volume.
        from_atlas_deg: between the axes found and those of the atlas.
        from_untouched_deg: between the axes found and those found in the untouched volume.
        correlations_atlas: of each plane with that of the untouched volume, within either brain.
        correlations_untouched: the same, the untouched volume cut along the axes found in it.
    """

    subject: str
    from_atlas_deg: float
    from_untouched_deg: float
    correlations_atlas: list[float]
    correlations_untouched: list[float]


def angle_deg(first: np.ndarray, second: np.ndarray) -> float:
    """By how much one must turn to get from one rotation [3, 3] to another, degrees."""
    return float(np.rad2deg(Rotation.from_matrix(first.T @ second).magnitude()))


def write_turned(
    head: Upright, subject: str, folder: Path, rotation: np.ndarray, mirrored: bool
) -> FetalVolume:
    """Write a turned copy of an upright head with FeTA's numbers.

    Args:
        head: image and tissues.
        subject: its name.
        folder: for the files.
        rotation: [3, 3], of the head.
        mirrored: whether the voxels' order is left-handed; the anatomy never is.
    """
    image, labels = (_rotated(part, rotation) for part in head)
    grid = _grid_about(labels, mirrored)
    numbers = {int(tissue): number for number, tissue in FETA.tissues.items()}
    numbers[int(Tissue.CALLOSUM)] = numbers[int(Tissue.WHITE_MATTER)]
    labels = sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    turned = FetalVolume(subject, folder / "T2w.nii", folder / "dseg.nii", FETA, upright=False)
    sitk.WriteImage(sitk.Resample(image, grid), str(turned.t2))
    sitk.WriteImage(sitk.ChangeLabel(labels, changeMap=numbers), str(turned.parcellation))
    return turned


def _rotated(image: sitk.Image, rotation: np.ndarray) -> sitk.Image:
    turned = sitk.Image(image)
    turned.SetOrigin((rotation @ image.GetOrigin()).tolist())
    turned.SetDirection((rotation @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return turned


def _grid_about(labels: sitk.Image, mirrored: bool) -> sitk.Image:
    """An empty image of other voxels around the brain, along the coordinates' axes."""
    inside = np.argwhere(sitk.GetArrayViewFromImage(labels))[::7, ::-1]
    points = np.array([labels.TransformIndexToPhysicalPoint(v.tolist()) for v in inside])
    low, high = points.min(axis=0) - _MARGIN_MM, points.max(axis=0) + _MARGIN_MM
    grid = sitk.Image(np.ceil((high - low) / _SPACING_MM).astype(int).tolist(), sitk.sitkFloat32)
    grid.SetSpacing(_SPACING_MM)
    grid.SetDirection(np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0]).ravel().tolist())
    grid.SetOrigin([high[0] if mirrored else low[0], low[1], low[2]])
    return grid


def correlation(first: MriSlice, second: MriSlice) -> float:
    """Of two planes, within either brain, each zero outside its own."""
    brain = first.mask | second.mask
    shown = [np.where(plane.mask, plane.pixels, 0)[brain] for plane in (first, second)]
    return float(np.corrcoef(shown)[0, 1])


def measure(
    volume: FetalVolume, turns: int, rng: np.random.Generator
) -> tuple[list[Turn], list[MriSlice]]:
    """Turn a volume and find it again.

    Returns:
        What was found of each turn; one plane of the untouched volume and of each turned one.
    """
    head = read_upright(volume)
    axes = find_head_axes(head[1])
    atlas = list(cut_planes(volume.subject, *head))
    untouched = list(cut_planes(volume.subject, *(turn_upright(part, axes) for part in head)))
    middle = len(atlas) // 2
    found, shown = [], [atlas[middle]]
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(turns):
            rotation = Rotation.random(random_state=rng).as_matrix()
            turned = write_turned(head, volume.subject, Path(folder), rotation, turn % 2 == 1)
            turned_axes = find_head_axes(turned.scheme.read(turned.parcellation))
            planes = list(planes_of(turned))
            shown.append(planes[middle])
            found.append(
                Turn(
                    volume.subject,
                    angle_deg(rotation, turned_axes),
                    angle_deg(rotation @ axes, turned_axes),
                    [correlation(one, other) for one, other in zip(atlas, planes)],
                    [correlation(one, other) for one, other in zip(untouched, planes)],
                )
            )
    return found, shown


def summary(turns: list[Turn]) -> dict[str, float]:
    """Medians and worst values over all turns, and over all their planes."""
    measured: dict[str, float] = {"turns": len(turns)}
    for name in ("atlas", "untouched"):
        angles = [getattr(turn, f"from_{name}_deg") for turn in turns]
        planes = [value for turn in turns for value in getattr(turn, f"correlations_{name}")]
        measured[f"from_{name}_deg_median"] = round(float(np.median(angles)), 2)
        measured[f"from_{name}_deg_worst"] = round(max(angles), 2)
        measured[f"correlation_{name}_median"] = round(float(np.median(planes)), 3)
        measured[f"correlation_{name}_worst"] = round(min(planes), 3)
    return measured


def main() -> None:
    """Measure how well the axes of fetal heads are found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--turns", type=int, default=2, help="of each volume")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--sheet", type=Path, help="PNG: some volumes, the untouched first")
    options = parser.parse_args()
    rng, turns, rows = np.random.default_rng(0), [], []
    for number, volume in enumerate(find_atlas(options.data / "fetal_mri").found):
        found, shown = measure(volume, options.turns, rng)
        turns += found
        if number % _SHOWN_EVERY == 0:
            rows += [_scaled(plane) for plane in shown]
        print(volume.subject, summary(found), flush=True)
    record = {**run_record(seed=0), "summary": summary(turns), "turns": list(map(asdict, turns))}
    options.output.write_text(json.dumps(record, indent=2) + "\n")
    if options.sheet:
        contact_sheet(rows, options.sheet, columns=2 * (options.turns + 1))
    print(json.dumps(record["summary"], indent=2))


def _scaled(plane: MriSlice) -> np.ndarray:
    """The brain in -1 .. 1."""
    white = np.percentile(plane.pixels[plane.mask], 99.5)
    return rescale(np.where(plane.mask, plane.pixels, 0), 0.0, white)


if __name__ == "__main__":
    main()
