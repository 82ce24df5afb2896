"""Prepare pairs of real volumes for the 3D pix2pix: aligned, on one grid, cut into patches.

``python -m training.data.prepare_pairs resect FOLDER --out pairs`` writes one file a pair,
``pairs.json`` with the parts that the subjects belong to, and ``sheet.png`` to be looked at;
``training.train.pix2pix3d --pairs pairs`` trains on them.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.figure import Figure
from tqdm import tqdm

from training.data.landmarks import KINDS, align, read_registration, read_tag
from training.data.pairs import Pair, load_pair, save_pair
from training.data.splits import PARTS, check_split
from training.data.volume_pairs import CONTRASTS, FINDERS, PairFiles, with_registrations
from training.data.volumes import read_volume
from USToMRILib import Grid, InputError, Volume
from USToMRILib.pix2pix.cone import echoing, ultrasound_cone
from USToMRILib.pix2pix.orientation import find_orientation
from USToMRILib.pix2pix.spacing import smoothing_variances
from USToMRILib.pix2pix.straight import Straightened, cone_axes

TABLE = "pairs.json"
PATCH = (8, 128, 128)
_SHARE = 0.15  # of the subjects, in the validation part, and in the test part
_WHITE_PERCENTILE = 99.5


@dataclass(frozen=True)
class Prepared:
    """What became of one pair.

    Attributes:
        subject: as in :class:`~training.data.volume_pairs.PairFiles`.
        file: in the folder of ``pairs.json``.
        sources: where it came from.
        patches: how many of :data:`PATCH` the volume has.
        residual_mm, left_out_mm: of its landmarks (:class:`~training.data.landmarks.Alignment`), or
            None where there are none.
    """

    subject: str
    file: str
    sources: str
    patches: int
    residual_mm: float | None
    left_out_mm: float | None


def prepare_pair(
    us: Volume, mri: Volume, to_mri: sitk.Transform, spacing_mm: float
) -> tuple[Pair, Grid]:
    """Bring a pair to one grid, and crop it to where both are.

    The grid has the ultrasound's axes, of an oblique volume those of its cone, turned so that the
    probe is at the top as the generator knows it (:mod:`USToMRILib.pix2pix.orientation`), and
    isotropic voxels. The extent of the
    ultrasound's cone inside the MRI's field of view is centred in a whole number of patches, cut
    where it is wider.

    Args:
        us: ultrasound; its least value is the background.
        mri: MRI.
        to_mri: maps points (LPS mm) of the ultrasound's space to the MRI's.
        spacing_mm: edge of a voxel.

    Returns:
        The pair, values 0..255: ultrasound from its least value to its 99.5th percentile in the
        cone, MRI from the 0.5th to the 99.5th there; and its grid.

    Raises:
        InputError: if no voxel is in both.
    """
    echoes = echoing(us.array)
    axes = cone_axes(echoes, us.grid.spacing[::-1])
    if axes is not None:
        straight = Straightened.of(us, echoes, axes, spacing_mm)
        us, echoes = straight.volume, straight.echoes
    us = find_orientation(us.array, echoes, us.grid.spacing[::-1]).turn_volume(us)
    cone = us.with_array(ultrasound_cone(us.array).astype(np.uint8))
    seen = mri.with_array(np.ones(mri.array.shape, np.uint8))
    wide = _grid_over(us.grid, spacing_mm)
    both = _resampled(cone, wide, None) & _resampled(seen, wide, to_mri)
    if not both.any():
        raise InputError("ultrasound and MRI do not overlap; check landmarks and headers.")
    grid = _patch_grid(wide, both)
    inside = (_resampled(cone, grid, None) & _resampled(seen, grid, to_mri)).astype(bool)
    ultrasound = _resampled(us, grid, None, smooth=True)
    scan = _resampled(mri, grid, to_mri, smooth=True)
    low = float(us.array.min())
    white = float(np.percentile(ultrasound[inside], _WHITE_PERCENTILE))
    black, bright = np.percentile(scan[inside], [100 - _WHITE_PERCENTILE, _WHITE_PERCENTILE])
    shown = np.where(inside, _to_bytes(ultrasound, low, white), np.uint8(0))
    return Pair(shown, _to_bytes(scan, float(black), float(bright)), inside), grid


def _grid_over(grid: Grid, spacing_mm: float) -> Grid:
    """The grid over the same extent with voxels of ``spacing_mm``."""
    size = [max(1, round(n * old / spacing_mm)) for n, old in zip(grid.size, grid.spacing)]
    first = [(spacing_mm / old - 1) / 2 for old in grid.spacing]
    origin = grid.index_to_physical(np.array(first))
    return Grid((size[0], size[1], size[2]), (spacing_mm,) * 3, _point(origin), grid.direction)


def _patch_grid(wide: Grid, both: np.ndarray) -> Grid:
    """The grid of whole patches whose middle is the middle of ``both`` [k, j, i]."""
    size, first = [], []
    for axis, patch in zip((2, 1, 0), reversed(PATCH)):
        along = np.flatnonzero(both.any(tuple(a for a in range(3) if a != axis)))
        extent = along[-1] - along[0] + 1
        size.append(patch if axis > 0 else -(-int(extent) // patch) * patch)
        first.append(int(along[0] + along[-1] + 1 - size[-1]) // 2)
    origin = wide.index_to_physical(np.array(first, float))
    return Grid((size[0], size[1], size[2]), wide.spacing, _point(origin), wide.direction)


def _point(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _resampled(
    volume: Volume, grid: Grid, to_volume: sitk.Transform | None, smooth: bool = False
) -> np.ndarray:
    """Interpolate on ``grid``, the volume's least value beyond it; masks by the nearest voxel."""
    image = volume.to_sitk()
    if smooth:
        image = sitk.Cast(image, sitk.sitkFloat32)
        image = sitk.DiscreteGaussian(image, smoothing_variances(volume.grid.spacing, grid.spacing))
    target = Volume(np.zeros(grid.shape, np.uint8), grid).to_sitk()
    least = float(volume.array.min()) if smooth else 0.0
    interpolator = sitk.sitkLinear if smooth else sitk.sitkNearestNeighbor
    return sitk.GetArrayFromImage(
        sitk.Resample(image, target, to_volume or sitk.Transform(), interpolator, least)
    )


