"""Make the bundle `pix2pix3d` of a training run, with what it reaches on heads it never saw.

``python -m training.export.pix2pix3d --work runs/pix2pix3d``
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from training.data.pairs import Pair
from training.data.splits import PARTS, read_split
from training.export.bundle import data_format, export_bundle, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.pix2pix3d_metrics import held_out_metrics, translate_pairs, window_seams, worst
from training.export.training_log import figure, read_training_log, tenths, tenths_table
from training.networks.pix2pix3d import DIVISORS, Generator, folded
from training.runinfo import run_record
from training.simulation.adult_lesions import LESION_PROBABILITY
from training.simulation.adult_pairs import cached_pairs
from training.train.runlog import LOG_FILE
from USToMRILib.compute.bundle import METADATA_FILE, models_dir
from USToMRILib.pix2pix.echo import median_echo, ultrasound_range
from USToMRILib.pix2pix.generator import BUNDLE
from USToMRILib.pix2pix.memory import WINDOW_BYTES, WINDOW_BYTES_WIDTH

SPACING_MM = (1.0, 1.0, 1.0)
CURVES_FILE = "training_curves.png"

DESCRIPTION = (
    "3D pix2pix generator that turns a volume of intra-operative brain ultrasound into a "
    "{contrast}-like pseudo-MRI. Every image that it was trained and measured on is simulated: it "
    "has never seen a real ultrasound volume. What ultrasound does not show is made up from what "
    "heads usually look like."
)

SOURCE = {
    "name": "SynthSeg training label maps: 17 adult heads, with T1 intensity priors",
    "part": "both images of every pair are simulated from the label maps, T1 by the priors, T2 by "
    "the spin echo of BrainWeb's relaxation times; training, validation and test heads as in "
    "training/splits/adult.json",
    "reference": "Billot et al., Med. Image Anal. 2023, doi:10.1016/j.media.2023.102789, "
    "https://github.com/BBillot/SynthSeg.",
    "licence": "Apache-2.0",
}

CAUTION = (
    "The 3D generator was trained on simulated ultrasound of adult heads, some with simulated "
    "lesions; how well it does on real ultrasound is not known."
)

INPUT = """
An ultrasound volume, however it lies: the library turns it so that the probe is at the top, j
points away from the probe, i is lateral and k the direction of the sweep, as in training. The
generator works at
1 mm; the library resamples volumes with other voxels, and back. Intensities: the least value, the
background, becomes -1 and the 99.5th percentile of the rest 1; of a scan whose echo is darker, in
the median, than that of three quarters of its own kind, the grey levels are raised to a power that
makes it as bright (`dark_echo`). Output -1..1 stands for 0..255 in
arbitrary units. Normalisation layers are batch normalisation with fixed statistics, folded into the
convolutions, and there is no dropout: at inference a voxel depends on nothing beyond the receptive
field, so that windows join. On hardware that multiplies bfloat16 the library runs the network in
it.
"""

LIMITS = """
- How well it does on real ultrasound (RESECT, ReMIND) is not known. The simulation leaves out
  refraction, multiple echoes, side lobes, air and instruments.
- Adult heads only, no fetuses or newborns. Tumours, oedema, cysts, cavities and blood are
  simulated, in three of ten heads and at most one a head; no brain shift, no residual tumour, no
  contrast medium. `python -m training.export.lesion_measures` measures what is kept of them.
- Grey and white matter echo nearly alike: their border is inferred from sulci and ventricles. In
  shadows and at depth, where only noise is left, the anatomy is invented.
- Vessels, bone and what lies outside the brain are unreliable.
- Fluid and shadow that are exactly as dark as the background and reach it at the edge of the cone
  are taken for background beyond the convex hull of what echoes in each slice of the sweep; in
  shadows the anatomy is invented.
"""

FAILURES = """
![The two test volumes that it translates worst](failures.png)

The two test volumes with the least SSIM inside the cone: ultrasound, pseudo-MRI and MRI, the middle
slice and a perpendicular one.
"""

MEASURES = """
Simulated volumes of heads in neither training nor validation, mean and standard deviation over
volumes. `ssim`, `psnr` (dB) and `l1` (of 0..255) count only voxels inside the cone; `_all` counts
every voxel, where the empty background flatters.

