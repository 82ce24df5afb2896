"""Training of the network from pairs: it learns, goes on as if never stopped, and has a critic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from Testing.training.made_brain import a_brain
from training.simulation import brain_pairs
from training.simulation.brain_pairs import PairPool, Pairs, draw_pairs
from training.train.critic import Critic
from training.train.pix2pix2d import Heads, SliceConfig, SliceTrainer

STEPS = 12
CONFIG = SliceConfig(batch=2, width=8, warmup=2, adversarial_from=6, unpaired=1)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return draw_pairs([a_brain(80.0), a_brain(100.0)], 4, np.random.default_rng(0))


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PairPool:
    monkeypatch.setattr(brain_pairs, "SHARD", 4)
    monkeypatch.setattr(brain_pairs, "MOST_SHARDS", 1)
    return PairPool([a_brain(80.0), a_brain(100.0)], tmp_path, seed=0)


def a_trainer(pool: PairPool, pairs: Pairs) -> SliceTrainer:
    heads = Heads(pairs.us.astype(np.float32), pairs.size_mm)
    return SliceTrainer(CONFIG, STEPS, 3, pool, pairs, heads, heads, torch.device("cpu"))


def test_it_learns_and_goes_on_as_if_it_had_never_stopped(pool: PairPool, pairs: Pairs) -> None:
    whole = a_trainer(pool, pairs)
    losses = [whole.train_step() for _ in range(STEPS)]
    assert losses[-1]["tissues"] < 0.9 * losses[0]["tissues"]
    assert ["critic" in step for step in losses] == [n >= 6 for n in range(STEPS)]

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


def test_a_critic_learns_what_drawn_slices_lack_and_is_not_taught_by_who_draws() -> None:
    torch.manual_seed(0)
    critic = Critic(8, 2e-3, torch.device("cpu"))
    smooth = torch.nn.functional.interpolate(torch.randn(4, 1, 8, 8), (64, 64), mode="bilinear")
    sharp = smooth + 0.3 * torch.randn(4, 1, 64, 64)
    first = critic.train_step(smooth, sharp)
    for _ in range(30):
        last = critic.train_step(smooth, sharp)
    assert last < first / 2
    assert critic.doubt(smooth) > 2 * critic.doubt(sharp)

    drawn = smooth.clone().requires_grad_()
    before = [weights.clone() for weights in critic.net.parameters()]
    critic.doubt(drawn).backward()
    assert drawn.grad is not None
    assert drawn.grad.abs().sum() > 0
    assert all(p.grad is None or not p.requires_grad for p in critic.net.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, critic.net.parameters(), strict=True))
