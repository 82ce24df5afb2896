"""Heads in the brain images of FETAL_PLANES_DB, which has none annotated.

``python -m training.data.agreed_heads`` looks at the training part with the bundle that is
installed and writes ``agreed_heads.json`` beside this file: the ellipses on which all close looks
agree and are sure, but for those that do not lie on the skull for a person who sees them drawn,
which are to be named with ``--leave-out``. ``--sheet FILE`` draws them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.data.fetal_planes import PlaneImage, read_planes
from training.data.location import add_data_option
from USToMRILib import InputError
from USToMRILib.compute.bundle import Bundle, load_bundle
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import BUNDLE, CLOSE_WIDTHS, look_for_head

FILE = Path(__file__).with_name("agreed_heads.json")

LEAST_SURE = 0.9
LEAST_AGREEMENT = 0.96


def read_agreed_heads(root: Path, part: str) -> Iterator[tuple[PlaneImage, Ellipse]]:
    """The images of one part of the split with an agreed head, and its ellipse in mm.

    Args:
        root: folder of FETAL_PLANES_DB.
        part: "train"; no other has any.
    """
    heads = json.loads(FILE.read_text())["heads"]
    for image in read_planes(root, part, brain=True):
        if image.name in heads:
            x, y, long, short, angle = heads[image.name]
            yield image, Ellipse((x, y), (long, short), angle)


def agreed_head(bundle: Bundle, image: PlaneImage) -> Ellipse | None:
    """The ellipse on which the finder's close looks agree, or None."""
    try:
        _, looks = look_for_head(bundle.net, image.volume)
    except InputError:
        return None
    ellipses = [look.ellipse for look in looks]
    mean = Ellipse.mean(ellipses)
    if len(looks) < len(CLOSE_WIDTHS) or min(look.sure for look in looks) < LEAST_SURE:
        return None
    alike = min(_overlap(ellipse, mean, image) for ellipse in ellipses)
    return mean if alike >= LEAST_AGREEMENT else None


def _overlap(a: Ellipse, b: Ellipse, image: PlaneImage) -> float:
    """Dice of two ellipses in an image."""
    grid = image.volume.grid
    one, other = (e.mask((grid.size[1], grid.size[0]), grid.spacing[:2]) for e in (a, b))
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def draw(heads: Sequence[tuple[PlaneImage, Ellipse]], path: Path, columns: int = 10) -> None:
    """Draw ellipses on their images, with the images' names."""
    rows = -(-len(heads) // columns)
    figure = Figure(figsize=(2.4 * columns, 1.95 * rows), facecolor="black")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    turns = np.linspace(0, 2 * np.pi, 100)
    for axis, (image, ellipse) in zip(axes, heads):
        volume = image.volume
        width, height = (n * mm for n, mm in zip(volume.grid.size, volume.grid.spacing[:2]))
        axis.imshow(volume.array[0], "gray", extent=(0, width, height, 0))
        around = np.stack([np.cos(turns), np.sin(turns)], 1) * ellipse.semi_axes
        axis.plot(*(around @ ellipse.rotation.T + ellipse.centre).T, "r-", linewidth=0.7)
        axis.set_title(image.name, color="white", fontsize=6, pad=1)
        axis.set_xlim(0, width)
        axis.set_ylim(height, 0)
    for axis in axes:
        axis.axis("off")
    figure.tight_layout(pad=0.2)
    figure.savefig(path, dpi=80)


def _text(content: dict[str, Any]) -> str:
    """JSON with a line for each head."""
    heads = content["heads"]
    text = json.dumps({**content, "heads": {}}, indent=2)
    rows = ",\n".join(f'    "{name}": {json.dumps(values)}' for name, values in heads.items())
    return text.replace('"heads": {}', f'"heads": {{\n{rows}\n  }}') + "\n"


def main() -> None:
    """Write down the heads of FETAL_PLANES_DB that the finder's looks agree on."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--sheet", type=Path, help="PNG of the agreed heads")
    options = parser.parse_args()
    bundle = load_bundle(BUNDLE)
    images = list(read_planes(options.data / "fetal_planes", "train", brain=True))
    found = [(image, agreed_head(bundle, image)) for image in images]
    agreed = [(image, e) for image, e in found if e and image.name not in options.leave_out]
    heads = {
        image.name: [round(v, 4) for v in (*e.centre, *e.semi_axes, e.angle)] for image, e in agreed
    }
    if options.sheet:
        draw(agreed, options.sheet)
    content = {
        "what": "centre (x, y), semi-axes and angle of the long axis of each head, in mm and "
        "radians on the images as training/data/fetal_planes.py reads them",
        "found_by": {"bundle": bundle.name, "version": bundle.metadata["version"]},
        "rule": f"all {len(CLOSE_WIDTHS)} close looks at least {LEAST_SURE} sure, and their Dice "
        f"with the mean ellipse at least {LEAST_AGREEMENT}",
        "left_out_by_eye": options.leave_out,
        "of_images": len(images),
        "heads": heads,
    }
    FILE.write_text(_text(content))
    print(f"{len(heads)} of {len(images)} images: {FILE}")


if __name__ == "__main__":
    main()