LPIPS needs the weights of a network trained on photographs, which are not bundled; in its place
stand two distances that need none, slice by slice inside the cone, 0 for equal images.
`texture_feature_distance`, Euclidean, between tones and texture at four scales (21 features,
`USToMRILib.evaluation.distribution.offline_extractor`), grows where the pseudo-MRI is smoother or
rougher than the MRI. `gradient_magnitude_similarity_deviation` (GMSD, Xue et al. 2014,
doi:10.1109/TIP.2013.2293423) grows where edges are missing, invented or displaced.
`ustomri evaluate --lpips-weights FILE` measures LPIPS itself.

For comparison the same for two answers that need no network: the ultrasound itself, and the mean
MRI intensity everywhere. `windows_largest_difference` is how far, in grey levels of 255, the first
volume translated in many small windows is from the same in one pass: where it is far below 1, there
are no seams.

![Heads that training never saw: ultrasound, pseudo-MRI, MRI](held_out.png)
"""

LICENCE = """The weights in this folder were trained by the USToMRI project on images simulated
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


def use_of(net: Generator, config: dict[str, Any], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the part of the metadata that the library goes by when it uses the generator.

    Args:
        net: the generator.
        config: of its training.
        pairs: scanned as those of the training.
    """
    echoes = [median_echo(pair.ultrasound, ultrasound_range(pair.ultrasound)) for pair in pairs]
    return {
        "spacing_mm": list(SPACING_MM),
        "divisors": list(DIVISORS),
        "window": config["patch"],
        "receptive_field": {"reach": reach(net), "unit": "voxels along (D, H, W), to each side"},
        # A quarter of its scans are darker.
        "dark_echo": round(float(np.quantile(echoes, 0.25)), 2),
        "bytes_per_voxel": round(WINDOW_BYTES * config["width"] / WINDOW_BYTES_WIDTH),
    }


def picture(translated: Sequence[np.ndarray], pairs: Sequence[Pair], path: Path) -> None:
    """Draw ultrasound, pseudo-MRI and MRI of volumes, the middle slice and a perpendicular one."""
    figure = Figure(figsize=(12, 2 * len(pairs)), facecolor="black")
    axes = figure.subplots(len(pairs), 6, squeeze=False)
    for row, image, pair in zip(axes, translated, pairs):
        shown = (pair.ultrasound, image, np.where(pair.cone, pair.mri, 0))
        k, _, i = (size // 2 for size in image.shape)
        cuts = [volume[k] for volume in shown] + [volume[:, :, i].T for volume in shown]
        for axis, cut in zip(row, cuts):
            axis.imshow(cut, "gray", vmin=0, vmax=255)
    for axis, title in zip(
        axes[0], ("ultrasound (simulated)", "pseudo-MRI", "MRI (simulated)") * 2
    ):
        axis.set_title(title, color="white", fontsize=8)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=70)


def make_metadata(
    state: dict[str, Any], runs_file: Path, metrics: dict[str, Any], use: dict[str, Any]
) -> dict[str, Any]:
    """Return the bundle's metadata, but for the checksum."""
    shape = [f"{by}*n" for by in DIVISORS]
    config = state["config"]
    contrast = config["contrast"]
    return bundle_metadata(
        f"3D brain ultrasound to {contrast}-like pseudo-MRI",
        DESCRIPTION.format(contrast=contrast),
        {
            "inputs": {"image": data_format({"0": "B-mode ultrasound"}, shape, [-1, 1], "image")},
            "outputs": {
                "pred": data_format({"0": f"pseudo-MRI ({contrast})"}, shape, [-1, 1], "image")
            },
        },
        runs_file,
        [SOURCE],
        metrics,
        CAUTION,
        contrast=contrast,
        steps=state["step"],
        config=config,
        split="training/splits/adult.json",
        subjects={part: read_split("adult")[part] for part in PARTS},
        orientation="probe at the top: j away from it, i lateral, k the sweep",
        **use,
        normalisation="batch normalisation with fixed statistics, folded; no dropout",
        bfloat16=True,
    )


def make_curves(entries: list[dict[str, float]]) -> str:
    """Return the card's part about the course of the training, of the entries of its log."""
    text = (
        f"![Losses over the steps]({CURVES_FILE})\n\nLosses of training patches (grey: as logged; "
        "blue: moving average), as Figures 5 to 8 of BrainVoxGen; below, as its Table 1, what the "
        "validation heads gave at each tenth of the training, inside the cone. "
        "`python -m training.export.training_log` draws both on one page."
    )
    head, body = tenths_table(tenths(entries))
    lines = [head, ["---"] * len(head), *body]
    return text + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


_CONTRAST_FROM = {
    "T1": "T1 contrast from SynthSeg's priors",
    "T2": "T2 contrast from the spin echo of BrainWeb's relaxation times",
}


def make_card(metadata: dict[str, Any], entries: list[dict[str, float]]) -> str:
    """Return the model card, in plain words, of the metadata and the entries of the log."""
    config, steps = metadata["config"], metadata["steps"]
    weight = config["structure_weight"]
    structure = f" + {weight:g} x (1 - SSIM)" if weight else ""
    last = ", the last" if len(metadata["training"]["runs"]) > 1 else ""
    training = (
        f"{steps} steps{last} of {config['batch']} patches of "
        f"{' x '.join(map(str, config['patch']))} voxels. "
        f"{len(metadata['subjects']['train'])} heads, {config['pairs_per_head']} simulated pairs "
        f"of each, {LESION_PROBABILITY:.0%} of them with a lesion "
        f"(`training/simulation/adult_lesions.py`): {_CONTRAST_FROM[config['contrast']]}, B-mode "
        "from `training/simulation/ultrasound.py`, scans as wide as "
        "`training/simulation/adult_domain.py` says. U-Net, 3D PatchGAN, least-squares adversarial "
        f"loss + {config['l1_weight']:g} x L1 inside the cone{structure}, "
        f"{config['optimiser'].capitalize()}, moving average of the weights."
    )
    sections = {
        "Input and output": INPUT,
        "Training": training,
        "Course of the training": make_curves(entries),
        "Limits": LIMITS,
        "Known failures": FAILURES,
        "How it was measured": MEASURES,
    }
    return model_card("3D ultrasound to pseudo-MRI", metadata, sections)


def load_generator(state: dict[str, Any]) -> Generator:
    """Return the averaged generator of a checkpoint, its normalisations folded, ready to run."""
    net = Generator(state["config"]["width"]).requires_grad_(False).eval()
    net.load_state_dict(state["ema"])
    return folded(net)


def main() -> None:
    """Make the bundle pix2pix3d of a training run."""
    parser = export_parser(main.__doc__, "runs/pix2pix3d", note=False)
    parser.add_argument("--per-head", type=int, default=4, help="test volumes of each head")
    options, state = begin(parser)
    config, seed = state["config"], state["config"]["seed"]
    replaced = (options.models or models_dir()) / BUNDLE / METADATA_FILE
    if replaced.exists():
        there = json.loads(replaced.read_text(encoding="utf-8")).get("contrast", "T1")
        if there != config["contrast"]:
            parser.error(
                f"{replaced.parents[1]} makes {there} and this run {config['contrast']}; give "
                "--models another folder, and name it in USTOMRI_MODELS to use it"
            )
    net = load_generator(state)
    traced = trace(net, torch.zeros(1, 1, *config["patch"]))
    heads = read_split("adult")["test"]
    cache = options.work / "pairs"
    pairs = cached_pairs(
        options.data, heads, options.per_head, seed, cache, LESION_PROBABILITY, config["contrast"]
    )
    use = use_of(net, config, pairs)
    translated = translate_pairs(traced, use, pairs)
    record = run_record(seed)
    metrics = {
        "command": record["command"],
        "commit": record["commit"],
        "subjects": ", ".join(heads),
        "volumes": len(pairs),
        **held_out_metrics(translated, pairs),
        **window_seams(traced, use, pairs[0]),
    }
    metadata = make_metadata(state, options.work / "run.json", metrics, use)
    entries = read_training_log(options.work / LOG_FILE)
    card = make_card(metadata, entries)
    folder = export_bundle(BUNDLE, traced, metadata, card, LICENCE, options.models)
    shown = slice(None, None, max(1, options.per_head // 2))
    picture(translated[shown], pairs[shown], folder / "docs/held_out.png")
    picture(*worst(translated, pairs, 2), folder / "docs/failures.png")
    figure(entries).savefig(folder / "docs" / CURVES_FILE, dpi=70)
    shutil.copyfile(options.work / LOG_FILE, folder / "docs/training_log.jsonl")
    show(folder, metrics)


if __name__ == "__main__":
    main()
