"""The page of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import table
from USToMRILib.fetal.tissues import Tissue

KINDS = {
    "usual": "Warped as in training",
    "widened": "Ventricles widened to about twice their width",
    "transcerebellar": "In the transcerebellar plane",
    "spina bifida": "Spina bifida, of which no volume was in training",
}
TRUTH_NOTE = """
Simulated ultrasound of atlas volumes that no network was trained on (`training/splits`), so that
the MRI is known. The ultrasound is simulated: these figures say how well a method inverts the
simulation, and nothing of how near that is to a real scan. Inside the brain, means over the pairs:
Pearson's correlation; SSIM (7x7) after the best linear change of tone; CNR of the ventricles
against white matter in the true regions. Ventricle: Dice over all pairs, and the median error of
its area; atrium: median error of the width of the lateral ventricles at their widest.
"""
REAL_NOTE = """
{heads} images, {marked} of them with marks, of HC18's validation and test part (van den Heuvel et
al. 2018, doi:10.5281/zenodo.1327317, CC BY 4.0), with the annotated outline of the head. No MRI of
these fetuses exists. On the marked ones choroid plexus, which lies in the lateral ventricle, was
marked by eye on the ultrasound before any pseudo-MRI was seen (`marks.json`; the authors are no
clinicians): it must lie in what a method calls ventricle. CNR is that of the distal lateral
ventricle against the tissue beside it: in regions drawn by hand, and in regions from the tissues
of `pix2pix2d`, the same for all methods (which favours that method). The same fetus: correlation
of the pictures of two images of one fetus, mirrored as suits them best. Gain, rotation:
correlation with the picture of the same image 6 dB louder or softer, and with an outline turned by
3 degrees, over {steady} heads. Kernel distance to MRI slices of the test part, which were
resampled onto the heads' images and back as the pictures are; offline texture features: compare
within this table only. Correlation with the ultrasound is no evidence for anything and is not
listed.
"""


CEREBELLUM_NOTE = """
Transcerebellar planes of FETAL_PLANES_DB (Burgos-Artizzu et al. 2020, doi:10.5281/zenodo.3904280,
CC BY 4.0), scanners that no network for slices has seen, found and translated as a user has it. The
middle of the cerebellum was marked by eye on the ultrasound: it must lie in what a method calls
cerebellum. In the marked heads of HC18, whose planes should not cut it, none should be named; they
count where more than 2 % of the brain are.
"""


def markdown(results: dict[str, Any]) -> str:
    """The page of ``results``."""
    run = results["run"]
    bundles = ", ".join(f"{name} {sha[:12]}" for name, sha in results["bundles"].items())
    parts = [
        "# Methods for fetal heads",
        f"`{run['command']}` at commit `{run['commit'][:12]}`, {run['date']}. Weights: {bundles}.",
        "## Simulated truth",
        TRUTH_NOTE.strip(),
    ]
    for kind, measured in results["truth"].items():
        parts += [f"### {KINDS[kind]}", _truth_table(measured)]
    usual = results["truth"]["usual"]
    parts += ["Dice of every tissue, warped as in training:", _dice_table(usual)]
    parts += ["and in the transcerebellar plane:", _dice_table(results["truth"]["transcerebellar"])]
    real = results["real"]
    note = REAL_NOTE.format(heads=real["heads"], marked=real["marked"], steady=real["steady_heads"])
    parts += ["## Real heads", note.strip(), _real_table(real)]
    names = ", ".join(real["kernel_distance"])
    parts += [f"From the top of each block: {names}; small heads first.", "![Heads](heads.jpg)"]
    parts += ["## Cerebellum", CEREBELLUM_NOTE.strip(), _cerebellum_table(real)]
    names = ", ".join(("ultrasound itself", *real["cerebellum"]))
    parts += [f"From the top of each block: {names}.", "![Transcerebellar planes](cerebella.jpg)"]
    return "\n\n".join(parts) + "\n"


def _truth_table(measured: dict[str, dict[str, Any]]) -> str:
    def row(name: str, of: dict[str, Any]) -> list[str]:
        tissues = ["", "", ""]
        if "dice" in of:
            tissues = [
                f"{of['dice'][Tissue.VENTRICLES.title]:.3f}",
                f"{of['ventricle_area_error_percent']:.1f} %",
                f"{of['atrium_width_error_mm']:.2f} mm",
            ]
        images = [f"{of['correlation']:.3f}", f"{of['ssim']:.2f}", f"{of['cnr']:.2f}"]
        return [name, *images, *tissues]

    header = ["", "correlation", "SSIM", "CNR", "ventricle Dice", "its area", "atrium"]
    return table(header, [row(name, of) for name, of in measured.items()])


def _dice_table(measured: dict[str, dict[str, Any]]) -> str:
    known = {name: of["dice"] for name, of in measured.items() if "dice" in of}
    rows = [[name, *(f"{dice[t.title]:.3f}" for t in Tissue)] for name, dice in known.items()]
    return table(["", *(t.title for t in Tissue)], rows)


def _cerebellum_table(real: dict[str, Any]) -> str:
    rows = [
        [name, *(f"{some} of {of}" for some, of in (hits, real["cerebellum_elsewhere"][name]))]
        for name, hits in real["cerebellum"].items()
    ]
    return table(["", "marks in the cerebellum", "standard planes with one"], rows)


def _real_table(real: dict[str, Any]) -> str:
    def spread(values: Sequence[float]) -> str:
        return f"{values[0]:.2f} ± {values[1]:.2f} ({values[2]:.0f})"

    def row(name: str) -> list[str]:
        plexus, steady = real["plexus"].get(name), real["steadiness"].get(name)
        return [
            name,
            ", ".join(f"{side} {hit} of {of}" for side, (hit, of) in plexus.items())
            if plexus
            else "",
            *(spread(real["contrast"][how][name]) for how in ("hand", "tissues")),
            spread(real["repeatability"][name]),
            *(f"{steady[what]:.3f}" if steady else "" for what in ("gain", "rotation")),
            f"{real['kernel_distance'][name]:.2f}",
        ]

    header = [
        "",
        "plexus in the ventricle",
        "CNR, by hand",
        "CNR, by tissues",
        "same fetus",
        "gain",
        "rotation",
        "kernel distance",
    ]
    return table(header, [row(name) for name in real["kernel_distance"]])
