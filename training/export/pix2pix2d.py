"""Make the bundle ``pix2pix2d`` of a training run, measured on atlas volumes held out.

``python -m training.export.pix2pix2d --work runs/pix2pix2d``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data import fetal_mri
from training.data.brain_slices import FRAME, hc18_brains, seen_brains
from training.data.fetal_slices import contact_sheet
from training.export.brain_measures import image_measures, tissue_measures
from training.export.bundle import data_format, export_bundle, in_half_precision, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.eps import LICENCES
from training.networks.inference_form import inference_form
from training.networks.slice_translator import CLASSES, SliceTranslator
from training.simulation.brain_pairs import Pairs, held_out_pairs
from training.train.pix2pix2d import SliceConfig
from USToMRILib.fetal.pix2pix2d import all_views
from USToMRILib.fetal.tissues import Tissue

BUNDLE = "pix2pix2d"
PAIRS = 256
SHOWN = 8

CAUTION = (
    "The network learned from simulated ultrasound of averaged healthy brains: where the "
    "ultrasound shows little it draws what is usual, and it may draw healthy anatomy where there "
    "is pathology."
)

LIMITS = """
- Trained on simulated ultrasound alone. How far it holds on real images is shown by landmarks and
  by looking (`benchmarks/fetal`), not by a paired MRI: there is none.
- Averaged atlas volumes, mostly of healthy brains: lesions and malformations are drawn as the
  nearest healthy anatomy. Ventricles were widened by warping, up to some 20 mm.
- Planes about the transthalamic, the transventricular and the transcerebellar one; brains of 55 to
  125 mm length.
