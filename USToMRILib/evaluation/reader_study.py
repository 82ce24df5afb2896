"""The papers' Medical Opinion Test as one offline HTML page.

Readers see an ultrasound and the pseudo-MRI made from it and say of each structure whether the
pseudo-MRI shows it better, the same or worse. The page keeps the answers in their browser and
gives them out as one CSV, which :mod:`USToMRILib.evaluation.reader_study_summary` reads.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import atomic, check_creatable
from ..image.volume import Volume
from ..provenance import voxels_sha256
from .display import eight_bit, ultrasound_levels
from .pairing import Problem, Reader, check_same_grid, images_by_name

STRUCTURES = {
    "proximal_lateral_ventricle": "Proximal lateral ventricle",
    "distal_lateral_ventricle": "Distal lateral ventricle",
    "sylvian_fissure": "Sylvian fissure",
}
"""What is judged: the name in the CSV, and the one that readers see."""

ULTRASOUND_FOLDER, MRI_FOLDER = "ultrasound", "pseudo_mri"

_LONGEST_SIDE = 1024
_MARGIN = 0.06
_MARK = "SYNTHETIC, NOT AN MRI SCAN"
_PAGE = Path(__file__).with_name("reader_study_page")


@dataclass(frozen=True)
class StudyPair:
    """An ultrasound and the pseudo-MRI made from it, on one grid; of volumes one slice is shown."""

    case: str
    ultrasound: Volume
    pseudo_mri: Volume


def read_pairs(folder: Path) -> tuple[list[StudyPair], list[str]]:
    """Read the pairs of a folder.

    Args:
        folder: holds the folders ``ultrasound`` and ``pseudo_mri``, whose files have the same names
            up to the suffix, or to the ``_SYNTHETIC...`` that ``ustomri batch`` adds.

    Returns:
        The pairs by name, and a sentence for everything that has no partner or cannot be used.

    Raises:
        InputError: if the folders are not there or hold no usable pair.
    """
    problems: list[Problem] = []
    ultrasounds, mris = (
        images_by_name(folder / name, name, problems) for name in (ULTRASOUND_FOLDER, MRI_FOLDER)
    )
    texts = [f"{problem.case}: {problem.text}" for problem in problems]
    texts += [f"{name}: there is no pseudo-MRI." for name in sorted(ultrasounds.keys() - mris)]
    texts += [f"{name}: there is no ultrasound." for name in sorted(mris.keys() - ultrasounds)]
    pairs = []
    for name in sorted(ultrasounds.keys() & mris):
        try:
            pairs.append(_read_pair(name, ultrasounds[name], mris[name]))
        except InputError as error:
            texts.append(f"{name}: {error}")
    if not pairs:
        raise InputError(f"{folder} holds no usable pair. {' '.join(texts)}".strip())
    return pairs, texts


def _read_pair(name: str, ultrasound: Path, pseudo_mri: Path) -> StudyPair:
    """Read a pair whose two images lie in one place."""
    made = Reader().read(pseudo_mri)
    # A picture does not know its pixel size; what was made of it does.
    pair = StudyPair(name, Reader(made.grid.spacing[0]).read(ultrasound), made)
    check_same_grid(pair.pseudo_mri, pseudo_mri, pair.ultrasound, ultrasound)
    return pair


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
    with atomic(path) as temporary:
        temporary.write_text(_page(_study(pairs, blinded, seed), title), encoding="utf-8")


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


def _page(study: dict[str, Any], title: str) -> str:
    """Put a study into the page."""
    parts = {
        "@title@": html.escape(title),
        "@style@": _asset("style.css"),
        "@script@": "\n".join(_asset(name) for name in ("viewer.js", "study.js")),
        # "</script>" inside the data would end them.
        "@data@": json.dumps(study).replace("<", "\\u003c"),
    }
    page = _asset("page.html")
    return re.sub("|".join(parts), lambda found: parts[found[0]], page)


def _asset(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
