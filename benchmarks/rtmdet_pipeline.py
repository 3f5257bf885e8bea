"""Benchmark of RTMDet-Ins' training pipeline beside mmdet's: images per second of one worker.

Both run the published recipe, with cached Mosaic and MixUp, on generated images of 640 x 480 pixels
with 50 objects. Ours ends with the mask targets. mmdet's ends with polygons, which its training
step draws at full size; that is measured with the pipeline, and without it.
"""

from __future__ import annotations

import copy
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.datasets import CocoDataset
from mmengine.registry import DefaultScope
from PIL import Image

from benchmarks.measure import Comparison
from benchmarks.models import Context
from benchmarks.pipeline import load_image
from benchmarks.rtmdet import published_rtmdet

_WIDTH, _HEIGHT, _OBJECTS, _IMAGES = 640, 480, 50, 24
_STRIDE = 4
_WARMUP = 24  # images that fill the caches


def run(context: Context) -> list[Comparison]:
    """Measure both pipelines in turns, image by image; only the CPU is used."""
    with tempfile.TemporaryDirectory(prefix="condinst-benchmark-") as folder:
        _write_images(Path(folder))
        sets = [_training_set(Path(folder), scope) for scope in ("mmdet", "condinst")]
        seconds: list[list[float]] = [[], [], []]  # theirs, theirs with drawn masks, ours
        stages: list[dict[str, float]] = [defaultdict(float), defaultdict(float)]
        equal, pixels = [], []
        for number in range(-_WARMUP, max(context.rounds, 5) * 4):
            items: list[Any] = [None, None]
            for which in (0, 1) if number % 2 else (1, 0):
                spent = None if number < 0 else stages[which]
                start = time.process_time()
                items[which] = load_image(sets[which], number % _IMAGES, spent)
                elapsed = time.process_time() - start
                if number >= 0:
                    seconds[2 * which].append(elapsed)
            start = time.process_time()
            drawn = _drawn(items[0])
            if number >= 0:
                seconds[1].append(seconds[0][-1] + time.process_time() - start)
                equal.append(torch.equal(items[0]["inputs"], items[1]["inputs"]))
                pixels.append(_agreement(drawn, items[1]))
    rates = [1 / statistics.median(each) for each in seconds]
    count = len(seconds[0])
    note = (
        f"{rates[1]:.1f} and {rates[2]:.1f} images/s, {_OBJECTS} objects; {sum(equal)} of {count} "
        f"images have the same bytes, {statistics.mean(pixels):.3%} of the mask cells are equal; "
        f"ours: {_slowest(stages[1], count)}; mmdet's: {_slowest(stages[0], count)}"
    )
    name = "RTMDet-Ins: training pipeline with Mosaic and MixUp"
    return [
        Comparison(f"{name}, masks drawn", seconds[1], seconds[2], note=note, bar=3.0),
        Comparison(
            f"{name}, mmdet's masks as polygons",
            seconds[0],
            seconds[2],
            note=f"{rates[0]:.1f} and {rates[2]:.1f} images/s; ours with the mask targets",
        ),
    ]


def _training_set(root: Path, scope: str) -> CocoDataset:
    pipeline = copy.deepcopy(published_rtmdet("s").train_dataloader.dataset.pipeline)
    if scope == "condinst":
        pipeline.insert(len(pipeline) - 1, dict(type="PrepareMaskTargets", stride=_STRIDE))
    with DefaultScope.overwrite_default_scope(scope):
        return CocoDataset(
            data_root=str(root),
            ann_file="train.json",
            data_prefix=dict(img="images/"),
            metainfo=dict(classes=("object",)),
            pipeline=pipeline,
        )


def _drawn(item: dict[str, Any]) -> torch.Tensor:
    """Draw mmdet's masks as its head does in the training step."""
    objects = item["data_samples"].gt_instances
    return objects.masks.to_tensor(dtype=torch.bool, device="cpu")


def _agreement(drawn: torch.Tensor, ours: dict[str, Any]) -> float:
    """Return the part of the cells of all masks that are equal, 0 without the same objects."""
    objects = ours["data_samples"].gt_instances
    cells = drawn[:, _STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE]
    if len(cells) != len(objects):
        return 0.0
    if not len(cells):
        return 1.0
    return float((cells == objects.masks.samples).float().mean())


def _slowest(stages: dict[str, float], count: int) -> str:
    ranked = sorted(stages.items(), key=lambda stage: -stage[1])[:3]
    return ", ".join(f"{name} {1e3 * spent / count:.1f} ms" for name, spent in ranked)


def _write_images(folder: Path) -> None:
    """Write JPEG files of smooth noise, and polygons of 40 points."""
    draw = np.random.default_rng(0)
    (folder / "images").mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    for number in range(1, _IMAGES + 1):
        coarse = draw.integers(0, 256, (_HEIGHT // 8, _WIDTH // 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
        image.save(folder / "images" / f"{number}.jpg", quality=90)
        images.append(dict(id=number, file_name=f"{number}.jpg", width=_WIDTH, height=_HEIGHT))
        for _ in range(_OBJECTS):
            radius = draw.uniform(10, 40)
            center = draw.uniform(radius, (_WIDTH - radius, _HEIGHT - radius))
            lengths = radius * draw.uniform(0.8, 1, (40, 1))
            outline = center + lengths * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            low, high = outline.min(axis=0), outline.max(axis=0)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=1,
                    bbox=[*low.tolist(), *(high - low).tolist()],
                    area=float(np.prod(high - low)),
                    iscrowd=0,
                    segmentation=[outline.ravel().tolist()],
                )
            )
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name="object")])
    (folder / "train.json").write_text(json.dumps(content))
