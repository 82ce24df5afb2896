"""How pix2pix3d's windows compare with overlapping ones, and what volumes cost as they grow.

``python -m benchmarks.volumes`` writes ``benchmarks/volumes.md`` and ``volumes.png``: about 15
minutes of one core. Times are the process's own on one thread.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Callable
from unittest.mock import patch

import numpy as np
import torch
from matplotlib.figure import Figure
from monai.inferers import SlidingWindowInferer

from benchmarks.machine import processor
from training.data.location import add_data_option
from training.data.splits import read_split
from training.runinfo import run_record
from training.simulation.adult_anatomy import MriPriors, read_head
from training.simulation.adult_domain import NARROW
from training.simulation.adult_pairs import make_case
from USToMRILib.compute.bundle import Bundle, load_bundle
from USToMRILib.image.grid import Grid
from USToMRILib.image.intensity import rescale
from USToMRILib.image.volume import Volume
from USToMRILib.pix2pix import translation
from USToMRILib.pix2pix.cone import ultrasound_cone
from USToMRILib.pix2pix.echo import ultrasound_range
from USToMRILib.pix2pix.generator import BUNDLE, load_generator, precision_of
from USToMRILib.pix2pix.memory import GIB
from USToMRILib.pix2pix.translation import DEFAULT_MEMORY_GIB, translate_volume
from USToMRILib.progress import Progress

SHAPE = (128, 160, 192)
# Of the compared volume: one window, and as many as its size allows.
MEMORIES_GIB = (DEFAULT_MEMORY_GIB, 0.85)
GROWTH = [
    (64, 64, 64),
    (128, 128, 128),
    (256, 256, 256),
    (128, 512, 512),
    (300, 512, 512),
]


class Counted(torch.nn.Module):
    """A network that counts the voxels it is given, and remembers the calls' shapes."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(x.shape))
        return self.net(x)

    @property
    def voxels(self) -> int:
        """All that were given."""
        return sum(int(np.prod(shape)) for shape in self.shapes)


@dataclass(frozen=True)
class Row:
    """One way to translate the volume: its answer in 0..255, and what it cost."""

    name: str
    mri: np.ndarray
    seconds: float
    passes: float
    windows: int


def simulated_ultrasound(data: Path) -> np.ndarray:
    """A volume of a head in no training, uint8 [k, j, i] of 1 mm."""
    head = read_head(data, read_split("adult")["test"][0])
    return make_case(head, MriPriors.of("T1", data), 0, SHAPE, NARROW).pair.ultrasound


def timed(name: str, net: Counted, voxels: int, run: Callable[[], np.ndarray]) -> Row:
    """Run and measure."""
    net.shapes.clear()
    start = time.process_time()
    mri = run()
    seconds = time.process_time() - start
    print(f"{name}: {seconds:.1f} s", flush=True)
    return Row(name, mri, seconds, net.voxels / voxels, len(net.shapes))


def compare(ultrasound: np.ndarray, bundle: Bundle, fastest: Bundle) -> list[Row]:
    """One pass over everything, our windows, and MONAI's, on one volume.

    Args:
        ultrasound: [k, j, i].
        bundle: with the network in float32, for the pass, MONAI and us.
        fastest: the same as the library runs it here.
    """
    scaled = torch.from_numpy(rescale(ultrasound, *ultrasound_range(ultrasound)))[None, None]
    net = Counted(bundle.net)
    nets = {precision_of(fastest): Counted(fastest.net), precision_of(bundle): net}
    volume = Volume(ultrasound, Grid(ultrasound.shape[::-1]))
    window = bundle.metadata["window"]

    def as_mri(answer: torch.Tensor) -> np.ndarray:
        return ((answer[0, 0] + 1) * 127.5).clamp(0, 255).numpy()

    def ours(net: Counted, memory_gib: float) -> np.ndarray:
        return translate_volume(volume, replace(bundle, net=net), Progress(), memory_gib).array

    def monai(batch: int) -> np.ndarray:
        answer = SlidingWindowInferer(window, batch, overlap=0.5, mode="gaussian")(scaled, net)
        assert isinstance(answer, torch.Tensor)
        return as_mri(answer)

    with torch.no_grad():
        net(scaled[..., : window[0], : window[1], : window[2]])  # the first call prepares
        rows = [timed("one pass", net, ultrasound.size, lambda: as_mri(net(scaled)))]
        for (precision, own), memory in itertools.product(nets.items(), MEMORIES_GIB):
            name = f"USToMRI, {precision}, {memory:g} GiB"
            rows.append(timed(name, own, ultrasound.size, partial(ours, own, memory)))
        for batch in (1, 4):
            name = f"MONAI, batch of {batch}"
            rows.append(timed(name, net, ultrasound.size, partial(monai, batch)))
    return rows


