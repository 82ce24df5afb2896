"""Flicker from slice to slice of volumes that the fetal methods translate.

``python -m benchmarks.flicker`` writes ``benchmarks/flicker.md``, ``.json`` and ``.png``: some
eight minutes of one core. Of fetal MRI volumes in no training, swept ultrasound is simulated and
translated; the MRI itself says how much slices should differ.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import binary_erosion

from benchmarks.flicker_measure import mean_steps, measure
from benchmarks.flicker_report import write_report
from training.data.fetal_mri import PLANE_PIXEL_MM
from training.data.fetal_volumes import find_atlas
from training.data.location import add_data_option
from training.data.splits import read_split
from training.runinfo import run_record
from training.simulation.fetal_pairs import simulate_fetal_volume
from USToMRILib import Grid, Volume, translate
from USToMRILib.bridge.diffusion_bridge import encode
from USToMRILib.bridge.shared_latents import share
from USToMRILib.errors import InputError
from USToMRILib.fetal.diffusion import HEADS, DdibOptions, load_pair
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import BACKGROUND, HeadFrame, normalise_head
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.fetal.outline import smooth_outline
from USToMRILib.fetal.pipeline import LATENT_MM, FrameMethod
from USToMRILib.fetal.stack import Stack
from USToMRILib.image.intensity import rescale
from USToMRILib.methods import method_named
from USToMRILib.progress import Progress
from USToMRILib.result import Request

METHODS = ("ddib", "ddic", "cyclegan")
# Of the brain's border in the plane, which is no matter of flicker.
_BORDER_MM = 4.0


@dataclass(frozen=True)
class Scan:
    """A simulated scan and its MRI, slices along k.

    Attributes:
        subject: of the MRI.
        ultrasound, mri: on one grid.
        brain: bool [k, j, i].
    """

    subject: str
    ultrasound: Volume
    mri: Volume
    brain: np.ndarray


def read_scans(data: Path, count: int, slices: int, every: int) -> list[Scan]:
    """Simulate scans of ``count`` volumes of the test part, spread over it.

    Args:
        data: the folder with ``fetal_mri``.
        count: of volumes.
        slices: of each scan.
        every: so many slices of 0.8 mm apart.
    """
    test = read_split("fetal_mri")["test"]
    volumes = [v for v in find_atlas(data / "fetal_mri").found if v.subject in test]
    places = np.linspace(0, len(volumes) - 1, min(count, len(volumes))).round().astype(int)
    scans = []
    for seed, volume in enumerate((volumes[place] for place in places), start=1):
        pair = simulate_fetal_volume(volume, seed, slices * every)
        images = [_thinned(image, every) for image in (pair.ultrasound, pair.mri, pair.brain)]
        scans.append(Scan(volume.subject, images[0], images[1], images[2].array > 0))
        print("simulated", volume.subject, flush=True)
    return scans


def _thinned(volume: Volume, every: int) -> Volume:
    """Every so manieth slice."""
    array, grid = volume.array[::every], volume.grid
    spacing = (*grid.spacing[:2], grid.spacing[2] * every)
    return Volume(array, Grid((*grid.size[:2], len(array)), spacing, grid.origin, grid.direction))


def translated(scan: Scan, method: str, way: str) -> tuple[np.ndarray, float]:
    """The pseudo-MRI [k, j, i] and the seconds it took.

    Args:
        way: "slices": each alone; "frames": with a common outline and grey levels, but latents of
            their own; "stack": as :func:`USToMRILib.translate` does a volume.
    """
    start = time.process_time()
    if way == "slices":
        stack = Stack(scan.ultrasound, "k")
        array = np.stack([_alone(stack.slice(n), method) for n in range(len(stack))])
    elif way == "frames":
        entry = method_named(method)
        loaded = entry.load(entry.make_options(values={"axis": "k"}), "cpu")
        assert isinstance(loaded, FrameMethod)
        alone = replace(loaded, latent_mm=0.0)
        array = alone.translate(scan.ultrasound, Request("cpu", Progress())).array
    else:
        array = translate(scan.ultrasound, method, axis="k", device="cpu").volume.array
    seconds = time.process_time() - start
    print(scan.subject, method, way, f"{seconds:.0f} s", flush=True)
    return array, seconds


def _alone(image: Volume, method: str) -> np.ndarray:
    try:
        return translate(image, method, device="cpu").volume.array[0]
    except InputError:  # no head is found in this slice
        return np.zeros(image.array.shape[1:], np.float32)


def compare(scan: Scan, made: dict[tuple[str, str], np.ndarray]) -> list[dict[str, Any]]:
    """Measure ultrasound, MRI and pseudo-MRI in the same voxels."""
    pixels = round(_BORDER_MM / PLANE_PIXEL_MM)
    seen = [array.any(axis=(1, 2)) for array in made.values()]
    inside = np.stack([binary_erosion(plane, iterations=pixels) for plane in scan.brain])
    inside &= np.all(seen, axis=0)[:, None, None]
    images = {("ultrasound", ""): scan.ultrasound.array, ("MRI", ""): scan.mri.array, **made}
    us, mri = scan.ultrasound.array, scan.mri.array
    steps = mean_steps(us, inside)
    return [
        {
            "image": name,
            "way": way,
            **asdict(measure(array, inside, scan.ultrasound.grid.spacing)),
            "with_ultrasound": _correlation(array[inside], us[inside]),
            "means_with_ultrasound": _correlation(mean_steps(array, inside), steps),
            "with_mri": _correlation(array[inside], mri[inside]),
        }
        for (name, way), array in images.items()
    ]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def latent_correlations(scan: Scan) -> dict[str, list[float]]:
    """Correlation of slices 1, 2 and 3 apart: images, and latents of each by its own network."""
    pair, settings = load_pair("cpu", HEADS), DdibOptions()
    ode = pair.schedule, settings.steps_each_way, settings.solver
    sigma = LATENT_MM / scan.ultrasound.grid.spacing[2]
    found = {}
    for name, image, net in (
        ("ultrasound", scan.ultrasound, pair.us.net),
        ("MRI", scan.mri, pair.mri.net),
    ):
        frames, masks = _frames(scan, image.array, name == "MRI", pair.frame)
        latents = torch.cat([encode(frame[None], net, *ode) for frame in frames])
        found[name] = _neighbours(frames, masks)
        found[f"latents of {name}"] = _neighbours(latents, masks)
        if name == "ultrasound":
            shared = share(latents, sigma, slice(len(latents)))
            found["latents of ultrasound, shared"] = _neighbours(shared, masks)
    return found


def _frames(
    scan: Scan, array: np.ndarray, is_mri: bool, spec: FrameSpec
) -> tuple[torch.Tensor, np.ndarray]:
    """Slices in the frame, as the networks are trained on them, about the brain's own outline."""
    spacing = scan.ultrasound.grid.spacing
    outlines = {n: Ellipse.from_mask(m, spacing[:2]) for n, m in enumerate(scan.brain) if m.any()}
    frames, masks = [], []
    for n, ellipse in smooth_outline(outlines, spacing[2]).items():
        frame = HeadFrame(ellipse, array.shape[1:], spacing[:2], spec)
        inside = frame.to_frame(scan.brain[n].astype(np.float32)) > 0.5
        pixels = frame.to_frame(array[n])
        if is_mri:
            frames.append(np.where(inside, rescale(pixels, 0.0, 255.0), BACKGROUND))
        else:
            frames.append(normalise_head(pixels, frame.mask))
        masks.append(inside)
    return torch.from_numpy(np.stack(frames).astype(np.float32))[:, None], np.stack(masks)


