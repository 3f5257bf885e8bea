"""Benchmark of reading and checking an annotation file of COCO's size, against pycocotools.

The file is generated. It has as many images and objects as COCO's training set, and polygons with
as many points.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from pycocotools.coco import COCO

from benchmarks.measure import Comparison, compare_peaks
from condinst.datasets.checks.checks import check_datasets
from condinst.datasets.coco.file_cache import forget_files

__all__ = ["make_coco_file", "run"]

NUM_IMAGES = 118_000
OBJECTS_PER_IMAGE = 7.29  # as in COCO: 860,001 objects on 117,966 images
_NUM_CLASSES = 80
_SHAPES = 4000  # number of different outlines
_SIZE = (480, 640)
_BLOCK = 10_000  # annotations written at once


def run(context: Any) -> list[Comparison]:
    """Measure CPU seconds and bytes. ``context`` has num_images; only the CPU is used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances_train2017.json"
        objects = make_coco_file(path, context.num_images)
        note = (
            f"{context.num_images} images, {objects} objects, {path.stat().st_size / 1e6:.0f} MB;"
            " pycocotools only reads, ours also checks; seconds of CPU"
        )
        theirs, ours = lambda: _read(path), lambda: _check(path)
        settings: dict[str, Any] = dict(against="pycocotools", note=note)
        name = "check of an annotation file"
        seconds = [_cpu_seconds(call) for call in (theirs, ours)]
        return [
            Comparison(name, theirs=[seconds[0]], ours=[seconds[1]], **settings),
            compare_peaks(f"{name}, memory", theirs, ours, rounds=1, **settings),
        ]


def _cpu_seconds(call: Any) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _read(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        COCO(str(path))


def _check(path: Path) -> None:
    """Check the file as ``condinst train`` does before training, without checking images."""
    dataset = {
        "type": "condinst.CocoDataset",
        "ann_file": str(path),
        "data_prefix": {"img": "s3://nowhere/"},
        "metainfo": {"classes": tuple(f"class {i}" for i in range(_NUM_CLASSES))},
        "filter_cfg": {"filter_empty_gt": True, "min_size": 32},
        "pipeline": [{"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}],
    }
    check_datasets(Config({"train_dataloader": {"dataset": dataset}}))
    forget_files()


def make_coco_file(path: Path, num_images: int, seed: int = 0) -> int:
    """Write a file like COCO's and return its number of objects."""
    rng = np.random.default_rng(seed)
    height, width = _SIZE
    images = [
        {
            "license": 3,
            "file_name": f"{number:012d}.jpg",
            "coco_url": f"http://images.cocodataset.org/train2017/{number:012d}.jpg",
            "height": height,
            "width": width,
            "date_captured": "2013-11-14 11:18:45",
            "id": number,
        }
        for number in range(1, num_images + 1)
    ]
    categories = [{"id": i + 1, "name": f"class {i}"} for i in range(_NUM_CLASSES)]
    objects = round(num_images * OBJECTS_PER_IMAGE)
    shapes = [_shape(rng, height, width) for _ in range(_SHAPES)]
    owners = np.sort(rng.integers(1, num_images + 1, objects)).tolist()
    kinds = rng.integers(1, _NUM_CLASSES + 1, objects).tolist()
    chosen = rng.integers(len(shapes), size=objects).tolist()
    with path.open("w", encoding="ascii") as file:
        file.write(f'{{"info": {{}}, "images": {json.dumps(images)}, "annotations": [')
        for start in range(0, objects, _BLOCK):
            lines = [
                f'{{{shapes[chosen[i]]}, "image_id": {owners[i]}, "category_id": {kinds[i]}, '
                f'"id": {i + 1}}}'
                for i in range(start, min(start + _BLOCK, objects))
            ]
            file.write((", " if start else "") + ", ".join(lines))
        file.write(f'], "categories": {json.dumps(categories)}}}')
    return objects


def _shape(rng: np.random.Generator, height: int, width: int) -> str:
    """Return mask, area and box of an object of one or two polygons, as JSON."""
    radius = rng.uniform(4, 120)
    polygons = []
    for _ in range(rng.choice([1, 2], p=[0.85, 0.15])):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(6, 38)))
        radii = radius * rng.uniform(0.7, 1.0, len(angles))
        center = rng.uniform([radius, radius], [width - radius, height - radius])
        points = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        polygons.append(np.round(points, 2))
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    mask = [polygon.ravel().tolist() for polygon in polygons]
    box = np.round([*low, *(high - low)], 2).tolist()
    area = round(float(np.prod(high - low)) / 2, 3)
    text = json.dumps({"segmentation": mask, "area": area, "iscrowd": 0, "bbox": box})
    return text[1:-1]
