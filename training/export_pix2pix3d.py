"""Make the bundle `pix2pix3d` of a training run, with what it reaches on heads it never saw.

``python -m training.export_pix2pix3d --work runs/pix2pix3d``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from matplotlib.figure import Figure

from training.adult_pairs import Pair, cached_pairs
from training.checkpoint import load_checkpoint
from training.data import add_data_option
from training.export import data_format, export_bundle, trace
from training.image_metrics import similarity
from training.pix2pix3d_net import DIVISORS, Generator
from training.runinfo import run_record
from training.splits import PARTS, read_split
from USToMRILib.bundle import Bundle
from USToMRILib.grid import Grid
from USToMRILib.pix2pix3d import BUNDLE, translate_volume
from USToMRILib.progress import Progress
from USToMRILib.volume import Volume

_PICTURE = Path("docs/held_out.png")
_DATA = {
    "name": "Label maps of 17 adult heads that SynthSeg was trained on, with T1 intensity priors",
    "doi": "10.1016/j.media.2023.102789",
    "source": "https://github.com/BBillot/SynthSeg",
    "licence": "Apache-2.0",
    "use": "both images of every pair are simulated from the label maps",
}
_LICENCE = """The weights in this folder were trained by the USToMRI project on images simulated
from the label maps of SynthSeg (Billot et al. 2023, https://github.com/BBillot/SynthSeg), which are
licensed under the Apache License, Version 2.0. The weights are licensed under the same terms:

    Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files
    except in compliance with the License. You may obtain a copy of the License at

        http://www.apache.org/licenses/LICENSE-2.0

    Unless required by applicable law or agreed to in writing, software distributed under the
    License is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND,
    either express or implied. See the License for the specific language governing permissions
    and limitations under the License.
"""


def reach(net: torch.nn.Module) -> list[int]:
    """Return how many voxels (D, H, W) away an input voxel can still change an output voxel."""
    size = (32, 256, 256)
    x = torch.zeros(1, 1, *size, requires_grad=True)
    # All voxels of one block of divisors: the reach depends on the place within a block.
    block = tuple(slice(n // 2, n // 2 + by) for n, by in zip(size, DIVISORS))
    net(x)[0, 0][block].sum().backward()
    assert x.grad is not None
    touched = x.grad[0, 0] != 0
    extents = []
    for axis, part in enumerate(block):
        along = np.flatnonzero(touched.amax(tuple(a for a in range(3) if a != axis)))
        extents.append(int(max(part.start - along[0], along[-1] - (part.stop - 1))))
    return extents


def translate_pairs(
    net: torch.jit.ScriptModule, window: Sequence[int], pairs: list[Pair]
) -> list[np.ndarray]:
    """Translate the ultrasound of every pair as the product does, float32 [k, j, i] in 0..255."""
    metadata = {"window": list(window), "divisors": list(DIVISORS), "spacing_mm": [1.0] * 3}
    bundle = Bundle(BUNDLE, metadata, "", net)
    return [
        translate_volume(Volume(pair.ultrasound, Grid(pair.mri.shape[::-1])), bundle, Progress())
        for pair in pairs
    ]


def held_out_metrics(translated: Sequence[np.ndarray], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return mean and standard deviation over volumes of each similarity, and of two baselines."""
    mean_mri = float(np.mean([pair.mri[pair.cone].mean() for pair in pairs]))
    rows = {
        "pseudo_mri": [similarity(t, p.mri, p.cone) for t, p in zip(translated, pairs)],
        "baseline_ultrasound_itself": [similarity(p.ultrasound, p.mri, p.cone) for p in pairs],
        "baseline_constant_mean": [
            similarity(np.full(p.mri.shape, mean_mri), p.mri, p.cone) for p in pairs
        ],
    }
    return {
        name: {
            key: {
                "mean": round(float(np.mean([row[key] for row in found])), 4),
                "sd": round(float(np.std([row[key] for row in found])), 4),
            }
            for key in found[0]
        }
        for name, found in rows.items()
    }


def picture(translated: Sequence[np.ndarray], pairs: Sequence[Pair], path: Path) -> None:
    """Draw ultrasound, pseudo-MRI and MRI of volumes, the middle slice and a perpendicular one."""
    figure = Figure(figsize=(12, 2 * len(pairs)), facecolor="black")
    axes = figure.subplots(len(pairs), 6, squeeze=False)
    for row, image, pair in zip(axes, translated, pairs):
        mri = np.where(pair.cone, pair.mri, 0)
        for offset, cut in ((0, np.s_[48]), (3, np.s_[:, :, 64])):
            for axis, volume in zip(row[offset:], (pair.ultrasound, image, mri)):
                axis.imshow(volume[cut] if offset == 0 else volume[cut].T, "gray", vmin=0, vmax=255)
    for axis, title in zip(
        axes[0], ("ultrasound (simulated)", "pseudo-MRI", "MRI (simulated)") * 2
    ):
        axis.set_title(title, color="white", fontsize=8)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=70)


