"""What is kept of lesions: of answers that are known, and where the card says it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from Testing.training.adult_phantom import SMALL, phantom, priors
from training.data.pairs import Pair
from training.export import lesion_measures
from training.export.bundle import CARD_FILE
from training.export.lesion_measures import MEASURED, kept_of, summary
from training.export.pix2pix3d import CAUTION
from training.simulation.adult_lesions import KINDS, LESION_TISSUES
from training.simulation.adult_pairs import Case, make_case
from USToMRILib.compute.bundle import load_bundle, models_dir, read_metadata, verify_bundle
from USToMRILib.pix2pix.generator import BUNDLE


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    head, shape = phantom(), (40, 72, 72)
    kinds = ("glioma", "cyst", "old_haematoma")
    return [make_case(head, priors(), 4, shape, SMALL, 1.0, (kind,)) for kind in kinds]


@pytest.mark.parametrize(
    ("answer", "kept", "least_dice"),
    [
        (lambda mri: mri, 1.0, 0.7),
        (lambda mri: 0.5 * mri + 20, 0.5, 0.7),
        (lambda mri: 255 - mri, -1.0, 0.0),
        (lambda mri: np.full_like(mri, 90), 0.0, 0.0),
    ],
)
def test_the_contrast_kept_of_known_answers(
    cases: list[Case],
    answer: Callable[[np.ndarray], np.ndarray],
    kept: float,
    least_dice: float,
) -> None:
    rows = [row for c in cases for row in kept_of(c, answer(c.pair.mri.astype(np.float32)))]
    found = summary(rows)
    assert {"tumour, bright in ultrasound", "cyst", "blood"} <= set(found)
    for title, row in found.items():
        assert row["contrast_kept"] == pytest.approx(kept, abs=0.01), title
        assert row["true_contrast"] > 10
        assert row["dice"] >= least_dice
        if kept > 0:
            assert row["dice"] == row["dice_in_mri"]
        else:
            assert row["dice"] < 0.35


def test_every_kind_of_lesion_is_measured_and_healthy_heads_are_not(cases: list[Case]) -> None:
    measured = [name for names in MEASURED.values() for name in names]
    assert {kind.body for kind in KINDS.values()} | {"oedema"} == set(measured)
    assert set(measured) <= set(LESION_TISSUES)
    assert kept_of(Case(cases[0].pair, None), cases[0].pair.mri.astype(np.float32)) == []


def test_the_command_writes_card_and_metadata_and_leaves_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: list[Case]
) -> None:
    shutil.copytree(models_dir() / BUNDLE, tmp_path / BUNDLE)
    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path))

    def perfect(_net: object, _metadata: object, pairs: list[Pair]) -> list[np.ndarray]:
        return [pair.mri.astype(np.float32) for pair in pairs]

    monkeypatch.setattr(lesion_measures, "translate_pairs", perfect)
    monkeypatch.setattr(lesion_measures, "draw_cases", lambda *_: iter(cases))
    before = (tmp_path / BUNDLE / CARD_FILE).read_text()
    for domain in ("narrow", "wide"):
        command = ["lesions", "--data", str(tmp_path), "--domain", domain]
        monkeypatch.setattr(sys, "argv", command)
        lesion_measures.main()
    verify_bundle(BUNDLE)
    assert read_metadata(BUNDLE)["caution"] == CAUTION
    lesions = read_metadata(BUNDLE)["lesions"]
    assert lesions["wide"]["kinds"]["cyst"]["contrast_kept"] == 1
    card = (tmp_path / BUNDLE / CARD_FILE).read_text()
    assert card.count("## Lesions") == 1
    assert "| cyst | 1 |" in card
    assert "narrow domain" in card
    assert "wide domain" in card
    for heading in ("## Limits", "## Known failures", "## Measured"):
        assert before.split(heading)[1].split("\n## ")[0] in card

    # What it loses stands in the warnings of every result.
    def clipped(_net: object, _metadata: object, pairs: list[Pair]) -> list[np.ndarray]:
        return [np.minimum(pair.mri, 165).astype(np.float32) for pair in pairs]

    monkeypatch.setattr(lesion_measures, "translate_pairs", clipped)
    lesion_measures.main()
    (said,) = load_bundle(BUNDLE).cautions
    assert said.startswith(CAUTION)
    assert said.endswith("keeps these badly: blood.")