def _to_bytes(image: np.ndarray, black: float, white: float) -> np.ndarray:
    scaled = (image - black) / max(white - black, 1e-6) * 255
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def prepare(files: PairFiles, path: Path, kind: str, spacing_mm: float) -> Prepared:
    """Prepare one pair and write it to ``path``.

    Args:
        files: of the pair.
        path: of the file to write.
        kind: of the transform from the landmarks, one of :data:`~training.data.landmarks.KINDS`.
        spacing_mm: edge of a voxel.

    Raises:
        InputError: for files that cannot be used.
    """
    us, mri = read_volume(files.ultrasound), read_volume(files.mri)
    transform: sitk.Transform = sitk.Transform()
    residuals: tuple[float | None, float | None] = (None, None)
    if files.registration:
        transform = read_registration(files.registration)
    elif files.landmarks:
        in_mri, in_us = read_tag(files.landmarks)
        alignment = align(in_us, in_mri, kind)
        transform = alignment.transform
        residuals = (round(alignment.residual_mm, 2), round(alignment.left_out_mm, 2))
    pair, _ = prepare_pair(us, mri, transform, spacing_mm)
    save_pair(pair, path)
    patches = len(pair.mri) // PATCH[0]
    return Prepared(files.subject, path.name, files.describe(), patches, *residuals)


def draw_split(subjects: Iterable[str], earlier: dict[str, list[str]], seed: int = 0) -> dict:
    """The part of each subject; those that have one already keep it.

    Args:
        subjects: all of them.
        earlier: parts drawn before, or {}.
        seed: of the drawing.
    """
    split = {part: list(earlier.get(part, [])) for part in PARTS}
    known = {subject for part in PARTS for subject in split[part]}
    fresh = sorted(set(subjects) - known)
    random.Random(seed).shuffle(fresh)
    total = len(known) + len(fresh)
    for part in ("test", "validation"):
        wanted = max(round(_SHARE * total), 1 if total >= len(PARTS) else 0) - len(split[part])
        split[part] += [fresh.pop() for _ in range(min(max(wanted, 0), len(fresh)))]
    split["train"] += fresh
    return {part: sorted(split[part]) for part in PARTS}


def prepared_contrast(folder: Path) -> str:
    """The contrast of the MRI in a prepared folder.

    Raises:
        InputError: if the folder was not prepared.
    """
    return _read_table(folder)["made_with"]["contrast"]


