"""Whole fetal heads in 3D ultrasound, in any position, against what they were simulated from.

``python -m benchmarks.fetal_volumes`` writes ``benchmarks/fetal_volumes.md`` and its picture: some
minutes of one core. The heads are of atlas volumes that no network has seen, and one of the
spina bifida atlas.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy import ndimage

from benchmarks.fetal_volume_scans import VOXEL_MM, Case, Scan, scan
from benchmarks.machine import processor
from benchmarks.markdown import table
from training.data.location import add_data_option
from training.runinfo import run_record
from USToMRILib import translate
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.fetal.pix2pix2d import BUNDLE
from USToMRILib.fetal.tissues import Tissue
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume
from USToMRILib.result import Result


@dataclass(frozen=True)
class Measured:
    """What became of a scan.

    Attributes:
        off_mm: of the thalami.
        off_deg: of the directions to front, left and top; a head in a mirror is a head still, so
            that the left may be the right.
        covered: part of the brain that is translated.
        correlation: with the true MRI in the covered brain.
        correlation_core: the same 4 mm inside the brain's border.
        dice: of each tissue in the covered part.
        ventricles_ml: true, and as made.
        flicker: change from slice to slice against that of the MRI.
        seconds: of one CPU core, in all.
        picture: uint8, planes of ultrasound, pseudo-MRI and MRI.
    """

    off_mm: float
    off_deg: tuple[float, float, float]
    covered: float
    correlation: float
    correlation_core: float
    dice: dict[Tissue, float]
    ventricles_ml: tuple[float, float]
    flicker: float
    seconds: float
    picture: np.ndarray


def measure(scanned: Scan) -> Measured | None:
    """Translate a scan as a user does, and compare; None where no whole head is found."""
    start = time.process_time()
    result = translate(scanned.ultrasound, tissues=True, device="cpu")
    seconds = time.process_time() - start
    found = result.provenance["parameters"]
    if found["axis"] != "head":
        return None
    axes = np.array(found["head"]["to_front_left_top"]).T
    thalami = np.array(found["head"]["thalami_mm"])
    cosines = np.clip((axes * scanned.axes).sum(axis=0), -1, 1)
    cosines[1] = abs(cosines[1])
    front, left, top = np.degrees(np.arccos(cosines)).tolist()
    brain = scanned.labels > 0
    covered = _between(scanned, thalami, axes[:, 2], found["covered"]) & brain
    core = covered & _deep(brain)
    made, labels = result.volume.array, _tissues(result)
    voxel_ml = VOXEL_MM**3 / 1000
    is_fluid = [(each == Tissue.VENTRICLES)[covered].sum() for each in (scanned.labels, labels)]
    return Measured(
        float(np.linalg.norm(thalami - scanned.thalami)),
        (front, left, top),
        covered.sum() / brain.sum(),
        float(np.corrcoef(made[covered], scanned.mri[covered])[0, 1]),
        float(np.corrcoef(made[core], scanned.mri[core])[0, 1]),
        {tissue: _dice(labels, scanned.labels, tissue, covered) for tissue in _REPORTED},
        (is_fluid[0] * voxel_ml, is_fluid[1] * voxel_ml),
        _flicker(made, scanned, core, thalami, axes),
        seconds,
        _picture(made, scanned, thalami, axes),
    )


_BORDER_MM = 4.0
_REPORTED = (
    Tissue.VENTRICLES,
    Tissue.DEEP_GREY_MATTER,
    Tissue.WHITE_MATTER,
    Tissue.CORTEX,
    Tissue.EXTERNAL_CSF,
)


def _deep(brain: np.ndarray) -> np.ndarray:
    """Which voxels lie 4 mm inside a brain's border, to a millimetre."""
    depth = ndimage.distance_transform_edt(brain[::2, ::2, ::2]) * 2 * VOXEL_MM
    near = [np.arange(n) // 2 for n in brain.shape]
    return depth[np.ix_(*near)] > _BORDER_MM


def _tissues(result: Result) -> np.ndarray:
    assert result.tissues is not None
    return result.tissues.array


def _dice(made: np.ndarray, true: np.ndarray, tissue: Tissue, where: np.ndarray) -> float:
    one, two = (made == tissue) & where, (true == tissue) & where
    return float(2 * (one & two).sum() / max(one.sum() + two.sum(), 1))


def _between(
    scanned: Scan, thalami: np.ndarray, top: np.ndarray, covered: dict[str, float]
) -> np.ndarray:
    """Bool [k, j, i]: between the planes that the record names."""
    grid = scanned.ultrasound.grid
    matrix = (grid.axes * grid.spacing).T @ top
    along = (np.arange(n) * step for n, step in zip(grid.size, matrix))
    i, j, k = np.meshgrid(*along, indexing="ij", sparse=True)
    height = (k + j + i).T + (np.array(grid.origin) - thalami) @ top
    return (height > covered["from_mm"]) & (height < covered["to_mm"])


def _planes(
    array: np.ndarray, scanned: Scan, thalami: np.ndarray, axes: np.ndarray, heights: list[float]
) -> np.ndarray:
    """Slices of 1 mm pixels along the head's axes, [n, left, front]; heights are even."""
    square, _ = np.linalg.qr(axes)  # rounded in the record
    square = square * np.sign((square * axes).sum(axis=0))
    step = heights[1] - heights[0]
    size = [_SIDE_MM, _SIDE_MM, len(heights)]
    first = thalami + square @ np.array([-_SIDE_MM / 2, -_SIDE_MM / 2, heights[0]])
    grid = Grid.of(size, [1.0, 1.0, step], first, square)
    like = Volume(np.zeros(grid.shape, np.uint8), grid).to_sitk()
    source = Volume(array.astype(np.float32), scanned.ultrasound.grid).to_sitk()
    return sitk.GetArrayFromImage(sitk.Resample(source, like))


_SIDE_MM = 112


def _flicker(
    made: np.ndarray, scanned: Scan, core: np.ndarray, thalami: np.ndarray, axes: np.ndarray
) -> float:
    """As in benchmarks/flicker.md: mean change over 1.6 mm in standard deviations, by the MRI's."""
    heights = np.arange(-1.6, 8.1, 1.6).tolist()
    inside = _planes(core, scanned, thalami, axes, heights) > 0.5
    both = inside[1:] & inside[:-1]
    change = []
    for array in (made, scanned.mri):
        slices = _planes(array, scanned, thalami, axes, heights)
        change.append(np.abs(np.diff(slices, axis=0))[both].mean() / slices[inside].std())
    return float(change[0] / change[1])


def _picture(made: np.ndarray, scanned: Scan, thalami: np.ndarray, axes: np.ndarray) -> np.ndarray:
    heights = [-2.0, 3.0, 8.0]
    true = np.where(scanned.labels > 0, (scanned.mri + 1) * 127.5, 0)
    rows = [
        np.hstack(list(_planes(array, scanned, thalami, axes, heights)))
        for array in (scanned.ultrasound.array, made, true)
    ]
    return np.vstack(rows).clip(0, 255).astype(np.uint8)


MASKED = (
    Case("CRL_GA27", 1),
    Case("Wu_GA25", 2),
    Case("CRL_GA36", 3),
    Case("SB_GA27_operated", 6),
    Case("CRL_GA27", 4, narrow=0.75),
)
AMONG_OTHERS = tuple(
    Case(subject, seed, masked=False, narrow=narrow)
    for subject, seed, narrow in (
        ("CRL_GA27", 1, 1.0),
        ("Wu_GA25", 5, 1.0),
        ("CRL_GA36", 3, 1.0),
        ("SB_GA27_operated", 6, 1.0),
        ("CRL_GA27", 4, 0.75),
        ("CRL_GA27", 11, 1.1),
        ("Wu_GA25", 12, 0.85),
        ("CRL_GA36", 13, 0.9),
        ("Wu_GA25", 14, 1.0),
        ("CRL_GA27", 15, 1.0),
        ("SB_GA27_operated", 16, 0.8),
        ("CRL_GA36", 17, 0.75),
    )
)
CASES = MASKED + AMONG_OTHERS

_CONTENT = (
    "head",
    "part of the brain",
    "correlation",
    "inside",
    "ventricles, ml",
    "true",
    "error",
    *(f"Dice: {tissue.title}" for tissue in _REPORTED),
    "flicker",
)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    measured: dict[Case, Measured] = {}
    for case in CASES:
        each = measure(scan(options.data, case))
        if each is not None:
            measured[case] = each
            print(case, each.off_mm, each.off_deg, each.ventricles_ml, flush=True)
    write(measured, options.output)


def write(measured: dict[Case, Measured], output: Path) -> None:
    """Write the report and its picture."""
    picture = output.with_suffix(".png")
    first = next(iter(measured.values())).picture
    small = Image.fromarray(first).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    small.save(picture, optimize=True)
    parts = [
        *_made_by(picture.name),
        "## With and without surroundings",
        "The median head, and the worst one. The rules by which heads are found and set upright "
        "were chosen on these scans.",
        table(
            ("", "heads", "found", "thalami, mm off", "front, top, degrees", "ventricles, error"),
            [
                _summary("masked", MASKED, measured),
                _summary("with surroundings", AMONG_OTHERS, measured),
            ],
        ),
        "## Where the head is",
        "The thalami's centre, and the directions to front, left or right, and top.",
        table(
            ("head", "thalami, mm off", "front, degrees", "side", "top", "CPU seconds"),
            [_place(case, each) for case, each in measured.items()],
        ),
        "## What is in it",
        "In the part of the brain that is translated. Correlation with the MRI, everywhere and "
        f"{_BORDER_MM:.0f} mm inside the brain's border; ventricles and cavum; flicker is the "
        "change from slice to slice against that of the MRI (1 is as MRI, more is flicker).",
        table(
            _CONTENT,
            [_content(case, each) for case, each in measured.items()],
        ),
    ]
    output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _made_by(picture: str) -> list[str]:
    """The head of the report: command, weights, data, picture."""
    record, bundle = run_record(seed=0), load_bundle(BUNDLE)
    return [
        "# Whole fetal heads in 3D ultrasound",
        f"`{record['command']}` at commit `{record['commit']}`, {record['date']}; {processor()}. "
        f"Weights: {BUNDLE} {bundle.sha256[:12]}. Ultrasound simulated from atlas volumes that no "
        f"network has seen, from one side of the head, turned to a random position, {VOXEL_MM} mm "
        'voxels, everything outside the head 0 but where "surroundings" is said.',
        f"![Ultrasound, pseudo-MRI and MRI of three planes]({picture})",
        "The first head: planes 2 mm below, 3 mm and 8 mm above the thalami; ultrasound, "
        "pseudo-MRI, and the MRI that the ultrasound was made of.",
    ]


def _summary(kind: str, cases: tuple[Case, ...], measured: dict[Case, Measured]) -> list[Any]:
    found = [measured[case] for case in cases if case in measured]
    off = [each.off_mm for each in found]
    turned = [max(each.off_deg[0], each.off_deg[2]) for each in found]
    volumes = np.array([each.ventricles_ml for each in found])
    error = np.abs(volumes[:, 1] / volumes[:, 0] - 1)
    return [
        kind,
        str(len(cases)),
        str(len(found)),
        *(f"{np.median(each):.1f}, {max(each):.1f}" for each in (off, turned)),
        f"{np.median(error):.0%}, {error.max():.0%}",
    ]


def _name(case: Case) -> str:
    narrow = f", {case.narrow:g} as wide" if case.narrow != 1 else ""
    return case.subject + narrow + ("" if case.masked else ", surroundings")


def _place(case: Case, each: Measured) -> list[Any]:
    degrees = [f"{angle:.1f}" for angle in each.off_deg]
    return [_name(case), f"{each.off_mm:.1f}", *degrees, f"{each.seconds:.0f}"]


def _content(case: Case, each: Measured) -> list[Any]:
    true, made = each.ventricles_ml
    return [
        _name(case),
        f"{each.covered:.0%}",
        f"{each.correlation:.2f}",
        f"{each.correlation_core:.2f}",
        f"{made:.1f}",
        f"{true:.1f}",
        f"{made / true - 1:+.0%}",
        *(f"{each.dice[tissue]:.2f}" for tissue in _REPORTED),
        f"{each.flicker:.2f}",
    ]


if __name__ == "__main__":
    main()
