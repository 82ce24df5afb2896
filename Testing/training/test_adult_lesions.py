"""Simulated lesions: where they lie, how large they are, and that both images show them alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Testing.training.adult_phantom import SCAN, SMALL, phantom, priors, uniform
from training.data.pairs import Pair
from training.simulation import adult_pairs, lesion_sheet
from training.simulation.adult_anatomy import TISSUE_INDEX, TISSUES, Head
from training.simulation.adult_lesions import (
    KINDS,
    LESION_TISSUES,
    Lesion,
    Site,
    draw_lesion,
    draw_site,
)
from training.simulation.adult_pairs import Case, cached_pairs, make_case
from training.simulation.ultrasound import simulate_bmode

SHAPE = (48, 72, 64)
CENTRE = np.array([23.0, 36.0, 32.0])
WHITE = np.full(SHAPE, TISSUE_INDEX["white_matter"], np.uint8)


@pytest.fixture(scope="module")
def head() -> Head:
    return phantom()


def lesion_of(kind: str, radius: float = 12.0, seed: int = 0) -> Lesion:
    """A lesion in the middle of white matter."""
    return draw_lesion(Site(kind, CENTRE, radius), WHITE, np.random.default_rng(seed))


def body_of(lesion: Lesion) -> np.ndarray:
    """The voxels that are all lesion, without its oedema, wall and centre."""
    names = [name for name, _ in lesion.parts]
    at = names.index(KINDS[lesion.site.kind].body)
    covered = sum(weight for _, weight in lesion.parts[at + 1 :])
    return (lesion.parts[at][1] > 0.99) & (covered < 0.01)


@pytest.mark.parametrize("kind", list(KINDS))
def test_both_images_show_the_body_as_its_tissue(kind: str) -> None:
    """T1 between fluid (40) and white matter (160); echoes in dB relative to white matter."""
    lesion, body = lesion_of(kind), body_of(lesion_of(kind))
    tissue = LESION_TISSUES[KINDS[kind].body]
    assert body.sum() > 1000
    rng = np.random.default_rng(1)
    mri = lesion.in_mri(np.full(SHAPE, 160, np.float32), 40.0, 160.0, rng)
    level = (mri[body].mean() - 40) / 120
    assert tissue.t1[0] - 0.05 < level < tissue.t1[1] + 0.05
    maps = lesion.in_maps(uniform(shape=SHAPE), rng)
    echo_db = (10 * np.log10(maps.backscatter[body])).mean()
    low, high = tissue.acoustic.backscatter_db
    assert low - 1 < echo_db < high + 1
    assert maps.attenuation[body].mean() == pytest.approx(
        np.mean(tissue.acoustic.attenuation), abs=np.ptp(tissue.acoustic.attenuation)
    )
    outside = ~np.any([weight > 0 for _, weight in lesion.parts], axis=0)
    assert outside.sum() > 10_000
    assert (mri[outside] == 160).all()
    assert (maps.backscatter[outside] == 1).all()


@pytest.mark.parametrize(
    ("kind", "in_t1", "in_t2"),
    [
        ("glioma", "dark", "bright"),
        ("cyst", "dark", "bright"),
        ("fresh_haematoma", "dark", "dark"),
        ("old_haematoma", "bright", "bright"),
    ],
)
def test_contrasts_show_lesions_as_radiology_teaches(kind: str, in_t1: str, in_t2: str) -> None:
    """Beside white matter; fluid is 40 in T1 and 220 in T2, where white matter is 70."""
    lesion, body = lesion_of(kind), body_of(lesion_of(kind))
    for contrast, fluid, white, look in (("T1", 40, 160, in_t1), ("T2", 220, 70, in_t2)):
        plain = np.full(SHAPE, white, np.float32)
        mri = lesion.in_mri(plain, fluid, white, np.random.default_rng(1), contrast)
        assert (mri[body].mean() > white) == (look == "bright"), contrast


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("glioma", 6, 15),
        ("dark_tumour", -16, -5),
        ("fresh_haematoma", 6, 16),
        ("old_haematoma", -18, -4),
    ],
)
def test_tumours_and_blood_are_bright_and_dark_in_ultrasound(
    kind: str, least: float, most: float
) -> None:
    """Of white matter, 0 dB; a mixed tumour has both in it."""
    maps = lesion_of(kind).in_maps(uniform(shape=SHAPE), np.random.default_rng(2))
    echo_db = 10 * np.log10(maps.backscatter[body_of(lesion_of(kind))])
    assert least < echo_db.mean() < most
    mixed = lesion_of("mixed_tumour").in_maps(uniform(shape=SHAPE), np.random.default_rng(2))
    within = 10 * np.log10(mixed.backscatter[body_of(lesion_of("mixed_tumour"))])
    assert within.std() > 1.5 * echo_db.std()


def test_what_is_visible_of_the_parts_covers_a_lesion_once() -> None:
    lesion = lesion_of("old_haematoma")
    seen = lesion.visible
    assert list(seen) == [name for name, _ in reversed(lesion.parts)]
    total = sum(seen.values())
    assert total.max() <= 1 + 1e-5
    assert (seen["old_blood_rim"][body_of(lesion)] < 0.01).all()
    np.testing.assert_allclose(
        1 - total, np.prod([1 - weight for _, weight in lesion.parts], axis=0), atol=1e-5
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_lesion_has_the_volume_of_its_ball(kind: str) -> None:
    """The radius says how large it is, whatever the shape; oedema does not count."""
    ball = 4 / 3 * np.pi * 12.0**3
    volumes = []
    for seed in range(4):
        parts = dict(lesion_of(kind, 12.0, seed).parts)
        parts.pop("oedema", None)
        volumes.append(np.max(list(parts.values()), axis=0).sum() / ball)
    assert np.mean(volumes) == pytest.approx(1, abs=0.25)


def test_a_mass_pushes_and_keeps_the_volume_of_what_it_pushes() -> None:
    """Inside the brain shrank by the growth; a shell outside came from r0^3 = r^3 - grown."""
    at = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")).astype(float)
    came_from = Site("metastasis", CENTRE, 12.0).pushed(at)[:, 23, 36]
    growth = KINDS["metastasis"].growth
    assert came_from[2, 32 + 6] == pytest.approx(32 + 6 / growth, abs=0.01)
    grown = 12.0**3 * (1 - growth**-3)
    assert came_from[2, 32 + 20] == pytest.approx(32 + np.cbrt(20**3 - grown), abs=0.01)


def test_infiltrating_lesions_leave_the_echoes_of_sulci() -> None:
    tissue = WHITE.copy()
    tissue[:, :, 30:34] = TISSUE_INDEX["sulcus"]
    lesion = draw_lesion(Site("glioma", CENTRE, 14.0), tissue, np.random.default_rng(0))
    maps = lesion.in_maps(uniform(shape=SHAPE), np.random.default_rng(0))
    assert (maps.backscatter[:, :, 30:34] == 1).all()
    assert maps.backscatter[23, 36, 38] > 2


def test_oedema_stays_in_white_matter_and_nothing_grows_into_bone() -> None:
    tissue = WHITE.copy()
    tissue[:, :, :22] = TISSUE_INDEX["bone"]
    tissue[:, :, 44:] = TISSUE_INDEX["cortex"]
    seeds = (
        seed for seed in range(20) if "oedema" in dict(lesion_of("metastasis", 12, seed).parts)
    )
    lesion = draw_lesion(
        Site("metastasis", CENTRE, 12.0), tissue, np.random.default_rng(next(seeds))
    )
    parts = dict(lesion.parts)
    assert parts["oedema"][:, :, 24:42].max() > 0.9
    assert parts["oedema"][:, :, 47:].max() < 0.01
    assert all(weight[:, :, :19].max() < 0.01 for weight in parts.values())


def test_most_of_a_lesion_lies_in_the_cone() -> None:
    _, cone = simulate_bmode(uniform(shape=SHAPE), SCAN, seed=0)
    seen = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        site = draw_site(WHITE, SCAN, rng)
        weight = draw_lesion(site, WHITE, rng).parts[-1][1]
        seen.append(weight[cone].sum() / weight.sum())
    assert np.mean(seen) > 0.5
    assert np.mean(np.array(seen) > 0.2) > 0.9


def test_a_pair_with_a_lesion_is_the_healthy_one_elsewhere(head: Head) -> None:
    """The same seed: the same head, craniotomy and contrast, and the same lesion each time."""
    shape = (24, 64, 64)
    healthy = make_case(head, priors(), 3, shape, SMALL).pair
    ill, again = (
        make_case(head, priors(), 3, shape, SMALL, lesion_probability=1.0).pair for _ in range(2)
    )
    assert (ill.ultrasound == again.ultrasound).all()
    assert (ill.mri == again.mri).all()
    assert (ill.cone == healthy.cone).all()
    changed = np.abs(ill.mri.astype(int) - healthy.mri)
    assert (changed > 20).sum() > 500
    assert np.median(changed) <= 3


def test_about_as_many_pairs_have_a_lesion_as_is_asked_for(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 at 0.3: 12, give or take three standard deviations of 2.9."""
    # The scan takes seconds and decides nothing here.
    monkeypatch.setattr(adult_pairs, "simulate_bmode", lambda maps, *_: (maps.backscatter, True))
    shape = (4, 24, 24)
    cases = [make_case(head, priors(), seed, shape, SMALL, 0.3) for seed in range(40)]
    assert 4 <= sum(case.lesion is not None for case in cases) <= 20


