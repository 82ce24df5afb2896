"""The DDIC paper's comparison of CycleGAN, DDIB and DDIC, on held-out HC18 subjects.

``python -m benchmarks.quality --cases 20`` translates one image of each of 20 subjects of the test
part, evaluates them as ``ustomri evaluate`` does, and writes ``benchmarks/quality.html``,
``.json``, ``.md`` and ``.png``.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from skimage.util import montage

from training.data.fetal_slices import fetal_slices
from training.data.hc18 import HeadImage, read_hc18
from training.data.location import add_data_option
from training.runinfo import run_record
from USToMRILib import Grid, Volume, translate
from USToMRILib.compute.bundle import list_bundles
from USToMRILib.evaluation.evaluate import evaluate
from USToMRILib.evaluation.formatting import summary_text
from USToMRILib.evaluation.pairing import REFERENCE, Folders
from USToMRILib.evaluation.report import Bullets, Section, write_report, write_results
from USToMRILib.evaluation.results import Evaluation
from USToMRILib.evaluation.sections import evaluation_record, evaluation_sections
from USToMRILib.fetal import cyclegan
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import HeadFrame, normalise_head
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.image.intensity import to_mri_values

METHODS = {"CycleGAN": "cyclegan", "DDIB": "ddib", "DDIC": "ddic"}
METRICS = (
    "mi_kraskov",
    "mi_histogram",
    "nmi",
    "psnr",
    "psnr_foreground",
    "ssim",
    "ssim_foreground",
    "ncc",
    "lncc",
    "cnr",
    "fid",
    "kid",
)
DATA = (
    "One image of each of {cases} fetuses of the test part of training/splits/hc18.json (HC18, van "
    "den Heuvel et al. 2018, doi:10.5281/zenodo.1327317, CC BY 4.0), heads of all sizes; {real} "
    "MRI slices of the test part of training/splits/fetal_mri.json, for the distances between sets"
)
TITLE = "CycleGAN, DDIB and DDIC on held-out fetal heads"
MEANING = (
    "MI, NCC, SSIM and PSNR compare the pseudo-MRI with the ultrasound that it was made from, as "
    "the DDIC paper does: no MRI of these fetuses exists. They say how much of the ultrasound was "
    "kept, not whether the MRI is right; an exact copy of the ultrasound would win all of them.",
    "DDIC maximises its correlation with the ultrasound. A lead in NCC, and in MI, which goes with "
    "it, is therefore no evidence for DDIC; it shows that the optimisation works.",
    "A low cycle error, which CycleGAN is trained for and a diffusion bridge has by construction, "
    "shows that a map can be inverted, not that the anatomy is right; it is not listed here.",
    "A global SSIM or PSNR counts the empty background and averages tones; between modalities it "
    "misranks methods. The ioUS-to-MR benchmark of 2026 found that perceptual measures and "
    "measures in the lesion follow usefulness, and global SSIM does not.",
    "The distances between sets tell whether the pseudo-MRI look like MRI as a whole. They use "
    "offline texture features, not Inception, and few images: compare methods within this table, "
    "never with published FIDs. The ultrasound's own distance (in the tables: reference) is what "
    "there is to beat. The MRI are averaged brains without a skull; the pseudo-MRI fill the "
    "skull's ellipse, and part of the distance is that.",
    "Whether a ventricle or a fissure is where it should be is for readers to say, and none has "
    "been asked yet.",
)
REGIONS = Path(__file__).parent / "regions"
CNR_MEANING = (
    "The contrast-to-noise ratio is that of the choroid plexus in the distal lateral ventricle "
    "against the dark region beside it, {cases} heads, from boxes that the authors of this "
    "benchmark, who are no clinicians, drew on the ultrasound (benchmarks/regions). It says how "
    "far the two stand apart, not which of them should be bright."
)
PAPER = FrameSpec.paper()
GRID = Grid((128, 128, 1), (1.094, 1.094, 1.0))


def held_out_heads(data: Path, count: int) -> list[HeadImage]:
    """One image of each of ``count`` test subjects, from the smallest head to the largest."""
    first_of = {head.subject: head for head in reversed(list(read_hc18(data / "hc18", "test")))}
    heads = sorted(first_of.values(), key=lambda head: head.circumference_mm)
    places = np.linspace(0, len(heads) - 1, min(count, len(heads))).round().astype(int)
    return [heads[i] for i in places]


def translate_head(head: HeadImage, work: Path, methods: Sequence[str]) -> None:
    """Write ultrasound, mask and pseudo-MRI of a head, all in the frame, where networks see it."""
    spacing = (head.pixel_size_mm, head.pixel_size_mm)
    frame = HeadFrame(head.ellipse, head.mask.shape, spacing, PAPER)
    framed = frame.to_frame(head.pixels)
    middle = (GRID.size[0] - 1) / 2 * GRID.spacing[0]
    upright = Ellipse((middle, middle), head.ellipse.semi_axes, 0.0)
    name = f"{head.name}.nrrd"
    ultrasound = to_mri_values(normalise_head(framed, frame.mask))
    Volume(ultrasound[None], GRID).write(work / "ultrasound" / name)
    Volume(frame.mask[None].astype(np.uint8), GRID).write(work / "masks" / name)
    for method in methods:
        result = translate(Volume(framed[None], GRID), METHODS[method], head=upright)
        result.write(work / method / name)


def picture(heads: Sequence[HeadImage], work: Path, methods: Sequence[str], path: Path) -> None:
    """Draw every head, ten side by side: a row of ultrasound and one of each method below it."""
    cut, across = slice(12, GRID.size[0] - 12), 10  # the largest head fits
    images = [
        Volume.read(work / row / f"{head.name}.nrrd").array[0, cut, cut]
        for start in range(0, len(heads), across)
        for row in ("ultrasound", *methods)
        for head in heads[start : start + across]
    ]
    imsave(path, montage(images, grid_shape=(-(-len(images) // across), across)), cmap="gray")


def available() -> tuple[list[str], list[str]]:
    """The methods whose bundles are here, and a sentence for each that is absent."""
    absent = [] if cyclegan.BUNDLE in list_bundles() else ["CycleGAN"]
    sentences = [f"{m} is absent: its bundle {cyclegan.BUNDLE!r} is not here." for m in absent]
    return [method for method in METHODS if method not in absent], sentences


def meaning(absent: Sequence[str], evaluation: Evaluation) -> Section:
    """What the numbers show, and what they do not."""
    measured = len(evaluation.metrics["cnr"].values.get(REFERENCE, {}))
    notes = [*MEANING, CNR_MEANING.format(cases=measured), *absent]
    title = "What these numbers show, and what they do not"
    return Section(title, [Bullets(notes)], {"notes": notes})


def markdown(evaluation: Evaluation, record: dict, notes: Sequence[str]) -> str:
    """The main table and what it means, for readers of the repository."""
    columns = {REFERENCE: "ultrasound", **{method: method for method in METHODS}}
    rows = []
    for result in evaluation.metrics.values():
        cells = [
            "absent"
            if method in METHODS and method not in evaluation.folders.images
            else summary_text(result.summaries.get(method), result.decimals).splitlines()[0]
            for method in columns
        ]
        rows.append(" | ".join(["", result.metric.title.replace("\n", " "), *cells, ""]).strip())
    head = " | ".join(["", "metric", *columns.values(), ""]).strip()
    rule = "|".join(["", *[" --- "] * (len(columns) + 1), ""])
    hashes = {
        f"{bundle} {sha[:12]}"
        for records in evaluation.records.values()
        for one in records
        for bundle, sha in one["bundles"].items()
    }
    lines = [
        f"# {TITLE}",
        "",
        f"`{record['command']}`, {record['date'][:10]}; {record['split']}. Weights: "
        f"{', '.join(sorted(hashes))}.",
        "",
        "Mean ± standard deviation. Intervals, tests, box plots and images are in `quality.html`, "
        "the value of every case in `quality.json`.",
        "",
        head,
        rule,
        *rows,
        "",
        "Every head, from the smallest to the largest; from the top, ultrasound, "
        f"{', '.join(m for m in METHODS if m in evaluation.folders.images)}:",
        "",
        "![Ultrasound and pseudo-MRI of every head](quality.png)",
        "",
        *(f"- {note}" for note in notes),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Compare the bundled fetal methods on held-out subjects."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--work", type=Path, default=Path("runs/quality"), help="for the images")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(""))
    options = parser.parse_args()
    methods, absent = available()
    for folder in ("ultrasound", "masks", "mri", *METHODS):
        shutil.rmtree(options.work / folder, ignore_errors=True)
        (options.work / folder).mkdir(parents=True)
    heads = held_out_heads(options.data, options.cases)
    for i, head in enumerate(heads, start=1):
        print(f"{i} of {len(heads)}: {head.name}", flush=True)
        translate_head(head, options.work, methods)
    real = fetal_slices(options.data, "mri", "test")
    for i, pixels in enumerate(real):
        Volume(to_mri_values(pixels)[None], GRID).write(options.work / "mri" / f"{i:04d}.nrrd")
    folders = Folders(
        options.work / "ultrasound",
        {method: options.work / method for method in methods},
        options.work / "masks",
        REGIONS,
        options.work / "mri",
    )
    picture(heads, options.work, methods, options.output.with_suffix(".png"))
    evaluation = evaluate(folders, METRICS)
    run = run_record(seed=0)
    data = DATA.format(cases=len(heads), real=len(real))
    record = evaluation_record(f"{run['command']}  # commit {run['commit'][:12]}", data)
    first = meaning(absent, evaluation)
    sections = [first, *evaluation_sections(evaluation, record)]
    write_results(options.output.with_suffix(".json"), sections)
    write_report(options.output.with_suffix(".html"), TITLE, f"{record['split']}.", sections)
    text = markdown(evaluation, record, first.data["notes"])
    options.output.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
