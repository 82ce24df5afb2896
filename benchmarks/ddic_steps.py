"""DDIC with fewer steps against the published 1000, on held-out HC18 heads.

``python -m benchmarks.ddic_steps --images 3`` writes ``benchmarks/ddic_steps.md``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from training.data import add_data_option
from training.hc18 import read_hc18
from training.runinfo import run_record
from USToMRILib.bundle import load_bundle
from USToMRILib.fetal_bridge import BRIDGES, MRI_BUNDLE, US_BUNDLE
from USToMRILib.frame import HeadFrame, normalise_head

PUBLISHED = 1000
STEPS = (100, 50, 25)


def frames(data: Path, count: int) -> tuple[torch.Tensor, np.ndarray]:
    """``count`` test heads, small to large, by their annotated ellipse, and their masks."""
    heads, images, masks = list(read_hc18(data / "hc18", "test")), [], []
    for head in heads[:: len(heads) // count][:count]:
        spacing = (head.pixel_size_mm, head.pixel_size_mm)
        frame = HeadFrame(head.ellipse, head.mask.shape, spacing)
        images.append(normalise_head(frame.to_frame(head.pixels), frame.mask))
        masks.append(frame.mask)
    return torch.from_numpy(np.stack(images))[:, None], np.stack(masks)


def mean_correlation(a: torch.Tensor, b: torch.Tensor, masks: np.ndarray) -> float:
    """Mean over the images of Pearson's correlation inside the head."""
    pairs = zip(a[:, 0].clamp(-1, 1).numpy(), b[:, 0].clamp(-1, 1).numpy(), masks)
    return float(np.mean([np.corrcoef(x[mask], y[mask])[0, 1] for x, y, mask in pairs]))


def main() -> None:
    """Compare DDIC with fewer steps to the published 1000."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    x0, masks = frames(options.data, options.images)
    bundles = [load_bundle(name) for name in (US_BUNDLE, MRI_BUNDLE)]
    nets = [bundle.net for bundle in bundles]
    results = {}
    for name, steps in [*(("DDIC", n) for n in (PUBLISHED, *STEPS)), ("DDIB", STEPS[1])]:
        start = time.perf_counter()
        made = BRIDGES[name.lower()](x0, *nets, steps=steps)
        results[name, steps] = (made, time.perf_counter() - start)
        print(f"{name} {steps}: {results[name, steps][1]:.0f} s", flush=True)
    published, longest = results["DDIC", PUBLISHED]
    rows = [
        f"| {name} | {steps} | {mean_correlation(y, published, masks):.4f} "
        f"| {(y.clamp(-1, 1) - published.clamp(-1, 1)).square().mean().sqrt():.4f} "
        f"| {mean_correlation(y, x0, masks):.3f} | {longest / seconds:.1f} |"
        for (name, steps), (y, seconds) in results.items()
    ]
    record = run_record(seed=0)
    lines = [
        "# DDIC with fewer steps",
        "",
        f"`{record['command']}` at commit `{record['commit']}`, {record['date']}; "
        f"{options.images} images, small heads to large, of the test part of "
        "`training/splits/hc18.json` (real ultrasound, heads by their annotated ellipse), CPU, "
        "fp32. Weights: "
        + ", ".join(f"{bundle.name} {bundle.sha256[:12]}" for bundle in bundles)
        + ".",
        "",
        "Correlations are inside the head, means over the images. The last column is the time of "
        f"{PUBLISHED} steps over the row's, in the same run. Correlation with the ultrasound is "
        "what DDIC maximises: it shows that it works, not that the anatomy is right.",
        "",
        "| method | steps | correlation with 1000 steps | rms difference on [-1, 1] "
        "| correlation with ultrasound | times as fast |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    options.output.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