def borders(bundle: Bundle, ultrasound: np.ndarray) -> list[int]:
    """First slices of the windows' cores at the least memory, but for the first window."""
    volume, identity = Volume(ultrasound, Grid(ultrasound.shape[::-1])), torch.nn.Identity()
    alone = Bundle(bundle.name, bundle.metadata, "", identity)
    with patch.object(translation, "plan_windows", wraps=translation.plan_windows) as plan:
        translate_volume(volume, alone, Progress(), MEMORIES_GIB[-1])
    windows = translation.plan_windows(*plan.call_args.args)
    return sorted({window.core[0].start for window in windows})[1:]


def border_jump(mri: np.ndarray, cone: np.ndarray, at: list[int]) -> float:
    """Mean jump along k into the slices ``at`` over that into the next ones of the same parity.

    Inside the cone. The generator's strides give even and odd slices jumps of their own, and every
    border is at an even one.
    """
    jumps, inside = np.abs(np.diff(mri, axis=0)), cone[1:] & cone[:-1]

    def mean(slices: set[int]) -> float:
        planes = [k - 1 for k in sorted(slices) if 0 < k < len(mri)]
        return float(jumps[planes][inside[planes]].mean())

    beside = {k + step for k in at for step in (-2, 2)} - set(at)
    return mean(set(at)) / mean(beside)


def grow(shape: tuple[int, int, int], memory_gib: float) -> dict[str, float]:
    """Translate a volume without any background, in a process of its own."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    speckle = rng.integers(1, 256, shape, dtype=np.uint8)
    loaded = load_generator("cpu")
    net = Counted(loaded.net)
    bundle = replace(loaded, net=net)
    start = time.process_time()
    translate_volume(Volume(speckle, Grid(shape[::-1])), bundle, Progress(), memory_gib)
    seconds = time.process_time() - start
    # Linux; getrusage would give a new process the peak of its parent.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / GIB
    return {"seconds": seconds, "peak_gib": peak, "windows": len(net.shapes)}


def grown(shape: tuple[int, int, int], memory_gib: float = DEFAULT_MEMORY_GIB) -> dict[str, float]:
    """:func:`grow` in a fresh process, whose peak is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(grow, (shape, memory_gib))
    print(shape, found, flush=True)
    return found