def prepared_pairs(folder: Path, part: str) -> list[Pair]:
    """The pairs of one part of a prepared folder.

    Raises:
        InputError: if the folder was not prepared, or the part is empty.
        ValueError: if a subject stands in two parts.
    """
    table = _read_table(folder)
    subjects = check_split(table["split"], TABLE)[part]
    files = [entry["file"] for entry in table["pairs"] if entry["subject"] in subjects]
    if not files:
        raise InputError(f"{folder} has no pair in its {part} part; prepare more subjects.")
    return [load_pair(folder / file) for file in files]


def _read_table(folder: Path) -> dict[str, Any]:
    if not (folder / TABLE).exists():
        raise InputError(
            f"{folder} has no {TABLE}; make it with python -m training.data.prepare_pairs."
        )
    return json.loads((folder / TABLE).read_text())


def contact_sheet(pairs: dict[str, Pair], path: Path) -> None:
    """Draw each pair's ultrasound, MRI and both in one, in its middle slice and across it."""
    figure = Figure(figsize=(12, 2.1 * len(pairs)), facecolor="black")
    for row, (axes, (name, pair)) in enumerate(
        zip(figure.subplots(len(pairs), 6, squeeze=False), pairs.items())
    ):
        k, _, i = (n // 2 for n in pair.mri.shape)
        red = np.stack([pair.ultrasound, pair.mri, pair.mri], axis=-1)
        cuts = [v[k] for v in (pair.ultrasound, pair.mri, red)]
        cuts += [v[:, :, i].swapaxes(0, 1) for v in (pair.ultrasound, pair.mri, red)]
        titles = (f"{name}: ultrasound", "MRI", "ultrasound in red")
        for axis, cut, title in zip(axes, cuts, (*titles, "the same, across", "", "")):
            axis.imshow(cut, "gray", vmin=0, vmax=255)
            axis.set_title(title if row == 0 or axis is axes[0] else "", color="white", fontsize=8)
            axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=70)


def main() -> None:
    """Prepare pairs of real volumes for the 3D pix2pix."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kind", choices=FINDERS)
    parser.add_argument("folder", type=Path, help="as it was downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the prepared pairs")
    parser.add_argument("--contrast", choices=CONTRASTS, default="T1", help="of the MRI")
    parser.add_argument("--transform", choices=KINDS, default="rigid", help="from the landmarks")
    parser.add_argument("--spacing", type=float, default=1.0, metavar="MM", help="default: 1 mm")
    parser.add_argument(
        "--registrations",
        type=Path,
        metavar="FOLDER",
        help="ITK transforms SUBJECT_us_to_mri.tfm or SUBJECT_mri_to_us.tfm, in place of landmarks",
    )
    options = parser.parse_args()
    inventory = FINDERS[options.kind](options.folder, options.contrast)
    if options.registrations:
        try:
            inventory = with_registrations(inventory, options.registrations)
        except InputError as error:
            parser.error(str(error))
    print(inventory.report())
    if not inventory.found:
        parser.error(f"no pair in {options.folder}; is it the folder as it was downloaded?")
    options.out.mkdir(parents=True, exist_ok=True)
    done = []
    for number, files in enumerate(tqdm(inventory.found, unit="pair")):
        path = options.out / f"{files.subject}_{number:03d}.npz"
        try:
            done.append(prepare(files, path, options.transform, options.spacing))
        except InputError as error:
            print(f"  left out  {files.subject}: {error}")
    write_table(options.out, done, vars(options))
    patches = sum(entry.patches for entry in done)
    print(f"{len(done)} pairs, {patches} patches of {' x '.join(map(str, PATCH))} in {options.out}")


def write_table(out: Path, done: list[Prepared], options: dict[str, Any]) -> None:
    """Write ``pairs.json`` and the contact sheet of what was prepared."""
    table = out / TABLE
    earlier = json.loads(table.read_text())["split"] if table.exists() else {}
    content = {
        "made_with": {name: str(value) for name, value in options.items() if name != "folder"},
        "split": draw_split((entry.subject for entry in done), earlier),
        "pairs": [asdict(entry) for entry in done],
    }
    table.write_text(json.dumps(content, indent=2) + "\n")
    contact_sheet({e.subject: load_pair(out / e.file) for e in done[:12]}, out / "sheet.png")


if __name__ == "__main__":
    main()
