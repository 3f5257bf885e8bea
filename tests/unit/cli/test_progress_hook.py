"""Lines of progress between those of LoggerHook, in runs of mmengine with a clock of our own."""

import logging
import re

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from condinst.cli import progress_hook
from condinst.cli.terminal import progress_line


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
        self.clock, self.seconds = clock, seconds

    def forward(self, x, mode):
        self.clock.now += self.seconds
        return {"loss": (self.weight**2).sum()} if mode == "loss" else [x]


class Data(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return {"x": torch.ones(1)}


class Metric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {"mAP": 0.5}


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.told = []

    def emit(self, record):
        if getattr(record, "terminal", False):
            self.told.append(record.getMessage())


def make(work_dir, clock, seconds, interval):
    loader = {"batch_size": 1, "dataset": Data(), "sampler": {"type": "DefaultSampler"}}
    runner = Runner(
        model=Model(clock, seconds),
        work_dir=str(work_dir),
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 24, "val_interval": 24},
        val_cfg={},
        test_cfg={},
        val_evaluator=[Metric()],
        test_evaluator=[Metric()],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={"logger": {"type": "LoggerHook", "interval": interval}},
        log_processor={"by_epoch": False},
        default_scope="condinst",
        experiment_name=f"{work_dir}",
    )
    lines = Lines()
    runner.logger.addHandler(lines)
    runner.register_hook(progress_hook.ProgressHook())
    return runner, lines.told


def places(told, loop):
    found = [re.search(rf"\({loop}\)\s*\[\s*(\d+)/", line) for line in told]
    return [int(match[1]) for match in found if match]


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress_hook, "time", made)
    return made


def test_slow_iterations_get_a_line_after_ten_seconds_and_each_minute(tmp_path, clock):
    runner, told = make(tmp_path, clock, 9, interval=20)
    runner.train()
    # 18 s after the start; then 63 s later, 81; LoggerHook tells the 20th itself
    assert places(told, "train") == [2, 9, 16]
    assert places(told, "val") == [2, 9]  # 12 batches of 9 s
    assert all("left" in progress_line(line) for line in told)
    assert "loss" in progress_line(told[0])


def test_a_line_of_the_logger_counts(tmp_path, clock):
    runner, told = make(tmp_path, clock, 9, interval=5)
    runner.train()
    assert places(told, "train") == [2]
    assert places(told, "val") == [2]


def test_fast_iterations_get_none(tmp_path, clock):
    runner, told = make(tmp_path, clock, 0.3, interval=20)
    runner.train()
    assert told == []


def test_a_slow_test_gets_its_lines(tmp_path, clock):
    runner, told = make(tmp_path, clock, 12, interval=20)
    runner.test()
    assert places(told, "test") == [1, 6, 11]