def _neighbours(images: torch.Tensor, masks: np.ndarray) -> list[float]:
    pixels = images[:, 0].numpy()
    return [
        float(
            np.mean(
                [
                    _correlation(pixels[n][both], pixels[n + apart][both])
                    for n in range(len(pixels) - apart)
                    if (both := masks[n] & masks[n + apart]).any()
                ]
            )
        )
        for apart in (1, 2, 3)
    ]


def ways_of(method: str) -> Sequence[str]:
    """The ways to compare; a method without latents has none to share."""
    return ("slices", "stack") if method == "cyclegan" else ("slices", "frames", "stack")


def main() -> None:
    """Measure the flicker of translated volumes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--volumes", type=int, default=2, help="of the test part")
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--every", type=int, default=2, help="of slices that are 0.8 mm apart")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(""))
    options = parser.parse_args()
    torch.set_num_threads(1)
    scans = read_scans(options.data, options.volumes, options.slices, options.every)
    subjects, seconds = [], {}
    pictures: dict[str, np.ndarray] = {}
    for scan in scans:
        made = {}
        for method in METHODS:
            for way in ways_of(method):
                made[method, way], took = translated(scan, method, way)
                seconds[f"{method} {way}"] = took / options.slices
        subjects.append({"subject": scan.subject, "rows": compare(scan, made)})
        pictures = pictures or {
            "ultrasound": scan.ultrasound.array,
            "MRI": scan.mri.array,
            **{f"{m} {way}": made[m, way] for m in ("ddib", "ddic") for way in ("slices", "stack")},
        }
    results = {
        "run": run_record(0),
        "weights": load_pair("cpu", HEADS).bundles,
        "slices": options.slices,
        "distance_mm": options.every * PLANE_PIXEL_MM,
        "latent_mm": LATENT_MM,
        "subjects": subjects,
        "latents": latent_correlations(scans[0]),
        "seconds_a_slice": seconds,
    }
    write_report(results, options.output, pictures)


if __name__ == "__main__":
    main()