def make_metadata(
    state: dict[str, Any], runs: list[dict[str, Any]], metrics: dict[str, Any], extents: list[int]
) -> dict[str, Any]:
    """Return the bundle's metadata, but for the checksum."""
    shape = [f"{by}*n" for by in DIVISORS]
    config = state["config"]
    return {
        "version": "0.1.0",
        "task": "3D brain ultrasound to T1-like pseudo-MRI",
        "description": "3D pix2pix generator, trained on simulated pairs of adult heads",
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__,
        "numpy_version": np.__version__,
        "intended_use": "Research on image translation. Not for diagnosis, planning or guidance.",
        "spacing_mm": [1.0, 1.0, 1.0],
        "orientation": "trained with the probe at the top: j away from it, i lateral, k the sweep",
        "divisors": list(DIVISORS),
        "window": config["patch"],
        "receptive_field": {"reach": extents, "unit": "voxels along (D, H, W), to each side"},
        "normalisation": "batch normalisation with fixed statistics; no dropout; nothing at "
        "inference depends on other voxels than those in the receptive field",
        "intensity": "ultrasound: least value to -1, 99.5th percentile of the rest to 1; "
        "pseudo-MRI: -1..1 to 0..255",
        "network_data_format": {
            "inputs": {"image": data_format({"0": "B-mode ultrasound"}, shape, [-1, 1], "image")},
            "outputs": {"pred": data_format({"0": "pseudo-MRI (T1)"}, shape, [-1, 1], "image")},
        },
        "training": {"steps": state["step"], "config": config, "runs": runs, "data": [_DATA]},
        "split": {part: read_split("adult")[part] for part in PARTS},
        "metrics": metrics,
    }


def make_card(metadata: dict[str, Any]) -> str:
    """Return the model card, in plain words."""
    training, metrics = metadata["training"], metadata["metrics"]
    config, run, test = training["config"], training["runs"][-1], metrics["test"]
    rows = "\n".join(
        f"| {label} | "
        + " | ".join(
            f"{test[name][key]['mean']:.3g} ± {test[name][key]['sd']:.2g}" for key in _COLUMNS
        )
        + " |"
        for name, label in (
            ("pseudo_mri", "pseudo-MRI"),
            ("baseline_ultrasound_itself", "the ultrasound itself"),
            ("baseline_constant_mean", "the mean MRI intensity everywhere"),
        )
    )
    split = metadata["split"]
    patches = training["steps"] * config["batch"]
    return _CARD.format(
        steps=training["steps"],
        batch=config["batch"],
        patches=patches,
        heads=len(split["train"]),
        pairs=config["pairs_per_head"],
        test=", ".join(split["test"]),
        volumes=metrics["volumes"],
        rows=rows,
        command=run["command"],
        commit=run["commit"],
        torch=metadata["pytorch_version"],
        monai=metadata["monai_version"],
        measured=metrics["command"],
        measured_commit=metrics["commit"],
    )


