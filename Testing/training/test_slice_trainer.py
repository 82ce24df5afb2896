"""Training of the network from pairs: it learns, and goes on as if never stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from Testing.training.made_brain import a_brain
from training.simulation import brain_pairs
from training.simulation.brain_pairs import PairPool, Pairs, draw_pairs
from training.train.pix2pix2d import SliceConfig, SliceTrainer

STEPS = 12
CONFIG = SliceConfig(batch=2, width=8, warmup=2)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return draw_pairs([a_brain(80.0), a_brain(100.0)], 4, np.random.default_rng(0))


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PairPool:
    monkeypatch.setattr(brain_pairs, "SHARD", 4)
    monkeypatch.setattr(brain_pairs, "MOST_SHARDS", 1)
    return PairPool([a_brain(80.0), a_brain(100.0)], tmp_path, seed=0)


def a_trainer(pool: PairPool, pairs: Pairs) -> SliceTrainer:
    heads = pairs.us.astype(np.float32), pairs.size_mm
    return SliceTrainer(CONFIG, STEPS, 3, pool, pairs, heads, torch.device("cpu"))


def test_it_learns_and_goes_on_as_if_it_had_never_stopped(pool: PairPool, pairs: Pairs) -> None:
    whole = a_trainer(pool, pairs)
    losses = [whole.train_step() for _ in range(STEPS)]
    assert losses[-1]["tissues"] < 0.9 * losses[0]["tissues"]

    first = a_trainer(pool, pairs)
    for _ in range(8):
        first.train_step()
    second = a_trainer(pool, pairs)
    second.load(first.state())
    for _ in range(STEPS - 8):
        second.train_step()
    for name, weights in whole.ema.state_dict().items():
        assert torch.equal(weights, second.ema.state_dict()[name]), name
    assert set(whole.validate()) > {"validation_correlation", "validation_dice_8"}


def test_a_checkpoint_of_other_settings_is_refused(pool: PairPool, pairs: Pairs) -> None:
    trainer = a_trainer(pool, pairs)
    state = trainer.state()
    state["config"]["width"] = 32
    with pytest.raises(ValueError, match="other settings"):
        trainer.load(state)
