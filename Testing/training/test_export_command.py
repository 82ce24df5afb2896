"""What the commands that make bundles begin with."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from training.export.command import begin, export_parser
from training.train.loop import CHECKPOINT

COMMANDS = ("brain_eps", "cyclegan", "eps", "head_seg", "pix2pix2d", "pix2pix3d")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_takes(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"training.export.{command}").main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for flag in ("--data", "--work", "--models", "--threads"):
        assert flag in shown


def test_the_run_is_named_after_the_domain_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for step, work in enumerate(("runs/eps_us", "other")):
        Path(work).mkdir(parents=True)
        torch.save({"step": step}, Path(work) / CHECKPOINT)
    for words, step in (([], 0), (["--work", "other"], 1)):
        monkeypatch.setattr(sys, "argv", ["export", "--data", ".", "--domain", "us", *words])
        parser = export_parser("For a test.", "runs/eps_{domain}")
        parser.add_argument("--domain")
        options, state = begin(parser)
        assert state["step"] == step
        assert (options.work / CHECKPOINT).exists()
        assert options.note == ""


def test_a_run_that_is_not_there_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "nowhere"
    monkeypatch.setattr(sys, "argv", ["export", "--data", ".", "--work", str(work)])
    with pytest.raises(SystemExit) as ended:
        begin(export_parser("For a test.", "runs/x"))
    assert ended.value.code == 2
    assert f"{work / CHECKPOINT} does not exist" in capsys.readouterr().err
