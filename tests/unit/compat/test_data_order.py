"""A resumed training goes on bit for bit, whatever loads its data.

The trainings here are of mmengine's Runner with a model of one layer, which draws random numbers
as ours does for its cap on masks. The samples draw from Python's, NumPy's and torch's generators.
"""

from __future__ import annotations

import copy
import random

import drawn_numbers  # noqa: F401  registers the dataset
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Model(BaseModel):
    """One layer; a part of the batch is chosen at random, as the cap on masks does."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, inputs, mode):
        batch = torch.stack(inputs)
        chosen = batch[torch.randperm(len(batch))[:2]]
        noise = random.random() + np.random.random()
        return dict(loss=((self.layer(chosen / 20) - noise) ** 2).mean())


class Record(Hook):
    """What was trained on, and where; a checkpoint after some of the iterations."""

    priority = "VERY_LOW"

    def __init__(self, *saved):
        self.saved, self.batches, self.places = saved, [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batches.append((runner.iter, torch.stack(data_batch["inputs"])))
        self.places.append(batch_idx)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 in self.saved:
            name = f"iter_{runner.iter + 1}.pth"
            runner.save_checkpoint(runner.work_dir, name, by_epoch=False)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No look at the machine by every training: it calls compilers."""
    monkeypatch.setattr(Runner, "_log_env", lambda *args: None)


def train(folder, *, resume=None, workers=0, persistent=False, seed=3, **changes):
    """Train; the batches, their places in the epoch and the weights."""
    cfg = Config(
        dict(
            train_dataloader=dict(
                batch_size=4,
                num_workers=workers,
                persistent_workers=persistent,
                sampler=dict(type="InfiniteSampler"),
                dataset=dict(type="Numbers", pipeline=[dict(type="Draw")]),
            ),
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=16),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9)),
            default_hooks=dict(checkpoint=None, logger=None),
            randomness=dict(seed=seed),
        )
    )
    cfg.merge_from_dict(copy.deepcopy(changes))
    record = Record(5, 7, 8, 12) if resume is None else Record()
    torch.manual_seed(0)  # the first weights
    runner = Runner(
        Model(),
        str(folder),
        default_scope="condinst",
        custom_hooks=[record],
        resume=resume is not None,
        load_from=resume,
        log_level="ERROR",
        cfg=cfg,
        **cfg,
    )
    runner.train()
    return record.batches, record.places, runner.model.state_dict()


def assert_goes_on(whole, resumed, iteration):
    """The resumed training is the uninterrupted one's end, to the last bit."""
    assert [number for number, _ in resumed[0]] == [number for number, _ in whole[0][iteration:]]
    for (_, expected), (_, actual) in zip(whole[0][iteration:], resumed[0], strict=True):
        assert torch.equal(actual, expected)
    assert resumed[1] == whole[1][iteration:]
    for name, expected in whole[2].items():
        assert torch.equal(resumed[2][name], expected), name


EPOCHS = {"train_cfg": dict(_delete_=True, type="EpochBasedTrainLoop", max_epochs=3)}
DEFAULT = {"train_dataloader.sampler.type": "DefaultSampler"}
ASPECT = {"train_dataloader.batch_sampler": dict(type="AspectRatioBatchSampler")}
TWO = dict(
    type="ConcatDataset",
    datasets=[dict(type="Numbers", size=n, pipeline=[dict(type="Draw")]) for n in (9, 13)],
)
KINDS = {
    "infinite": {},
    "aspect": ASPECT,
    "finite": DEFAULT,
    "finite aspect": DEFAULT | ASPECT,
    "class aware": {"train_dataloader.sampler.type": "ClassAwareSampler"},
    "two sources": {
        "train_dataloader.dataset": dict(_delete_=True, **TWO),
        "train_dataloader.sampler": dict(
            _delete_=True, type="GroupMultiSourceSampler", batch_size=4, source_ratio=[1, 3]
        ),
    },
    "repeated": {
        "train_dataloader.dataset": dict(
            _delete_=True,
            type="RepeatDataset",
            times=3,
            dataset=dict(type="Numbers", pipeline=[dict(type="Draw")]),
        )
    },
    "epochs": DEFAULT | EPOCHS,
    "epochs aspect": DEFAULT | ASPECT | EPOCHS,
}


# workers are given indices, whatever chose them: all kinds have workers in the long tier
WITH_WORKERS = ("infinite", "finite aspect", "epochs aspect")


@pytest.mark.parametrize(
    ("kind", "workers"),
    [
        *((kind, 2 if kind in WITH_WORKERS else 0) for kind in KINDS),
        *(pytest.param(k, 2, marks=pytest.mark.long) for k in KINDS if k not in WITH_WORKERS),
    ],
)
def test_goes_on_exactly(tmp_path, kind, workers):
    """Begun without workers; gone on in the middle, with workers or without, and at an end."""
    whole = train(tmp_path / "whole", **KINDS[kind])
    assert len(whole[0]) in (16, 18)
    for iteration, num in ((7, workers), (12, 0)):
        checkpoint = str(tmp_path / "whole" / f"iter_{iteration}.pth")
        resumed = train(tmp_path / "on", resume=checkpoint, workers=num, **KINDS[kind])
        assert_goes_on(whole, resumed, iteration)


@pytest.mark.parametrize(
    ("kind", "persistent"),
    [
        ("finite", False),
        ("epochs", True),
        pytest.param("finite", True, marks=pytest.mark.long),
        pytest.param("epochs", False, marks=pytest.mark.long),
    ],
)
def test_workers_do_not_matter(tmp_path, kind, persistent):
    """Three workers throughout, which live on from epoch to epoch or not."""
    options = KINDS[kind] | dict(workers=3, persistent=persistent)
    whole = train(tmp_path, **options)
    assert_goes_on(train(tmp_path / "alone", **KINDS[kind]), whole, 0)
    checkpoint = str(tmp_path / "iter_8.pth")
    assert_goes_on(whole, train(tmp_path / "on", resume=checkpoint, **options), 8)


def test_the_seed_of_the_checkpoint_is_the_samplers(tmp_path):
    """As mmdet's own tools resume: without a seed, which mmengine reads after building the data."""
    whole = train(tmp_path, seed=None)
    on = train(tmp_path / "on", seed=None, resume=str(tmp_path / "iter_5.pth"))
    assert_goes_on(whole, on, 5)


def test_other_seeds_give_other_numbers(tmp_path):
    """Of samples and of iterations, too: none is drawn twice."""
    runs = [train(tmp_path / str(seed), seed=seed)[0] for seed in (1, 2)]
    drawn = torch.cat([batch[:, 1:].flatten() for run in runs for _, batch in run])
    assert len(drawn.unique()) == len(drawn) == 2 * 16 * 4 * 3


def test_an_epoch_of_another_length_begins_anew(tmp_path, caplog):
    train(tmp_path, **KINDS["epochs"])
    longer = KINDS["epochs"] | {"train_dataloader.batch_size": 2}
    on = train(tmp_path / "on", resume=str(tmp_path / "iter_8.pth"), **longer)
    assert on[1][:11] == [*range(11)]  # the second epoch, whole
