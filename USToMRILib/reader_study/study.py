"""The papers' Medical Opinion Test as one offline HTML page.

Readers see an ultrasound and the pseudo-MRI made from it and say of each structure whether the
pseudo-MRI shows it better, the same or worse. The page keeps the answers in their browser and
gives them out as one CSV, which :mod:`USToMRILib.evaluation.reader_study_summary` reads.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import check_creatable
from ..image.display import eight_bit, ultrasound_levels
from ..pages import environment, write_page
from ..provenance import voxels_sha256
from .pairs import StudyPair

STRUCTURES = {
    "proximal_lateral_ventricle": "Proximal lateral ventricle",
    "distal_lateral_ventricle": "Distal lateral ventricle",
    "sylvian_fissure": "Sylvian fissure",
}
"""What is judged: the name in the CSV, and the one that readers see."""

_LONGEST_SIDE = 1024
_MARGIN = 0.06
_MARK = "SYNTHETIC, NOT AN MRI SCAN"
_PAGE = Path(__file__).with_name("page")


def write_study(
    path: Path,
    pairs: Sequence[StudyPair],
    *,
    blinded: bool = False,
    seed: int = 0,
    title: str = "Medical opinion test",
) -> None:
    """Write the study as one HTML page that needs no network.

    Args:
        path: of the page; it appears complete or not at all.
        pairs: at least one, with different case names.
        blinded: no labels, the side of the pseudo-MRI random (left as often as right), no mark on
            it, and the ultrasound black outside the pseudo-MRI's head. The page says at its start
            that some images are synthetic.
        seed: of the order and the sides.
        title: of the page.

    Raises:
        InputError: no pairs, two of the same name, or the file cannot be written.
    """
    check_creatable(path)
    names = [pair.case for pair in pairs]
    if not names:
        raise InputError("There is no pair to study; give at least one.")
    if len(set(names)) < len(names):
        raise InputError("Two pairs have the same name; rename one of them.")
    template = environment(_PAGE).get_template("page.html")
    write_page(path, template, title=title, study=_study(pairs, blinded, seed))


def _study(pairs: Sequence[StudyPair], blinded: bool, seed: int) -> dict[str, Any]:
    """Return what the page needs to know, ready for JSON."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pairs))
    on_left = rng.permutation(len(pairs)) % 2 == 0
    return {
        "id": _study_id(pairs),
        "seed": seed,
        "blinded": blinded,
        "structures": [{"key": key, "name": name} for key, name in STRUCTURES.items()],
        "cases": [
            _case(pairs[index], blinded, bool(blinded and left))
            for index, left in zip(order, on_left)
        ],
    }


def _study_id(pairs: Sequence[StudyPair]) -> str:
    """Return a name for these images, the same in whichever order they are shown."""
    content = hashlib.sha256()
    for pair in sorted(pairs, key=lambda pair: pair.case):
        content.update(pair.case.encode())
        content.update(voxels_sha256(pair.ultrasound.array).encode())
        content.update(voxels_sha256(pair.pseudo_mri.array).encode())
    return content.hexdigest()[:12]


def _case(pair: StudyPair, blinded: bool, pseudo_mri_left: bool) -> dict[str, Any]:
    """Return one pair as the page shows it."""
    ultrasound, pseudo_mri, aspect = _pictures(pair, blinded)
    shown = [
        {"label": "Ultrasound", "src": _png(ultrasound)},
        {"label": "Pseudo-MRI (synthetic)", "src": _png(pseudo_mri, "" if blinded else _MARK)},
    ]
    if blinded:
        shown = [{"src": image["src"]} for image in shown]
    left, right = reversed(shown) if pseudo_mri_left else shown
    return {
        "case": pair.case,
        "pseudo_mri_side": "left" if pseudo_mri_left else "right",
        "aspect": round(aspect, 4),
        "left": left,
        "right": right,
    }


def _pictures(pair: StudyPair, blinded: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Return both images of the head's surroundings, uint8 [j, i], and width over height in mm."""
    found = pair.pseudo_mri.array > 0
    inside = found if found.any() else np.ones_like(found)
    slices = np.flatnonzero(inside.any(axis=(1, 2)))
    k = int(slices[len(slices) // 2])
    rows, columns = (_extent(inside[k].any(axis=axis)) for axis in (1, 0))
    window = (k, rows, columns)
    head = inside[window]
    ultrasound = ultrasound_levels(pair.ultrasound.array[window], head)
    if blinded:  # what lies around the head would tell which of the two is the ultrasound
        ultrasound = np.where(head, ultrasound, np.uint8(0))
    spacing = pair.ultrasound.grid.spacing
    aspect = (columns.stop - columns.start) * spacing[0] / ((rows.stop - rows.start) * spacing[1])
    return ultrasound, eight_bit(pair.pseudo_mri.array[window]), float(aspect)


def _extent(used: np.ndarray) -> slice:
    """Return from the first to the last used place, with a margin."""
    places = np.flatnonzero(used)
    margin = round(_MARGIN * len(used))
    return slice(max(0, int(places[0]) - margin), min(len(used), int(places[-1]) + 1 + margin))


def _png(pixels: np.ndarray, mark: str = "") -> str:
    """Return a picture as a data address, with a mark in its lower left corner."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(pixels)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    if mark:
        size = max(8, picture.height // 32)
        place = (size // 2, picture.height - size // 2)
        ImageDraw.Draw(picture).text(
            place,
            mark,
            fill=230,
            font=ImageFont.load_default(size),
            anchor="ld",
            stroke_width=1,
            stroke_fill=0,
        )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