- Where sound does not reach, in the nearer hemisphere above all, it draws what is usual.
"""

MEASURES = """
Of {pairs} simulated pairs of each kind: slices of atlas volumes that training never saw, warped as
in training ("usual"), with their ventricles widened to about twice their width ("widened"), in the
transcerebellar plane ("transcerebellar"), and slices of the spina bifida atlas, of which no volume
was in training ("spina bifida"). Inside the brain: Pearson's correlation; SSIM (7x7 window) after
the best linear change of tone; mean absolute difference on -1..1; contrast-to-noise ratio of
ventricles against white matter in the true regions. Tissues, with fluid up to the brain's envelope
(the atlases' masks end before it in places): Dice over all pairs; median error of
the ventricles' area, without and with its sign; error of the lateral ventricles' width at their
widest; of the cerebellum's diameter. As the method answers for a still image: the mean over four
mirrored views. The ultrasound itself is measured for comparison.
"""


def main() -> None:
    """Make the bundle pix2pix2d of a training run."""
    options, state = begin(export_parser(main.__doc__, "runs/pix2pix2d"))
    config = SliceConfig(**state["config"])
    net = SliceTranslator(config.width).eval().requires_grad_(False)
    net.load_state_dict(state["ema"])
    kinds = held_out_pairs(options.data, PAIRS)
    metrics: dict[str, Any] = {"command": "python -m training.export.pix2pix2d"}
    metrics |= {kind: measure(net, pairs) for kind, pairs in kinds.items()}
    traced = traced_net(net, kinds["usual"])
    metadata = make_metadata(config, state["step"], options.work / "run.json", metrics)
    folder = export_bundle(
        BUNDLE, traced, metadata, make_card(metadata, options.note), LICENCES["mri"], options.models
    )
    sheets(net, kinds, options.data, folder / "docs")
    show(folder, metrics)


def measure(net: SliceTranslator, pairs: Pairs) -> dict[str, Any]:
    """What the card says of pairs of one kind."""
    made, tissues = seen_by_method(net, pairs.us, pairs.size_mm)
    images = {k: round(v, 3) for k, v in image_measures(made, pairs).items()}
    seen = {k: round(v, 3) for k, v in image_measures(pairs.us, pairs).items()}
    found = {
        k: round(v, 2) if isinstance(v, float) else v
        for k, v in tissue_measures(tissues, pairs).items()
    }
    return {**images, **found, "ultrasound_itself": seen}


def seen_by_method(
    net: SliceTranslator, us: np.ndarray, size_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What the method makes of frames of ultrasound [N, 128, 128] of brains of sizes in mm [N].

    Returns:
        MRI float32 and tissues uint8, [N, 128, 128].
    """
    images = torch.from_numpy(us.astype(np.float32))[:, None]
    made = all_views(net, images, torch.from_numpy(size_mm.astype(np.float32)), "cpu").mean
    assert made.tissues is not None
    likely = made.tissues.numpy()
    labels = np.where(likely[:, 0] < 0.5, 1 + likely[:, 1:].argmax(1), 0)
    return made.images[:, 0].numpy(), labels.astype(np.uint8)


def traced_net(net: SliceTranslator, pairs: Pairs) -> torch.jit.ScriptModule:
    """The network's form for inference, traced, its weights in half precision."""
    us = torch.from_numpy(pairs.us[:4].astype(np.float32))[:, None]
    examples = us, torch.from_numpy(pairs.size_mm[:4])
    return in_half_precision(trace(inference_form(net), *examples), examples)


def make_metadata(
    config: SliceConfig, steps: int, runs_file: Path, metrics: dict[str, Any]
) -> dict[str, Any]:
    """The bundle's metadata, but for the checksum."""
    shape = list(FRAME.shape)
    us = {"0": "ultrasound of a fetal brain in the head-scaled frame, -1 outside the brain"}
    classes = {"0": "no brain", **{str(int(t)): t.title for t in Tissue}}
    assert len(classes) == CLASSES
    size = {"type": "float32", "format": "length of each brain in mm", "shape": ["B"]}
    part = "training on the training part, metrics on the test part of the split"
    return bundle_metadata(
        "fetal brain ultrasound to T2-like pseudo-MRI and tissues, one pass",
        "Pix2Pix generator for slices of the fetal brain about the transthalamic plane: ultrasound "
        "to T2 MRI and eight tissues, learned from pairs whose ultrasound is simulated.",
        {
            "inputs": {"image": data_format(us, shape, [-1, 1], "image"), "size": size},
            "outputs": {
                "pred": data_format({"0": "pseudo-MRI (T2)"}, shape, [-1, 1], "image"),
                "tissues": data_format(classes, shape, [-30, 30], "probability"),
            },
        },
        runs_file,
        [fetal_mri.source(part)],
        metrics,
        CAUTION,
        frame=FRAME.metadata,
        steps=steps,
        config={name: getattr(config, name) for name in config.__dataclass_fields__},
        split="training/splits/fetal_mri.json",
    )


def make_card(metadata: dict[str, Any], note: str) -> str:
    """The model card, in plain words."""
    config = metadata["config"]
    training = (
        f"{metadata['steps']} steps of batch {config['batch']} on simulated pairs that are drawn "
        "as training goes (training/simulation/brain_pairs.py). U-Net of the eps-networks with "
        "four levels, told the brain's size in every block. Loss: absolute error, of gradients "
        f"x {config['edges']:g}, 1 - SSIM x {config['structure']:g}, cross-entropy of the tissues "
        f"x {config['tissues']:g}; Muon and AdamW, moving average {config['ema']:g}. {note}"
    )
    samples = (
        f"![Held-out heads](heads.jpg)\n\n{4 * SHOWN} heads of HC18's test part, evenly spread, "
        "not chosen: ultrasound and pseudo-MRI below it.\n\n![Simulated pairs](pairs.jpg)\n\n"
        "Simulated pairs: ultrasound, pseudo-MRI, MRI; three rows each usual, widened, spina "
        "bifida and transcerebellar."
    )
    sections = {
        "Training": training,
        "Samples": samples,
        "Limits": LIMITS,
        "How it was measured": MEASURES.format(pairs=PAIRS),
    }
    return model_card("Pix2Pix from fetal brain ultrasound to MRI and tissues", metadata, sections)


def sheets(net: SliceTranslator, kinds: dict[str, Pairs], data: Path, folder: Path) -> None:
    """Draw the pictures of the card."""
    rows: list[np.ndarray] = []
    for pairs in kinds.values():
        made, _ = seen_by_method(net, pairs.us[:SHOWN], pairs.size_mm[:SHOWN])
        rows += [*pairs.us[:SHOWN].astype(np.float32), *made, *pairs.mri[:SHOWN].astype(np.float32)]
    contact_sheet(rows, folder / "pairs.jpg", SHOWN)
    heads = sorted(hc18_brains(data / "hc18", "test"), key=lambda head: head.size_mm)
    heads = [heads[i] for i in np.linspace(0, len(heads) - 1, 4 * SHOWN).round().astype(int)]
    us, sizes = seen_brains(heads)
    made, _ = seen_by_method(net, us, sizes)
    rows = []
    for i in range(0, len(us), SHOWN):
        rows += [*us[i : i + SHOWN], *made[i : i + SHOWN]]
    contact_sheet(rows, folder / "heads.jpg", SHOWN)


if __name__ == "__main__":
    main()
