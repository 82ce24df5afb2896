"""The loop of every training, driven by a trainer that only counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from training.train.checkpoint import load_checkpoint
from training.train.command import go_on
from training.train.loop import rate, run
from training.train.runlog import LOG_FILE, read_log
from training.train.trainer import Trainer


@dataclass(frozen=True)
class Config:
    """Of a run that may be made longer."""

    steps: int = 7
    width: int = 3
    seed: int = 0


class Counter(Trainer):
    """Its loss is the number of the step, which one of its parts knows too."""

    changeable = ("steps",)

    def __init__(self, config: Config = Config()) -> None:
        self.config = config
        self.net, self.others = torch.nn.Linear(1, 1, bias=False), {"it": torch.nn.PReLU()}

    def train_step(self) -> dict[str, float]:
        self.step += 1
        torch.nn.init.constant_(self.net.weight, self.step)
        torch.nn.init.constant_(self.others["it"].weight, self.step)
        return {"loss": float(self.step)}

    def parts(self) -> dict[str, Any]:
        return {"net": self.net, "others": [self.others]}


def test_losses_are_logged_as_means_and_checks_come_when_due(tmp_path: Path) -> None:
    counter, seen = Counter(), []

    def check() -> dict[str, float]:
        seen.append(counter.step)
        return {"good": 1.0}

    run(counter, 10, tmp_path, check, log_every=4, check_every=5)
    assert seen == [5, 10]
    log = {entry["step"]: entry for entry in read_log(tmp_path / LOG_FILE)}
    assert log[4]["loss"] == pytest.approx(2.5)
    assert log[8]["loss"] == pytest.approx(6.5)
    assert log[10]["loss"] == pytest.approx(9.5)
    assert {step for step, entry in log.items() if "good" in entry} == {5, 10}


def test_a_run_goes_on_from_its_checkpoint_and_notes_each_command(tmp_path: Path) -> None:
    run(Counter(), 7, tmp_path, dict, save_every=3, level_until=5, check_every=100)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 7
    assert load_checkpoint(tmp_path / "level.pt")["step"] == 3
    again = Counter(Config(steps=9))
    go_on(again, tmp_path, record={"remark": "longer"})
    assert (again.step, float(again.net.weight), float(again.others["it"].weight)) == (7, 7, 7)
    (record,) = json.loads((tmp_path / "run.json").read_text())
    assert (record["from_step"], record["remark"], record["seed"]) == (7, "longer", 0)
    run(again, 9, tmp_path, dict)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 9


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    run(Counter(), 7, tmp_path, dict)
    with pytest.raises(ValueError, match="other settings; use another --work folder"):
        go_on(Counter(Config(width=4)), tmp_path)


def test_the_rate_goes_up_stays_and_goes_down() -> None:
    rates = [rate(step, 1000, 100, 200) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[100:800] == [1.0] * 700
    assert all(a >= b for a, b in zip(rates[800:], rates[801:]))
    assert rates[-1] < 0.05
    assert min(rates) >= 0.01
