"""Benchmark of CopyPaste, CachedMosaic and CachedMixUp beside mmdet's, at 100 objects an image.

The images are generated: 640 x 640 pixels of noise, with outlines of 40 points. Both get the masks
that their own loader makes for the same annotations: with ``poly2mask=True``, which CopyPaste of
mmdet needs, mmdet's are bitmaps and ours are crops; else both are polygons.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import mmdet.datasets.transforms as theirs
import numpy as np
from mmdet.datasets.transforms import LoadAnnotations as MMDetLoadAnnotations

import condinst.datasets as ours
from benchmarks.measure import Comparison

__all__ = ["compare_transform", "run"]

SIDE = 640
OBJECTS = 100
_IMAGES = 12
_WARMUP = 6  # calls that fill the caches: mosaics mix from the fifth image on
_CASES: tuple[tuple[str, dict, bool], ...] = (
    ("CopyPaste", {}, True),
    ("CachedMixUp", dict(img_scale=(SIDE, SIDE)), False),
    ("CachedMixUp", dict(img_scale=(SIDE, SIDE)), True),
    ("CachedMosaic", dict(img_scale=(SIDE, SIDE)), False),
    ("CachedMosaic", dict(img_scale=(SIDE, SIDE)), True),  # the slowest
)


def run(context: Any) -> Iterator[Comparison]:
    """Measure time and memory of each transform; ``context`` has rounds; only the CPU is used."""
    for name, arguments, drawn in _CASES:
        yield from compare_transform(name, arguments, drawn, context.rounds)


def compare_transform(
    name: str, arguments: dict, drawn: bool, rounds: int, objects: int = OBJECTS
) -> list[Comparison]:
    """Compare seconds per image, and the most bytes that a call allocates.

    Args:
        name: name of the transform.
        arguments: its arguments.
        drawn: whether the loader draws the masks (``poly2mask``).
        rounds: number of measurements of each.
        objects: number of objects of an image.
    """
    runs = [
        _Runs(getattr(theirs, name)(**arguments), _load(MMDetLoadAnnotations, drawn, objects)),
        _Runs(getattr(ours, name)(**arguments), _load(ours.LoadAnnotations, drawn, objects)),
    ]
    times: tuple[list[float], list[float]] = [], []
    for i in range(-_WARMUP, rounds):
        for which in (0, 1) if i % 2 else (1, 0):
            seconds = runs[which].seconds()
            if i >= 0:
                times[which].append(seconds)
    kind = "bitmaps and crops" if drawn else "polygons"
    what = f"{name}, {objects} objects, {kind}"
    rates = [1 / statistics.median(each) for each in times]
    note = f"{rates[0]:.1f} and {rates[1]:.1f} images/s, {SIDE} x {SIDE}"
    peaks = [[each.peak() for _ in range(3)] for each in runs]
    return [
        Comparison(what, times[0], times[1], note=note, bar=3.0),
        Comparison(
            f"{what}: memory", peaks[0], peaks[1], unit="B", note="most that a call allocates"
        ),
    ]


def _load(loader: Any, drawn: bool, objects: int) -> list[dict]:
    rng = np.random.default_rng(0)
    load = loader(with_bbox=True, with_mask=True, poly2mask=drawn)
    size = dict(ori_shape=(SIDE, SIDE), img_shape=(SIDE, SIDE), height=SIDE, width=SIDE)
    images = []
    for number in range(_IMAGES):
        instances = [_instance(rng) for _ in range(objects)]
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        images.append(load(dict(img=pixels, instances=instances, img_id=number, **size)))
    return images


def _instance(rng: np.random.Generator) -> dict:
    radius = rng.uniform(8, 40)
    x, y = rng.uniform(radius, SIDE - radius, 2)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    lengths = radius * rng.uniform(0.8, 1, 40)
    outline = np.stack([x + lengths * np.cos(angles), y + lengths * np.sin(angles)], axis=1)
    box = [*outline.min(axis=0).tolist(), *outline.max(axis=0).tolist()]
    return dict(bbox=box, bbox_label=0, ignore_flag=0, mask=[outline.ravel().tolist()])


class _Runs:
    """Calls of one transform with one image after the other."""

    def __init__(self, transform: Any, images: list[dict]) -> None:
        self._transform, self._images, self._index = transform, images, 0

    def _next(self) -> dict:
        index = self._index = (self._index + 1) % len(self._images)
        np.random.seed(index)
        results = _fresh(self._images[index])
        if not hasattr(self._transform, "results_cache"):
            results["mix_results"] = [_fresh(self._images[index - 1])]
        return results

    def seconds(self) -> float:
        """Return the seconds of the next call."""
        results = self._next()
        start = time.perf_counter()
        self._transform(results)
        return time.perf_counter() - start

    def peak(self) -> float:
        """Return the most bytes that the next call has allocated at once."""
        results = self._next()
        tracemalloc.start()
        self._transform(results)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return float(found)


def _fresh(results: dict) -> dict:
    """Return the results as the loader has just made them: transforms change their arrays."""
    masks = results["gt_masks"]
    boxes = results["gt_bboxes"].clone()
    return dict(results, gt_bboxes=boxes, gt_masks=masks[np.arange(len(masks))])