def comparison_table(rows: list[Row], cone: np.ndarray, at: list[int]) -> list[str]:
    """Markdown: cost and agreement with the first row, inside the cone."""
    whole = rows[0]
    slowest = max(row.seconds for row in rows if row.name.startswith("MONAI"))
    fastest = min(row.seconds for row in rows if row.name.startswith("MONAI"))
    lines = [
        "| way | windows | passes over a voxel | s | as fast as MONAI's faster (slower) | largest "
        "difference from one pass | mean | jump at borders / beside |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        difference = np.abs(row.mri - whole.mri)[cone]
        lines.append(
            f"| {row.name} | {row.windows} | {row.passes:.2f} | {row.seconds:.1f} "
            f"| {fastest / row.seconds:.1f} ({slowest / row.seconds:.1f}) | {difference.max():.2g} "
            f"| {difference.mean():.2g} | {border_jump(row.mri, cone, at):.3f} |"
        )
    return lines


def growth_table(found: dict[tuple[int, int, int], dict[str, float]]) -> list[str]:
    """Markdown: what each size costs."""
    lines = [
        "| volume | million voxels | windows | s | microseconds a voxel | peak memory GiB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for shape, row in found.items():
        voxels = float(np.prod(shape))
        lines.append(
            f"| {' x '.join(map(str, shape[::-1]))} | {voxels / 1e6:.1f} | {row['windows']} "
            f"| {row['seconds']:.1f} | {row['seconds'] / voxels * 1e6:.2f} "
            f"| {row['peak_gib']:.2f} |"
        )
    return lines


def picture(found: dict[tuple[int, int, int], dict[str, float]], path: Path) -> None:
    """Draw time and peak memory over the number of voxels."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    voxels = [np.prod(shape) / 1e6 for shape in found]
    for axes, key, label in zip(
        figure.subplots(1, 2), ("seconds", "peak_gib"), ("CPU time (s)", "peak memory (GiB)")
    ):
        axes.plot(voxels, [row[key] for row in found.values()], "o-", color="#205493")
        axes.set(xlabel="million voxels", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if key == "peak_gib":
            axes.axhline(DEFAULT_MEMORY_GIB, color="#b22222", linestyle="--", linewidth=1)
            axes.text(0, DEFAULT_MEMORY_GIB, "allowed", va="bottom", color="#b22222")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Compare and measure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle(BUNDLE)
    ultrasound = simulated_ultrasound(options.data)
    fastest = load_generator("cpu")
    rows = compare(ultrasound, bundle, fastest)
    cone, at = ultrasound_cone(ultrasound), borders(bundle, ultrasound)
    found = {shape: grown(shape) for shape in GROWTH}
    bounded = {gib: grown(GROWTH[2], gib) for gib in (1.5, 2.0, 8.0)}
    picture(found, options.output.with_suffix(".png"))
    record = run_record(seed=0)
    size = " x ".join(map(str, SHAPE[::-1]))
    limits = [
        f"| {gib:g} | {row['windows']} | {row['seconds']:.1f} | {row['peak_gib']:.2f} |"
        for gib, row in bounded.items()
    ]
    lines = [
        "# Windows of pix2pix3d",
        "",
        f"`{record['command']}` at commit `{record['commit']}`, {record['date']}; {processor()}, "
        f"one thread; the process's own seconds. Weights: {BUNDLE} {bundle.sha256[:12]}. Here the "
        f"library runs them in {precision_of(fastest)}.",
        "",
        "## Against overlapping windows",
        "",
        f'A simulated ultrasound volume of a head in no training, {size} voxels of 1 mm. "One '
        'pass" is the bare network, in float32, over the whole volume at once. MONAI is '
        "`SlidingWindowInferer` with the same network, "
        f"windows of {' x '.join(map(str, bundle.metadata['window'][::-1]))}, the size in "
        "training, overlap 0.5, gaussian. The rows of USToMRI include finding the cone. "
        "Differences are in units of 0..255 inside the cone. The jump is the mean difference of "
        f"neighbouring slices, where the {len(at)} borders of the smaller windows are, over that "
        "two slices before and after; the row of the one pass, which has no borders, says what "
        "to expect there.",
        "",
        *comparison_table(rows, cone, at),
        "",
        "## As volumes grow",
        "",
        f"Random voxels without background, the worst case, {DEFAULT_MEMORY_GIB:g} GiB allowed "
        "(the default), a fresh process each; peak memory is that of the whole process.",
        "",
        *growth_table(found),
        "",
        "![Time and memory](volumes.png)",
        "",
        f"The volume of {' x '.join(map(str, GROWTH[2]))} with other memory:",
        "",
        "| allowed GiB | windows | s | peak memory GiB |",
        "| --- | --- | --- | --- |",
        *limits,
        "",
    ]
    options.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
