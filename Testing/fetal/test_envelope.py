"""The outline of a brain's picture is smooth and convex, and fluid lies within it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.envelope import envelope, up_to_envelope
from USToMRILib.fetal.pipeline import Answer
from USToMRILib.fetal.tissues import Tissue

SHAPE = (128, 128)
ROWS, COLUMNS = np.indices(SHAPE)


def brain_of(long: float = 50.0, short: float = 38.0, angle: float = 0.0) -> np.ndarray:
    return Ellipse((63.4, 64.2), (long, short), angle).mask(SHAPE, (1.0, 1.0))


def answer_of(brain: np.ndarray, tissue: Tissue = Tissue.WHITE_MATTER) -> Answer:
    """White matter within a rim of fluid, four pixels wide; grey 0 and 0.6, sure of itself."""
    from scipy.ndimage import binary_erosion

    core = binary_erosion(brain, iterations=4)
    probability = np.zeros((len(Tissue) + 1, *SHAPE), np.float32)
    probability[0] = ~brain
    probability[tissue] = core
    probability[Tissue.EXTERNAL_CSF] += brain & ~core
    image = np.where(core, 0.0, np.where(brain, 0.6, -1.0)).astype(np.float32)
    return Answer(torch.from_numpy(image)[None, None], tissues=torch.from_numpy(probability)[None])


@pytest.mark.parametrize(
    ("long", "short", "angle"), [(50, 38, 0.0), (54, 32, 0.15), (40, 36, -0.2)]
)
def test_an_ellipse_is_its_own_envelope(long: float, short: float, angle: float) -> None:
    brain = brain_of(long, short, angle)
    around = envelope(brain)
    assert around.sum() / brain.sum() == pytest.approx(1, abs=0.01)
    assert 2 * ((around > 0.5) & brain).sum() / ((around > 0.5).sum() + brain.sum()) > 0.99


def test_a_notch_is_filled_and_nothing_is_added_elsewhere() -> None:
    whole = brain_of()
    notched = whole & ~((ROWS > 92) & (np.abs(COLUMNS - 64) < 8))
    around = envelope(notched) > 0.5
    assert (around & whole & ~notched).sum() > 0.6 * (whole & ~notched).sum()
    assert (around & ~whole).sum() < 0.01 * whole.sum()
    assert (whole & ~around & notched).sum() < 0.01 * whole.sum()


def test_the_envelope_is_convex() -> None:
    from skimage.morphology import convex_hull_image

    rng = np.random.default_rng(0)
    for _ in range(5):
        brain = brain_of()
        for _ in range(4):
            row, column = rng.integers(20, 108, 2)
            brain &= np.hypot(ROWS - row, COLUMNS - column) > rng.uniform(3, 12)
        around = envelope(brain) > 0.5
        assert convex_hull_image(around).sum() - around.sum() < 0.012 * around.sum()
        # What is cut off are corners, less than a pixel or two.
        assert (brain & ~around).sum() < 0.01 * brain.sum()


@pytest.mark.parametrize("axis", [0, 1])
def test_the_envelope_of_a_mirrored_brain_is_mirrored(axis: int) -> None:
    brain = brain_of(angle=0.2) & ~((ROWS > 88) & (COLUMNS > 70))
    np.testing.assert_allclose(
        np.flip(envelope(np.flip(brain, axis)), axis), envelope(brain), atol=1e-3
    )


def test_what_lies_up_to_the_envelope_is_fluid_of_its_own_tone() -> None:
    whole = brain_of()
    notch = whole & (ROWS > 92) & (np.abs(COLUMNS - 64) < 8)
    made = up_to_envelope(answer_of(whole & ~notch))
    labels, image = made.tissues[0].argmax(0).numpy(), made.images[0, 0].numpy()
    filled = notch & (ROWS < 99)
    assert (labels[filled] == Tissue.EXTERNAL_CSF).all()
    np.testing.assert_allclose(image[filled], 0.6, atol=0.02)
    np.testing.assert_allclose(made.tissues.sum(dim=1).numpy(), 1, atol=1e-5)


def test_the_tissues_within_stay_as_they_are() -> None:
    before = answer_of(brain_of(), Tissue.VENTRICLES)
    after = up_to_envelope(before)
    core = before.tissues[0, Tissue.VENTRICLES] == 1
    assert torch.equal(after.tissues[0][:, core], before.tissues[0][:, core])
    assert torch.equal(after.images[0, 0][core], before.images[0, 0][core])


def test_of_parts_that_lie_apart_only_the_largest_counts() -> None:
    brain = brain_of(30, 24)
    made = up_to_envelope(answer_of(brain | ((ROWS < 6) & (COLUMNS < 6))))
    assert (made.tissues[0].argmax(0).numpy()[:6, :6] == 0).all()


@pytest.mark.parametrize("brain", [np.zeros(SHAPE, bool), (ROWS == 64) & (COLUMNS == 64)])
def test_where_next_to_nothing_is_seen_nothing_is_invented(brain: np.ndarray) -> None:
    made = up_to_envelope(answer_of(brain))
    assert (made.tissues[0].argmax(0) > 0).sum() <= 9
    assert torch.isfinite(made.images).all()
