"""Benchmark of the COCO configs' training pipeline: images per second of one worker.

Our pipeline also computes the mask targets, which mmdet computes in the training step.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from benchmarks.measure import Comparison, compare
from condinst.targets.target_types import SampledMasks

__all__ = ["CONFIG", "load_image", "run", "training_set"]

CONFIG = Path(__file__).parents[1] / "configs/_base_/datasets/coco_instance.py"
_TARGETS = "PrepareMaskTargets"


def run(context: Any) -> list[Comparison]:
    """Measure both pipelines in this process, by stage and as a whole, and in one data worker.

    ``context`` has root, rounds and num_images; only the CPU is used.
    """
    theirs, ours = training_set(context.root, "mmdet"), training_set(context.root, "condinst")
    count = min(context.num_images, len(ours))
    _check_equal(theirs, ours, min(count, 8))
    return [
        *compare_stages(theirs, ours, count, context.rounds),
        compare_workers(theirs, ours, count, context.rounds),
    ]


def training_set(root: Path, scope: str) -> CocoDataset:
    """Build the COCO config's training set with the transforms of ``condinst`` or ``mmdet``."""
    node = Config.fromfile(CONFIG).train_dataloader.dataset
    pipeline = node.pipeline
    if scope == "mmdet":
        pipeline = [step for step in pipeline if step.type != _TARGETS]
    with DefaultScope.overwrite_default_scope(scope):
        return CocoDataset(
            data_root=str(root),
            ann_file=node.ann_file,
            data_prefix=node.data_prefix,
            filter_cfg=node.filter_cfg,
            pipeline=pipeline,
        )


def load_image(
    dataset: CocoDataset, index: int, seconds: dict[str, float] | None = None
) -> dict[str, Any]:
    """Run one image through the pipeline, with the same scale and flip at every call.

    The processor time of every stage is added to ``seconds``. Processor time depends less than wall
    time on other programs of the machine.
    """
    seconds = defaultdict(float) if seconds is None else seconds
    np.random.seed(index)
    start = time.process_time()
    item = dataset.get_data_info(index)
    for name, step in [("read the annotation", None), *_stages(dataset)]:
        item = item if step is None else step(item)
        now = time.process_time()
        seconds[name] += now - start
        start = now
    return item


def _stages(dataset: CocoDataset) -> list[tuple[str, Any]]:
    return [(type(step).__name__, step) for step in dataset.pipeline.transforms]


def _check_equal(theirs: CocoDataset, ours: CocoDataset, count: int) -> None:
    """Assert that images, boxes and labels are equal, and that ours has mask targets."""
    for index in range(count):
        items = load_image(theirs, index), load_image(ours, index)
        assert torch.equal(items[0]["inputs"], items[1]["inputs"])
        a, b = (item["data_samples"].gt_instances for item in items)
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.bboxes.tensor, b.bboxes.tensor)
        assert isinstance(b.masks, SampledMasks)


def compare_stages(
    theirs: CocoDataset, ours: CocoDataset, count: int, rounds: int
) -> list[Comparison]:
    """Compare processor seconds per image: the whole first, then every stage that both have."""
    stages: list[dict[str, list[float]]] = [defaultdict(list), defaultdict(list)]
    for i in range(-1, rounds):
        seconds: list[dict[str, float]] = [defaultdict(float), defaultdict(float)]
        for index in range(count):
            # alternate image by image, so that other load of the machine affects both equally
            for which in (0, 1) if (i + index) % 2 else (1, 0):
                load_image((theirs, ours)[which], index, seconds[which])
        for spent, stage in zip(seconds, stages, strict=True):
            for name in spent if i >= 0 else ():
                stage[name].append(spent[name] / count)
    totals = [[sum(spent) for spent in zip(*stage.values(), strict=True)] for stage in stages]
    targets = statistics.median(stages[1][_TARGETS])
    note = (
        f"{count} images; {_per_second(totals[0])} and {_per_second(totals[1])} images/s; the "
        f"same bytes; {_TARGETS}, only in ours, takes {1e3 * targets:.2f} ms of an image"
    )
    whole = Comparison("training pipeline", totals[0], totals[1], note=note, bar=1.0)
    shared = [name for name in stages[0] if name in stages[1]]
    return [
        whole,
        *(Comparison(f"pipeline: {name}", stages[0][name], stages[1][name]) for name in shared),
    ]


def _per_second(seconds: list[float]) -> str:
    return f"{1 / statistics.median(seconds):.1f}"


def compare_workers(theirs: CocoDataset, ours: CocoDataset, count: int, rounds: int) -> Comparison:
    """Compare seconds per image from one data worker, in batches of two."""
    loaders = [_loader(dataset, count) for dataset in (theirs, ours)]
    found = compare(
        "training pipeline, through a worker",
        lambda: sum(len(batch["inputs"]) for batch in loaders[0]),
        lambda: sum(len(batch["inputs"]) for batch in loaders[1]),
        rounds=rounds,
        bar=1.0,
    )
    times = [[spent / count for spent in spents] for spents in (found.theirs, found.ours)]
    note = f"{_per_second(times[0])} and {_per_second(times[1])} images/s"
    return replace(found, theirs=times[0], ours=times[1], note=note)


def _loader(dataset: CocoDataset, count: int) -> DataLoader:
    return DataLoader(
        torch.utils.data.Subset(dataset, range(count)),
        batch_size=2,
        num_workers=1,
        persistent_workers=True,
        collate_fn=pseudo_collate,
    )
