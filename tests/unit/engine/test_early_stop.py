"""Trainings that end without a gain, in runs of mmengine with scores of our own."""

from __future__ import annotations

import logging
import os

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset
from toy_training import quick

from condinst.compat import data_order
from condinst.engine.early_stop import EarlyStopHook, set_early_stop
from condinst.engine.save_checkpoint import FinishedHook

KEY = "coco/segm_mAP"


@pytest.fixture(autouse=True)
def quick_runs(monkeypatch):
    """Leave out what takes most of the time, flushing files to the disk and seeding."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(data_order, "seed_all", lambda *seed: None)


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, mode):
        return {"loss": (self.weight**2).sum()} if mode == "loss" else [x]


class Data(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {"x": torch.ones(1)}


class Scores(BaseMetric):
    """The AP of each validation, by the number of finished epochs or iterations."""

    def __init__(self, scores, place):
        super().__init__(prefix="coco")
        self.scores, self.place = scores, place

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {"segm_mAP": self.scores[self.place()], "other": 1.0}


class Switch(Hook):
    """As mmdet's PipelineSwitchHook."""

    def __init__(self, switch_epoch):
        self.switch_epoch, self.weak = switch_epoch, []

    def before_train_epoch(self, runner):
        self.weak.append(runner.epoch >= self.switch_epoch)


class Told(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        if getattr(record, "terminal", False):
            self.lines.append(record.getMessage())


def train(folder, scores, *, patience=2, epochs=False, hooks=(), resume=False, interval=1, **more):
    """Validate after each iteration or epoch; return the runner, trained."""
    loop = dict(type="IterBasedTrainLoop", max_iters=len(scores), val_interval=1)
    if epochs:
        loop = dict(type="EpochBasedTrainLoop", max_epochs=len(scores), val_interval=1)
    loader = dict(dataset=Data(), batch_size=1, collate_fn=dict(type="default_collate"))
    sampler = dict(type="DefaultSampler" if epochs else "InfiniteSampler")
    saver = dict(type="CheckpointHook", by_epoch=epochs, interval=interval, save_best=KEY)
    runner = None
    metric = Scores(scores, lambda: (runner.epoch if epochs else runner.iter) - 1)
    with quick():
        runner = Runner(
            model=Model(),
            work_dir=str(folder),
            train_dataloader=loader | dict(sampler=sampler),
            val_dataloader=loader | dict(sampler=dict(type="DefaultSampler", shuffle=False)),
            val_evaluator=[metric],
            val_cfg=dict(),
            train_cfg=loop | more,
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
            default_hooks=dict(checkpoint=saver | dict(rule="greater")),
            custom_hooks=[FinishedHook(), EarlyStopHook(KEY, patience), *hooks],
            resume=resume,
            experiment_name=f"stop_{folder.name}_{resume}_{len(scores)}",
            log_level="WARNING",
        )
    told = Told()
    runner.logger.setLevel(logging.INFO)
    runner.logger.addHandler(told)
    runner.train()
    runner.told = told.lines
    return runner


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.2, 0.2, 0.19, 0.5], 4),
        ([0.1, 0.2, 0.19, 0.21, 0.2, 0.2, 0.5], 6),
        ([0.1, 0.1005, 0.1009, 0.5], 3),  # a gain below 0.001 is none
        ([0.1, 0.1006, 0.1012, 0.1018, 0.1024, 0.5], 6),  # small gains add up
        ([0.0, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0, 0.3], 7),  # nothing is learned at first
        ([-1.0, -1.0, -1.0, -1.0], 4),  # no object in the validation images
    ],
)
def test_where_it_stops(tmp_path, scores, expected):
    runner = train(tmp_path, scores)
    assert runner.iter == expected
    assert len(runner.told) == (expected < len(scores))


def test_the_line_and_the_files(tmp_path):
    runner = train(tmp_path, [0.1, 0.25, 0.2, 0.2, 0.5], interval=3)
    (line,) = runner.told
    assert "no better coco/segm_mAP in 2 validations" in line
    assert "the best was 0.250 after 2 iterations" in line
    assert (tmp_path / "best_coco_segm_mAP_iter_2.pth").is_file()
    assert (tmp_path / "iter_4.pth").is_file()  # what was trained last is kept


