"""Trainings for a given time, in runs of mmengine with a clock of our own."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset
from toy_training import quick

from condinst.compat import data_order
from condinst.engine import time_hook

LENGTH = 60  # iterations of the config
LR = 0.1


@pytest.fixture(autouse=True)
def quick_runs(monkeypatch):
    """Leave out what takes most of the time, flushing files to the disk and seeding."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(data_order, "seed_all", lambda *seed: None)


class Clock:
    """Time that passes by iterations."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class Model(BaseModel):
    def __init__(self, clock, seconds):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.clock, self.seconds, self.trained = clock, seconds, 0
        self.warmup_iters = 20

    def forward(self, x, mode):
        if mode != "loss":
            assert not self.training
            self.clock.now += 0.5
            return [x]
        assert self.training
        self.trained += 1
        self.clock.now += self.seconds(self.trained)
        return {"loss": (self.weight**2).sum()}


class Data(Dataset):
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {"x": torch.ones(1)}


class Metric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {"mAP": 0.5}


class Record(Hook):
    """Notes the learning rate of each iteration, and where validations and checkpoints come."""

    priority = "HIGHEST"

    def __init__(self):
        self.rates, self.validations, self.stopped_after = [], [], None
        self.switch_epoch, self.epochs = 8, []  # as PipelineSwitchHook has it

    def before_train_iter(self, runner, *args, **kwargs):
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])

    def before_train_epoch(self, runner):
        self.epochs.append(runner.epoch >= self.switch_epoch)

    def before_val(self, runner):
        self.validations.append(runner.iter)


class Stop(Exception):
    pass


class StopAfter(Hook):
    priority = "LOWEST"

    def __init__(self, iterations, save=False):
        self.iterations, self.save = iterations, save

    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter + 1 == self.iterations:
            if self.save:
                meta = dict(epoch=0, iter=self.iterations)
                runner.save_checkpoint(
                    runner.work_dir, f"iter_{self.iterations}.pth", meta=meta, by_epoch=False
                )
            raise Stop


class Told(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        if getattr(record, "terminal", False):
            self.lines.append(record.getMessage())


def schedule(epochs):
    warmup = dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=5)
    cosine = dict(type="CosineAnnealingLR", eta_min=0.0)
    if epochs:
        return [warmup, cosine | dict(by_epoch=True, begin=0, end=10, T_max=10)]
    return [warmup, cosine | dict(by_epoch=False, begin=5, end=LENGTH)]


def train(
    folder: Path,
    monkeypatch,
    seconds=None,
    speed=lambda number: 1.0,
    *,
    epochs=False,
    hooks=(),
    resume=False,
    start=1000.0,
    accumulate=1,
):
    clock, record, told = Clock(), Record(), Told()
    clock.now = start
    monkeypatch.setattr(time_hook.time, "monotonic", clock.monotonic)
    by_iter = dict(type="IterBasedTrainLoop", max_iters=LENGTH, val_interval=15)
    by_epoch = dict(type="EpochBasedTrainLoop", max_epochs=10, val_interval=2)
    collate = dict(type="default_collate")
    sampler = dict(type="DefaultSampler" if epochs else "InfiniteSampler")
    saver = dict(type="CheckpointHook", by_epoch=epochs, interval=2 if epochs else 15)
    with quick():
        runner = Runner(
            model=Model(clock, speed),
            work_dir=str(folder),
            train_dataloader=dict(
                dataset=Data(12), batch_size=2, sampler=sampler, collate_fn=collate
            ),
            val_dataloader=dict(
                dataset=Data(10),
                batch_size=1,
                sampler=dict(type="DefaultSampler", shuffle=False),
                collate_fn=collate,
            ),
            val_evaluator=dict(type=Metric),
            val_cfg=dict(),
            train_cfg=by_epoch if epochs else by_iter,
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=LR), accumulative_counts=accumulate),
            param_scheduler=schedule(epochs),
            default_hooks=dict(checkpoint=saver),
            custom_hooks=[record, *time_hook.time_hooks(seconds, start), *hooks],
            resume=resume,
            experiment_name=f"time_{folder.name}_{seconds}_{resume}_{len(hooks)}",
            log_level="WARNING",
        )
    runner.logger.setLevel(logging.INFO)
    runner.logger.addHandler(told)
    record.told = told.lines
    with contextlib.suppress(Stop):
        runner.train()
    record.seconds = clock.now - start
    record.model, record.optim_wrapper = runner.model, runner.optim_wrapper
    record.files = sorted(int(p.stem.split("_")[1]) for p in folder.glob("*_*.pth"))
    return record


def test_without_a_time_nothing_changes(tmp_path, monkeypatch):
    run = train(tmp_path, monkeypatch)
    assert len(run.rates) == LENGTH
    assert run.validations == [15, 30, 45, 60]
    assert run.files == [15, 30, 45, 60]
    assert run.told == []


@pytest.mark.parametrize("seconds", [60, 150])
def test_the_schedule_runs_out_with_the_time(tmp_path, monkeypatch, seconds):
    """Shorter and longer than the config's; a validation takes 5 s."""
    run = train(tmp_path, monkeypatch, seconds)
    assert 0.98 * seconds - 5 < run.seconds <= 0.98 * seconds - 3
    assert len(run.validations) == (2 if seconds == 60 else 4)  # a quarter of the time that is left
    assert len(run.rates) == run.validations[-1]
    assert run.files == run.validations
    spread = [b - a for a, b in zip(run.validations, run.validations[1:], strict=False)]
    assert max(spread) - min(spread) <= 2
    plain = train(tmp_path / "plain", monkeypatch).rates
    assert run.rates[:5] == plain[:5]  # the warm-up
    assert max(run.rates) == pytest.approx(LR)
    # the last iteration is the cosine's last step, or its last ones together
    steps = math.ceil((LENGTH - 5) / (len(run.rates) - 5))
    assert run.rates[-1] <= 1.001 * LR * (1 - math.cos(math.pi * steps / (LENGTH - 5))) / 2
    half = run.rates[5:][len(run.rates[5:]) // 2]
    assert half == pytest.approx(LR / 2, rel=0.15)
    (line,) = run.told
    assert f"{len(run.rates)} iterations of 1 s" in line
    assert run.model.warmup_iters == max(1, min(20, round(20 * len(run.rates) / LENGTH)))


class Lines(Hook):
    """Keeps the line of each iteration, with the number of lines about the plan before it."""

    priority = "VERY_LOW"

    def __init__(self):
        self.found = []

    def after_train_iter(self, runner, batch_idx, *args, **kwargs):
        told = next(h for h in runner.logger.handlers if isinstance(h, Told))
        text = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")[1]
        self.found.append((len(told.lines), text))


def test_no_time_is_left_before_the_plan_is_told(tmp_path, monkeypatch):
    lines = Lines()
    train(tmp_path, monkeypatch, 300, hooks=[lines])
    assert {told for told, _ in lines.found} == {0, 1}
    for told, text in lines.found:
        assert "eta: " in text
        assert ("eta: unknown  time: " in text) == (told == 0)
    without = Lines()
    train(tmp_path / "plain", monkeypatch, hooks=[without])
    assert not any("unknown" in text for _, text in without.found)


def test_a_machine_that_becomes_slower(tmp_path, monkeypatch):
    run = train(tmp_path, monkeypatch, 100, lambda number: 1.0 if number < 40 else 4.0)
    assert 88 < run.seconds <= 96
    assert len(run.rates) < 60
    assert run.rates[-1] < 0.03 * LR
    assert ": now " in run.told[1]


def test_a_slow_first_iteration_does_not_count(tmp_path, monkeypatch):
    run = train(tmp_path, monkeypatch, 100, lambda number: 30.0 if number == 1 else 1.0)
    assert 93 < run.seconds <= 95
    assert len(run.told) == 1


def test_accumulated_gradients_are_used_at_the_end(tmp_path, monkeypatch):
    """With more iterations than the config has: its number tells mmengine when to end."""
    run = train(tmp_path, monkeypatch, 101, accumulate=4)
    assert len(run.rates) > LENGTH
    assert len(run.rates) % 4
    assert run.optim_wrapper.should_update()
    assert run.model.weight.grad is None  # no gradient is left over


def test_less_time_than_an_iteration(tmp_path, monkeypatch):
    run = train(tmp_path, monkeypatch, 0.5)
    assert len(run.rates) == 4  # three to measure, and the last
    assert run.files == [4]


def test_epochs(tmp_path, monkeypatch):
    """An epoch has 6 iterations; the time is over inside of one."""
    run = train(tmp_path, monkeypatch, 130, epochs=True)
    assert 122 < run.seconds <= 125
    assert len(run.rates) % 6 != 0
    assert run.rates[-1] < 0.05 * LR
    assert run.validations[-1] == len(run.rates)
    assert len(run.validations) == len(run.files) == 5
    assert all(place % 6 == 0 for place in run.validations[:-1])
    num_epochs = math.ceil(len(run.rates) / 6)
    assert len(run.epochs) == num_epochs
    assert run.epochs.index(True) == 8 * num_epochs // 10


@pytest.mark.parametrize(("epochs", "again"), [(False, 100), (True, None)])
def test_a_resumed_run_ends_as_planned(tmp_path, monkeypatch, epochs, again):
    whole = train(tmp_path / "whole", monkeypatch, 100, epochs=epochs)
    stop = StopAfter(whole.validations[1] + 7)
    first = train(tmp_path / "cut", monkeypatch, 100, hooks=[stop], epochs=epochs)
    assert first.validations == whole.validations[:2]
    saved = whole.validations[1]
    second = train(tmp_path / "cut", monkeypatch, again, resume=True, epochs=epochs, start=90_000.0)
    assert second.rates[:3] == pytest.approx(first.rates[saved : saved + 3], rel=0.1)
    assert saved + len(second.rates) == pytest.approx(len(whole.rates), abs=4)
    assert second.rates[-1] < 0.03 * LR
    assert len(second.validations) == len(whole.validations) - 2


def test_a_finished_run_is_not_trained_again(tmp_path, monkeypatch):
    train(tmp_path, monkeypatch, 60)
    again = train(tmp_path, monkeypatch, 600, resume=True)
    assert again.rates == []
    assert "nothing is left to train" in again.told[0]


def test_more_time_shortly_before_the_end(tmp_path, monkeypatch):
    """The old plan would end before there is a new one."""
    whole = train(tmp_path / "whole", monkeypatch, 60)
    end = len(whole.rates)
    folder = tmp_path / "cut"
    train(folder, monkeypatch, 60, hooks=[StopAfter(end - 1, save=True)])
    run = train(folder, monkeypatch, 90, resume=True, start=7000.0)
    assert len(run.rates) > 20
    assert 25 < run.seconds <= 90 - whole.seconds + 5


def test_a_run_without_a_time_goes_on_with_one(tmp_path, monkeypatch):
    train(tmp_path, monkeypatch, hooks=[StopAfter(31)])
    run = train(tmp_path, monkeypatch, 100, resume=True, start=5.0)
    assert 93 < run.seconds <= 95
    plain = train(tmp_path / "plain", monkeypatch).rates
    assert run.rates[0] == pytest.approx(plain[30])
    assert run.rates[-1] < 0.02 * LR
    assert len(run.validations) == 2