def test_cached_pairs_of_another_probability_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(*_: object, lesion_probability: float) -> Case:
        image = np.full((2, 4, 8), round(100 * lesion_probability), np.uint8)
        return Case(Pair(image, image, image > 0), lesion=None)

    monkeypatch.setattr(adult_pairs, "make_case", fake)
    monkeypatch.setattr(adult_pairs, "read_head", lambda *_: None)
    monkeypatch.setattr(adult_pairs.MriPriors, "of", lambda *_: priors())
    for probability in (0.1, 0.5, 0.1):
        (pair,) = cached_pairs(tmp_path, ["seg_01"], 1, 0, tmp_path, probability)
        assert pair.mri.max() == round(100 * probability)
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_the_contact_sheet_shows_pairs_with_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: Head
) -> None:
    def small(*arguments: object, lesion_probability: float = 0.0) -> Case:
        return make_case(*arguments, (8, 32, 32), SMALL, lesion_probability)  # type: ignore[arg-type]

    monkeypatch.setattr(lesion_sheet, "make_case", small)
    monkeypatch.setattr(lesion_sheet, "read_head", lambda *_: head)
    monkeypatch.setattr(lesion_sheet.MriPriors, "of", lambda *_: priors())
    ((ill, healthy),) = lesion_sheet.pairs_with_and_without(tmp_path, [3])
    assert (ill.mri != healthy.mri).any()
    lesion_sheet.draw([(ill, healthy)] * 3, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_every_part_is_of_a_tissue_and_every_kind_is_drawn() -> None:
    drawn = {draw_site(WHITE, SCAN, np.random.default_rng(seed)).kind for seed in range(100)}
    assert drawn == set(KINDS)
    for kind in KINDS:
        for seed in range(8):
            assert {name for name, _ in lesion_of(kind, 12, seed).parts} <= set(LESION_TISSUES)
    assert not set(LESION_TISSUES) & set(TISSUES)
