"""A training of mmengine's Runner so small that an iteration takes a millisecond.

Its weights are a running sum over the iterations, so that they tell which were trained. Its hooks,
loops and checkpoints are those of every training.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from unittest.mock import patch

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from condinst.cli.train_folder import only_training
from condinst.engine.signals import StopHook, stop_on_signals

BULK = 200_000  # numbers beside the weights, so that writing takes its time


class Numbers(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        return {"x": torch.tensor([float(index)])}


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.register_buffer("bulk", torch.zeros(BULK))

    def forward(self, x, mode="tensor"):
        if mode == "loss":
            return {"loss": (self.weight * (1 + x / 64)).sum()}
        return x * self.weight


class Steps(BaseMetric):
    """A score that rises with every validation."""

    def process(self, data_batch, data_samples):
        self.results.append(float(data_samples[0]))

    def compute_metrics(self, results):
        score = Steps.score = Steps.score + 1
        return {"score": float(score), "other": float(score % 3)}

    score = 0


@HOOKS.register_module()
class Report(Hook):
    """Prints each iteration when it is trained and its checkpoint written."""

    priority = "LOWEST"

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        os.write(1, f"\ntrained {runner.iter + 1}\n".encode())


@contextlib.contextmanager
def quick():
    """Leave out what takes most of the time: asking gcc and git for their versions."""
    with (
        patch("mmengine.runner.runner.collect_env", dict),
        patch("mmengine.runner.runner.get_git_hash", str),
    ):
        yield


def build(
    work_dir: Path,
    *,
    iters=10_000,
    epochs=None,
    resume=False,
    load_from=None,
    hooks=(),
    workers=0,
    accumulate=1,
    launcher="none",
    **checkpoint,
):
    """A runner on the CPU; `epochs` for a training that counts in them."""
    settings = dict(type="CheckpointHook", by_epoch=bool(epochs), interval=1, max_keep_ckpts=1)
    loader = dict(batch_size=2, num_workers=workers, collate_fn=dict(type="default_collate"))
    by_iter = dict(type="IterBasedTrainLoop", max_iters=iters, val_interval=4)
    by_epoch = dict(type="EpochBasedTrainLoop", max_epochs=epochs)
    return Runner(
        model=Model(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Numbers(),
            sampler=dict(type="DefaultSampler" if epochs else "InfiniteSampler", shuffle=True),
            **loader,
        ),
        val_dataloader=dict(dataset=Numbers(), sampler=dict(type="DefaultSampler"), **loader)
        | dict(batch_size=32),
        val_evaluator=dict(type=Steps),
        val_cfg=dict(),
        train_cfg=by_epoch if epochs else by_iter,
        optim_wrapper=dict(
            optimizer=dict(type="SGD", lr=1e-3, momentum=0.9), accumulative_counts=accumulate
        ),
        param_scheduler=dict(type="PolyLR", eta_min=0, end=10_000, by_epoch=False),
        default_hooks=dict(checkpoint={**settings, **checkpoint}, logger=dict(type="LoggerHook")),
        custom_hooks=[StopHook(), Report(), *hooks],
        resume=resume,
        load_from=load_from,
        launcher=launcher,
        env_cfg=dict(dist_cfg=dict(backend="gloo")),
        randomness=dict(seed=0),
        experiment_name=f"toy_{time.time_ns()}",
        log_level="WARNING",
    )


def train(work_dir: Path, launcher="none", **settings) -> None:
    """As ``condinst train`` does it."""
    dist = dict(dist_cfg=dict(backend="gloo"))
    folder = Config(dict(work_dir=str(work_dir), launcher=launcher, env_cfg=dist))
    with quick(), stop_on_signals(), only_training(folder):
        build(work_dir, launcher=launcher, **settings).train()
