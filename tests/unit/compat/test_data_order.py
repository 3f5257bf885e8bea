"""A resumed training goes on bit for bit, whatever loads its data, and loads nothing it has seen.

The trainings here are of mmengine's Runner with a model of one layer, which draws random numbers
as ours does for its cap on masks. The samples draw from Python's, NumPy's and torch's generators.
"""

from __future__ import annotations

import copy
import random
import time

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader, RandomSampler, Subset

from condinst.compat.batches import Batch, Batches, BatchPlan
from condinst.registry import DATASETS, TRANSFORMS

SAMPLES = 22


@TRANSFORMS.register_module()
class Draw:
    """Numbers from the three generators."""

    def __call__(self, results):
        drawn = [random.random(), np.random.random(), torch.rand(()).item()]
        if drawn[0] < 0.1:
            return None  # the dataset takes another sample, drawn at random
        return dict(inputs=torch.tensor([results["sample_idx"], *drawn]))


@DATASETS.register_module()
class Numbers(BaseDataset):
    """Samples that are read from nowhere."""

    METAINFO = dict(classes=("a", "b", "c"))

    def __init__(self, size=SAMPLES, **kwargs):
        self.size = size
        super().__init__(**kwargs)

    def load_data_list(self):
        return [
            dict(width=4 + i % 3, height=5, labels=[i % 3], filler=[0.5] * 8)
            for i in range(self.size)
        ]

    def get_cat_ids(self, idx):
        return self.get_data_info(idx)["labels"]


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


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_exactly(tmp_path, kind):
    """Begun without workers; gone on with without, and with two, in the middle and at an end."""
    whole = train(tmp_path / "whole", **KINDS[kind])
    assert len(whole[0]) in (16, 18)
    for iteration, workers in ((7, 2), (12, 0)):
        checkpoint = str(tmp_path / "whole" / f"iter_{iteration}.pth")
        resumed = train(tmp_path / "on", resume=checkpoint, workers=workers, **KINDS[kind])
        assert_goes_on(whole, resumed, iteration)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("kind", ["finite", "epochs"])
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


class Unread(Numbers):
    """Samples that must not be read but for the first of them to be trained on."""

    def prepare_data(self, idx):
        raise AssertionError("read")


def test_nothing_is_read_on_the_way(tmp_path):
    """Not a single image of what was trained before, though mmengine loads them all."""
    dataset = Unread(size=1000)
    loader = DataLoader(dataset, batch_size=4, sampler=RandomSampler(dataset))
    from mmengine.runner import loops

    iterator = loops._InfiniteDataloaderIterator(loader)
    iterator.begin(BatchPlan(seed=1, iteration=5000, skip=5000, endless=True))
    for _ in range(5000):
        next(iterator)
    with pytest.raises(AssertionError, match="read"):
        next(iterator)


def test_sizes_are_read_once_while_advancing():
    """By mmdet's sampler of batches, which unpacks the whole record of each sample for them."""
    from mmdet.datasets.samplers import AspectRatioBatchSampler
    from mmengine.dataset import InfiniteSampler

    expected = _order(AspectRatioBatchSampler(InfiniteSampler(Numbers(size=50), seed=1), 4))
    dataset = Numbers(size=50)
    read = []
    original = dataset.get_data_info
    type(dataset).get_data_info, saved = (
        lambda self, index: read.append(index) or original(index),
        type(dataset).get_data_info,
    )
    try:
        batches = Batches(AspectRatioBatchSampler(InfiniteSampler(dataset, seed=1), 4))
        batches.begin(BatchPlan(seed=1, iteration=100, skip=100, endless=True))
        first = next(iter(batches))
    finally:
        type(dataset).get_data_info = saved
    assert len(read) < 60  # 50 samples, and those of the batch that is handed out
    assert first.indices == expected[100]
    assert "get_data_info" not in vars(dataset)


def _order(sampler):
    batches = iter(sampler)
    return [next(batches) for _ in range(101)]


def test_datasets_that_fetch_whole_batches_draw_from_the_same_seeds():
    """torch's own Subset takes the indices of a batch at once."""
    dataset = Numbers(pipeline=[Draw()])
    batch = Batch([3, 1, 4], key=(1, 2))
    one_by_one = [dataset[index]["inputs"] for index in batch]
    at_once = Subset(dataset, range(SAMPLES)).__getitems__(batch)
    assert all(torch.equal(a, b["inputs"]) for a, b in zip(one_by_one, at_once, strict=True))


@pytest.mark.slow
def test_eighty_thousand_iterations_of_coco_are_passed_in_seconds():
    """118,000 records with polygons, batches of 16 by aspect ratio: the bar is 20 s for a start."""
    from mmdet.datasets.samplers import AspectRatioBatchSampler
    from mmengine.dataset import InfiniteSampler

    dataset = _Coco(size=118_000)
    batches = Batches(AspectRatioBatchSampler(InfiniteSampler(dataset, seed=1), 16))
    batches.begin(BatchPlan(seed=1, iteration=80_000, skip=80_000, endless=True))
    start = time.process_time()
    first = next(iter(batches))
    assert time.process_time() - start < 20
    assert len(first) == 16


class _Coco(Numbers):
    """Records of COCO's size: 7 objects of 50 numbers each."""

    def load_data_list(self):
        rng = np.random.default_rng(0)
        for i in range(self.size):
            shape = (640, 480) if i % 4 else (480, 640)
            polygons = rng.random((7, 50)).round(2).tolist()
            instances = [dict(bbox=p[:4], bbox_label=1, ignore_flag=0, mask=[p]) for p in polygons]
            yield dict(
                img_path=f"{i:012}.jpg",
                img_id=i,
                width=shape[0],
                height=shape[1],
                instances=instances,
            )

    def full_init(self):
        if not self._fully_initialized:
            self.data_list = list(self.load_data_list())
            self.data_bytes, self.data_address = self._serialize_data()
            self._fully_initialized = True