def test_epochs(tmp_path):
    runner = train(tmp_path, [0.1, 0.2, 0.2, 0.2, 0.5], epochs=True)
    assert runner.epoch == 4


@pytest.mark.parametrize("cut", [3, 4])
def test_a_resumed_run_stops_where_the_whole_one_does(tmp_path, cut):
    scores = [0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.5]
    whole = train(tmp_path / "whole", scores, patience=3)
    train(tmp_path / "cut", scores[:cut], patience=3)
    resumed = train(tmp_path / "cut", scores, patience=3, resume=True)
    assert resumed.iter == whole.iter == 6
    assert "the best was 0.300 after 3 iterations" in resumed.told[0]


def test_the_weak_augmentation_is_not_lost(tmp_path):
    """The first stop switches the pipeline, the second ends; a resumed run knows it too."""
    scores = [0.1, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3]
    switch = Switch(7)
    runner = train(
        tmp_path / "whole",
        scores,
        epochs=True,
        hooks=[switch],
        val_interval=1,
        dynamic_intervals=[(6, 1)],
    )
    assert runner.epoch == 7
    assert switch.weak == [False] * 4 + [True] * 3
    assert runner.told[0].startswith("switch")
    assert runner.told[1].startswith("stop")

    train(tmp_path / "cut", scores[:4], epochs=True, hooks=[Switch(7)])
    again = Switch(7)
    runner = train(tmp_path / "cut", scores, epochs=True, hooks=[again], resume=True)
    assert again.weak == [True] * 3
    assert runner.epoch == 7


def test_a_damaged_count(tmp_path):
    train(tmp_path, [0.1, 0.2])
    path = tmp_path / "iter_2.pth"
    content = torch.load(path, weights_only=False)
    content["message_hub"]["runtime_info"]["early_stop"]["waited"] = "x"
    torch.save(content, path)
    with pytest.raises(
        ValueError, match="the checkpoint: its count for --early-stop: waited is 'x'"
    ):
        train(tmp_path, [0.1, 0.2, 0.3], resume=True)


def test_a_metric_that_is_not_there(tmp_path):
    hook = EarlyStopHook("coco/bbox_mAP")
    with pytest.raises(ValueError, match="has no coco/bbox_mAP; it has coco/segm_mAP, coco/other"):
        train(tmp_path, [0.1, 0.2], hooks=[hook])


def config(**changes):
    saver = dict(type="CheckpointHook", save_best=None)
    evaluator = dict(type="CocoMetric", metric=["bbox", "segm"])
    keys = dict(val_cfg=dict(), val_dataloader=dict(), val_evaluator=evaluator)
    return Config(keys | dict(default_hooks=dict(checkpoint=saver)) | changes)


def saving(best, **more):
    return dict(default_hooks=dict(checkpoint=dict(type="CheckpointHook", save_best=best, **more)))


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({}, "coco/segm_mAP"),
        (saving("auto"), "coco/segm_mAP"),
        (dict(val_evaluator=[dict(type="CocoMetric", metric="bbox")]), "coco/bbox_mAP"),
        (saving("coco/bbox_mAP_50"), "coco/bbox_mAP_50"),
        (saving(["coco/bbox_mAP", "coco/segm_mAP"], rule=["greater", "greater"]), "coco/bbox_mAP"),
    ],
)
def test_the_metric_is_that_of_the_best_checkpoint(changes, metric):
    cfg = config(**changes)
    set_early_stop(cfg, 3)
    (hook,) = cfg.custom_hooks
    assert (hook.type, hook.monitor, hook.patience) == ("condinst.EarlyStopHook", metric, 3)
    best = cfg.default_hooks.checkpoint.save_best
    assert metric in (best if isinstance(best, list) else [best])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(val_dataloader=None), "no val_dataloader"),
        (dict(default_hooks=dict(checkpoint=None)), "no default_hooks.checkpoint"),
        (dict(val_evaluator=dict(type="Other")), "save_best is missing"),
    ],
)
def test_a_config_that_cannot(changes, message):
    with pytest.raises(ValueError, match=message):
        set_early_stop(config(**changes), 3)
