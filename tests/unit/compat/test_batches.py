"""Test how batches are passed over, and the seeds of samples."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from drawn_numbers import SAMPLES, Draw, Numbers
from torch.utils.data import DataLoader, RandomSampler, Subset

from condinst.compat.batches import Batch, Batches, BatchPlan


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
