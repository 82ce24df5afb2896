"""Training of the fetal networks: short, resumed, exported."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.data.brain_slices import FRAME, BrainUltrasound
from training.export.bundle import trace
from training.networks.eps import EpsNet
from training.runinfo import append_record, run_record
from training.simulation.brain_pairs import Pairs
from training.train import head_seg as train_head_seg
from training.train.brain_eps import BrainEpsConfig, BrainEpsTrainer, us_batches
from training.train.checkpoint import load_checkpoint, save_checkpoint, step_generator
from training.train.eps import EpsConfig, EpsTrainer
from training.train.eps import train as train_eps
from training.train.head_appearance import without_head
from training.train.head_seg import HeadConfig, HeadTrainer
from training.train.head_views import Crop, HeadExamples, View
from training.train.moving_average import move_average
from training.train.pix2pix2d import SliceConfig, SliceTrainer
from training.train.runlog import LOG_FILE, read_log
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import CLOSE_WIDTHS, close_grid

CPU = torch.device("cpu")
EPS = EpsConfig("us", steps=6, batch=2, width=8, warmup=2)
HEADS = HeadConfig(batch=2)
BRAINS = BrainEpsConfig("us", batch=2, width=8, warmup=2)
SLICES = SliceConfig(batch=2, width=8, warmup=2)


def spots(count):
    """Smooth images [count, 128, 128] in [-1, 1]."""
    y, x = np.indices((128, 128))
    centres = np.random.default_rng(0).uniform(40, 88, (count, 2))
    return np.stack(
        [2 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 400) - 1 for a, b in centres]
    ).astype(np.float32)


def brain_batch(step, count, rng):
    """Spots and a size for each."""
    return torch.from_numpy(spots(5)[rng.integers(5, size=count)])[:, None], torch.full(
        (count,), 80.0
    )


class SpotPairs:
    """A pool of pairs in which the MRI is the negative of the ultrasound."""

    def draw(self, step, count, rng):
        us = spots(5)[rng.integers(5, size=count)].astype(np.float16)
        return Pairs(us, -us, (us > 0).astype(np.uint8), np.full(count, 80, np.float32))


def brain_trainer():
    return BrainEpsTrainer(BRAINS, 4, 1, brain_batch, {}, CPU)


def slice_trainer():
    pool = SpotPairs()
    held = pool.draw(0, 2, np.random.default_rng(0))
    return SliceTrainer(SLICES, 4, 1, pool, held, (held.us, held.size_mm), CPU)


HEAD = Ellipse((-0.02, 0.03), (0.3, 0.22), 0.4)


def head_examples(count):
    """Bright ellipses on black."""
    y, x = (np.indices((384, 384)) + 0.5) / 384 - 0.5
    pixels = np.where(HEAD.radius(x, y) <= 1, 1.7, 0.3).astype(np.float16)
    sizes = np.linspace(170, 340, count)
    others = np.stack([pixels.T] * 2)
    return HeadExamples(np.stack([pixels] * count), [HEAD] * count, sizes, others)


def weights(net):
    return torch.cat([p.flatten() for p in net.state_dict().values()]).double()


def test_the_moving_average_is_short_at_first_and_then_keeps_its_share():
    average, current = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    current.weight.data.fill_(3.0)
    current.running_mean.fill_(11.0)
    move_average(average, current, step=1, decay=0.9)
    assert float(average.weight) == pytest.approx(1 + 2 * (1 - 2 / 11))
    assert float(average.running_mean) == pytest.approx(11 * (1 - 2 / 11))
    before = float(average.weight)
    move_average(average, current, step=10_000, decay=0.9)
    assert float(average.weight) == pytest.approx(before + 0.1 * (3 - before))


@pytest.mark.parametrize(
    ("make", "nets"),
    [
        (lambda: EpsTrainer(EPS, spots(5), CPU), ("net", "ema")),
        (lambda: HeadTrainer(HEADS, 4, 2, head_examples(3), CPU), ("net", "ema")),
        (brain_trainer, ("net", "ema")),
        (slice_trainer, ("net", "ema")),
    ],
    ids=["eps", "head", "brain_eps", "pix2pix2d"],
)
def test_a_resumed_run_ends_with_the_weights_of_one_that_never_stopped(tmp_path, make, nets):
    through = make()
    for _ in range(4):
        through.train_step()
    stopped = make()
    for _ in range(2):
        stopped.train_step()
    save_checkpoint(tmp_path / "c.pt", stopped.state())
    resumed = make()
    resumed.load(load_checkpoint(tmp_path / "c.pt"))
    for _ in range(2):
        resumed.train_step()
    for name in nets:
        expected, found = weights(getattr(through, name)), weights(getattr(resumed, name))
        assert torch.equal(found, expected)
        assert not torch.equal(found, weights(getattr(stopped, name)))
    assert resumed.step == through.step == 4


def test_heads_move_beneath_masks_that_stay_where_frames_have_them():
    y, x = np.indices(FRAME.shape)
    mask = ((x - 63.5) / 56) ** 2 + ((y - 63.5) / 40) ** 2 <= 1
    speckle = np.random.default_rng(0).rayleigh(50, FRAME.shape).astype(np.float32)
    head = BrainUltrasound("head", speckle, mask, 80.0)
    draw = us_batches([head])
    images, sizes = draw(0, 6, np.random.default_rng(1))
    again, _ = draw(0, 6, np.random.default_rng(1))
    assert torch.equal(images, again)
    assert images.shape == (6, 1, *FRAME.shape)
    outside = torch.from_numpy(~mask)
    assert (images[..., outside] == -1).all()
    assert (images.abs() <= 1).all()
    inside = np.stack([head.pixels[mask], *(image[0].numpy()[mask] for image in images)])
    assert np.corrcoef(inside)[np.triu_indices(7, 1)].max() < 0.9
    assert 0.1 < (sizes - 80).abs().max() < 10


def test_a_run_may_become_longer_but_nothing_else_may_change():
    state = EpsTrainer(EPS, spots(2), CPU).state()
    EpsTrainer(replace(EPS, steps=9), spots(2), CPU).load(state)
    with pytest.raises(ValueError, match="other settings"):
        EpsTrainer(replace(EPS, batch=3), spots(2), CPU).load(state)


def test_eps_follows_from_the_velocity():
    schedule = Schedule.cosine()
    net = EpsNet(8, schedule)
    x0, eps = torch.rand(3, 1, 128, 128) * 2 - 1, torch.randn(3, 1, 128, 128)
    t = torch.tensor([0, 400, 999])
    ab = torch.from_numpy(schedule.alpha_bar[1:]).float()[t].view(-1, 1, 1, 1)
    net.velocity = lambda x, t, size: ab.sqrt() * eps - (1 - ab).sqrt() * x0  # the exact velocity
    noisy = ab.sqrt() * x0 + (1 - ab).sqrt() * eps
    torch.testing.assert_close(net(noisy, t), eps, rtol=0, atol=1e-5)
    assert net.loss(x0, t, eps) < 1e-9


def test_the_traced_network_runs_other_batches_with_gradients():
    net = EpsNet(8, Schedule.cosine()).eval()
    for parameter in net.parameters():  # MONAI starts some at zero: a trace of zeros shows nothing
        torch.nn.init.normal_(parameter, std=0.1)
    traced = trace(net, torch.randn(2, 1, 128, 128), torch.tensor([3, 900]))
    x, t = torch.randn(3, 1, 128, 128), torch.tensor([0, 500, 999])
    inputs = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
    outputs = traced(inputs[0], t), net(inputs[1], t)
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-4)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-3, atol=1e-3)
    # No tensor that the trace made itself may sit on the device it was traced on.
    assert "aten::arange" not in str(traced.inlined_graph)


def test_a_short_run_logs_samples_and_checkpoints(tmp_path):
    config = replace(EPS, steps=2)
    train_eps(EpsTrainer(config, spots(3), CPU), spots(2), tmp_path, log_every=1)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [1, 2]
    assert all(np.isfinite(entry["loss"]) for entry in entries)
    assert all(entry["validation_loss"] > 0 for entry in entries)
    assert (tmp_path / "samples_000002.png").exists()
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2


def test_the_head_command_takes_options_from_a_file_goes_on_and_logs(tmp_path, monkeypatch):
    monkeypatch.setattr(train_head_seg, "prepared_examples", lambda *_: head_examples(2))
    options = tmp_path / "options.txt"
    options.write_text(f"--data\n{tmp_path}\n--work\n{tmp_path}\n--steps\n2\n--batch\n1\n")
    monkeypatch.setattr(sys, "argv", ["command", f"@{options}"])
    train_head_seg.main()
    train_head_seg.main()  # nothing is left to do
    assert [entry["step"] for entry in read_log(tmp_path / LOG_FILE)] == [1, 2]
    assert all(0 <= entry["dice"] <= 1 for entry in read_log(tmp_path / LOG_FILE))
    assert list((tmp_path / "tensorboard").iterdir())
    records = json.loads((tmp_path / "run.json").read_text())
    assert [record["from_step"] for record in records] == [0, 2]


@pytest.mark.slow
def test_training_lowers_the_validation_loss():
    config = replace(EPS, steps=400, batch=4, width=16, warmup=20, learning_rate=2e-3, ema=0.95)
    trainer = EpsTrainer(config, spots(20), CPU)
    before = trainer.validation_loss(spots(8))
    for _ in range(400):
        trainer.train_step()
    assert trainer.validation_loss(spots(8)) < 0.6 * before


@given(st.integers(0, 2**31))
def test_a_view_moves_image_and_outline_together(seed):
    view = View.random(HEAD, Crop.none(), np.random.default_rng(seed))
    image, target = view.show(head_examples(1).pixels[0], HEAD)
    on_image = image > -0.75  # beyond it lies -1
    difference = (image - (1.4 * target - 0.7)).abs()[on_image]
    assert 0.02 < target.mean() < 0.9
    assert difference.mean() < 0.02
    # Only at the outline do interpolation and averaging differ.
    assert (difference > 0.05).float().mean() < 0.05


def test_the_close_view_of_training_is_the_librarys_second_look():
    square = 192.0
    ellipse = Ellipse((95.5 - 4, 95.5 + 6), (60.0, 44.0), 0.4)
    relative = Ellipse((-4 / square, 6 / square), (60 / square, 44 / square), 0.4)
    grid = close_grid(ellipse, CLOSE_WIDTHS[1])
    _, target = View.close(relative).show(np.ones((384, 384)), relative)
    found = Ellipse.from_mask(target[0].numpy() > 0.5, grid.GetSpacing())
    index = (np.array(found.centre) / grid.GetSpacing()).tolist()
    assert found.semi_axes == pytest.approx(ellipse.semi_axes, abs=0.2)
    assert found.angle == pytest.approx(0, abs=0.02)
    assert grid.TransformContinuousIndexToPhysicalPoint(index) == pytest.approx(
        ellipse.centre, abs=0.1
    )


def test_examples_keep_through_a_file(tmp_path):
    examples = head_examples(2)
    examples.save(tmp_path / "e.npz")
    again = HeadExamples.load(tmp_path / "e.npz")
    assert np.array_equal(again.pixels, examples.pixels)
    assert again.ellipses == examples.ellipses
    assert np.array_equal(again.circumferences_mm, examples.circumferences_mm)
    assert np.array_equal(again.others, examples.others)


def test_some_crops_leave_the_head_filling_the_image_and_some_cut_it():
    pixels, target = head_examples(1).pixels[0], np.zeros((384, 384), bool)
    y, x = (np.indices((384, 384)) + 0.5) / 384 - 0.5
    target = HEAD.radius(x, y) <= 1
    left, filled = [], []
    for seed in range(60):
        crop = Crop.random(HEAD, np.random.default_rng(seed))
        kept = crop.applied(pixels) > 0
        left.append((kept & target).sum() / target.sum())
        filled.append(target.sum() / kept.sum())
    assert min(left) > 0.6  # most of the head is there
    assert np.mean(np.array(left) < 0.99) > 0.1
    assert np.mean(np.array(filled) > 0.5) > 0.1
    assert np.mean(np.array(filled) < 0.25) > 0.4  # the image as it is


def test_heads_of_a_size_that_is_rare_are_shown_more_often_and_of_unknown_size_as_the_mean():
    chances = train_head_seg.chances_of(np.array([200.0] * 8 + [300.0, np.nan]))
    assert chances[8] > 2 * chances[0]
    assert float(chances[9]) == pytest.approx(float(chances[:9].mean()))


def test_a_training_of_heads_begins_with_the_weights_of_a_bundle(tmp_path):
    first, second = (HeadTrainer(HEADS, 4, 2, head_examples(2), CPU) for _ in range(2))
    first.train_step()
    exported = {f"net.{name}": values for name, values in first.net.state_dict().items()}
    second.start_from(exported)
    assert torch.equal(weights(second.net), weights(first.net))
    assert torch.equal(weights(second.ema), weights(first.net))


def test_where_there_is_nothing_to_begin_with_a_sentence_says_so(tmp_path, monkeypatch, capsys):
    options = ["--data", str(tmp_path), "--start-from", str(tmp_path / "nowhere")]
    monkeypatch.setattr(sys, "argv", ["command", *options])
    with pytest.raises(SystemExit):
        train_head_seg.main()
    assert "nowhere holds neither a bundle nor the checkpoint.pt" in capsys.readouterr().err


def test_images_without_head_hold_every_kind_in_range():
    image, target = View.whole().show(head_examples(1).pixels[0], HEAD)
    made = [without_head(image, target, step_generator(0, n)) for n in range(40)]
    assert all(m.shape == image.shape for m in made)
    assert min(m.min() for m in made) == -1
    assert max(m.max() for m in made) <= 1
    assert any(torch.equal(m.flatten().sort().values, image.flatten().sort().values) for m in made)
    assert any((m[target > 0] == -1).all() for m in made)


def test_a_checkpoint_is_never_half_written(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"step": 1})

    def fail(state, file):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}


def test_random_numbers_depend_on_seed_and_step_alone():
    draws = {float(torch.rand((), generator=step_generator(s, n))) for s in (0, 1) for n in (0, 1)}
    assert len(draws) == 4
    again = float(torch.rand((), generator=step_generator(1, 1)))
    assert again in draws


def test_the_record_of_a_run_holds_each_of_its_commands(tmp_path):
    record = run_record(seed=3)
    assert record["seed"] == 3
    assert set(record["versions"]) == {"python", "torch", "monai", "numpy", "SimpleITK"}
    append_record(tmp_path / "run.json", record, 0)
    append_record(tmp_path / "run.json", record, 40)
    append_record(tmp_path / "run.json", record, 40)  # the one before was cut off
    records = json.loads((tmp_path / "run.json").read_text())
    assert [r["from_step"] for r in records] == [0, 40]