_COLUMNS = ("ssim", "psnr", "l1", "ssim_all", "psnr_all")
_CARD = """# pix2pix3d

A 3D pix2pix generator that turns a volume of intra-operative brain ultrasound into a T1-like
pseudo-MRI. **Every image it was trained and measured on is simulated; it has never seen a real
ultrasound volume.** The pseudo-MRI is synthetic. It is for research, not for diagnosis, planning or
guidance: what is not visible in the ultrasound is made up from what heads usually look like.

![held-out heads](held_out.png)

*Heads that training never saw: ultrasound, pseudo-MRI, MRI; the middle slice and one across.*

## Input and output
Ultrasound volume, 1 mm voxels (others are resampled), the probe at the top: j points away from the
probe, i is lateral, k is the direction of the sweep. Other orientations run, but were not trained.
Output 0..255 in arbitrary units, 0 outside the cone.

## Training
- Pairs simulated from label maps of adult heads (SynthSeg, Billot et al. 2023,
  doi:10.1016/j.media.2023.102789, Apache-2.0): T1 contrast from SynthSeg's priors; B-mode from
  `training/ultrasound_simulation.py`. {heads} heads with {pairs} pairs each; healthy anatomy, no
  tumours, no resection cavities, no brain shift between the images.
- U-Net with batch normalisation, 3D PatchGAN, least-squares adversarial loss + 100 x L1 inside the
  cone, patches of 8 x 128 x 128, Adam, moving average of the weights.
- **Short: {steps} steps of {batch} patches ({patches} patches) on part of one CPU core.** More
  training will make it better.
- `{command}` at commit `{commit}` (torch {torch}, MONAI {monai}); earlier commands of the run, if
  any, are in the metadata.

## Measured
{volumes} simulated volumes of {test}, which were in neither training nor validation; mean ±
standard deviation over volumes. The first three columns count only voxels inside the cone, the last
two every voxel, where the empty background flatters.

| | SSIM | PSNR dB | L1 (0..255) | SSIM, all | PSNR dB, all |
|---|---|---|---|---|---|
{rows}

`{measured}` at commit `{measured_commit}`.

## Limits
- How well it does on real ultrasound (RESECT, ReMIND) is not known. The simulation leaves out
  refraction, multiple echoes, side lobes, blood, air and instruments.
- Lesions, oedema, cavities, fetal and neonatal brains were not in training.
- Grey and white matter echo alike: their border is drawn from the shape of sulci and ventricles.
  In shadows and at depth, where only noise is left, the anatomy is invented.
- The same seed and device give the same voxels; other devices differ in the last digits.
"""


def main() -> None:
    """Make the bundle `pix2pix3d` of a training run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--work", type=Path, default=Path("runs/pix2pix3d"), help="run's folder")
    parser.add_argument(
        "--models", type=Path, help="folder of the bundles; default: Resources/Models"
    )
    parser.add_argument("--per-head", type=int, default=4, help="test volumes of each head")
    parser.add_argument("--threads", type=int, help="CPU threads; all where not given")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    state = load_checkpoint(options.work / "checkpoint.pt")
    net = Generator(state["config"]["width"]).requires_grad_(False).eval()
    net.load_state_dict(state["ema"])
    window = state["config"]["patch"]
    traced = trace(net, torch.zeros(1, 1, *window))
    seed = state["config"]["seed"]
    heads = read_split("adult")["test"]
    pairs = cached_pairs(options.data, heads, options.per_head, seed, options.work / "pairs")
    translated = translate_pairs(traced, window, pairs)
    record = run_record(seed)
    metrics = {
        "test": held_out_metrics(translated, pairs),
        "volumes": len(pairs),
        "command": record["command"],
        "commit": record["commit"],
    }
    runs = json.loads((options.work / "run.json").read_text())
    metadata = make_metadata(state, runs, metrics, reach(net))
    root = export_bundle(BUNDLE, traced, metadata, make_card(metadata), _LICENCE, options.models)
    shown = slice(None, None, max(1, options.per_head // 2))
    picture(translated[shown], pairs[shown], root / _PICTURE)
    print(json.dumps(metrics["test"], indent=2))


if __name__ == "__main__":
    main()
