"""Check that a COCO file fits the metric of a config that compares predictions with it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from mmdet.evaluation import CocoMetric

from condinst.config.problem import wrong
from condinst.datasets.checks.coco_checks import check_classes
from condinst.datasets.checks.split_file import SplitFile
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.entry_issues import first_few
from condinst.registry import METRICS

__all__ = [
    "check_for_metric",
    "check_without_file",
    "compares_masks",
    "compares_with",
    "metric_nodes",
]

_MATCHING = "MatchingMetric"


def metric_nodes(evaluator: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (config key, config) of each metric of an evaluator's config.

    Args:
        evaluator: a metric, a list of them, or an evaluator with ``metrics``.
        key: its config key.
    """
    if isinstance(evaluator, list | tuple):
        for index, node in enumerate(evaluator):
            yield from metric_nodes(node, f"{key}[{index}]")
    elif isinstance(evaluator, dict) and "metrics" in evaluator:
        yield from metric_nodes(evaluator["metrics"], f"{key}.metrics")
    elif evaluator:
        yield key, evaluator


def compares_with(node: Any) -> str | None:
    """Return "CocoMetric" or "MatchingMetric", which a metric's class is or inherits, or None."""
    kind = node.get("type") if isinstance(node, dict) else None
    cls = METRICS.get(kind) if isinstance(kind, str) else kind
    if not inspect.isclass(cls):
        return None
    if issubclass(cls, CocoMetric):
        return CocoMetric.__name__
    return _MATCHING if any(base.__name__ == _MATCHING for base in cls.__mro__) else None


def compares_masks(node: dict, kind: str) -> bool:
    """Tell whether a metric's config compares masks; ``kind`` is from :func:`compares_with`."""
    metrics = node.get("metric", "bbox")
    return kind == _MATCHING or "segm" in ([metrics] if isinstance(metrics, str) else metrics)


def check_without_file(
    key: str, node: dict, kind: str, split: str, files: list[SplitFile]
) -> list[str]:
    """Check a metric without ``ann_file``, which takes the annotations from the dataset, if at all.

    Args:
        key: config key of the metric.
        node: its config.
        kind: from :func:`compares_with`.
        split: val or test.
        files: the datasets whose predictions it gets.
    """
    named = f"the annotation file of {split}_dataloader ({files[0].path})"
    if kind == _MATCHING or node.get("ann_file") is not None:
        return [wrong(f"{key}.ann_file", node.get("ann_file"), named)]
    if not all(file.hands_out for file in files):
        ways = f"{named}, or 'instances' in meta_keys of its PackDetInputs, to take them from there"
        return [wrong(f"{key}.ann_file", None, ways)]
    if node.get("format_only"):
        return []
    problems = []
    for file in files:
        found = check_for_metric(file.file, [file], compares_masks(node, kind))
        problems += [f"{key}: {file.path}: {problem}" for problem in found]
    return problems


def check_for_metric(
    truth: CocoFile, splits: list[SplitFile], segm: bool, allow_box_only: bool = False
) -> list[str]:
    """Check that a COCO metric can compare predictions on ``splits`` with ``truth``.

    Args:
        truth: the annotation file of the metric.
        splits: the datasets whose predictions it gets.
        segm: whether it compares masks.
        allow_box_only: whether it leaves objects without a segmentation out of mask AP.
    """
    # without an object AP would be -1, and the best checkpoint any
    if not truth.has_annotations or not len(truth.ann_ids):
        return ["has no annotations to evaluate with; format_only=True writes predictions only"]
    if truth.crowd.all():
        return [f"has no objects to evaluate with: all {len(truth.ann_ids)} annotations are crowds"]
    problems = []
    known = set(truth.image_ids)
    for split in splits:
        as_truth = replace(split, file=truth)
        if truth is not split.file:
            problems += check_classes(as_truth)
            strange = [i for i in split.file.image_ids if i not in known]
            if strange:
                problems.append(
                    f"lacks {len(strange)} image ids of {split.path}: {first_few(strange)}"
                )
        if isinstance(split.classes, str) or not split.classes:
            continue
        is_known = set(split.classes) & {name for _, name in truth.categories}  # else it is said
        if is_known and not (as_truth.of_a_class & ~truth.crowd).any():
            problems.append(
                f"has no objects to evaluate with: none of its {len(truth.ann_ids)} annotations is "
                f"of the classes {first_few(map(repr, split.classes), 5)}"
            )
        if segm:
            problems += _check_masks(truth, as_truth.of_a_class, allow_box_only)
    return problems


def _check_masks(truth: CocoFile, used: np.ndarray, allow_box_only: bool) -> list[str]:
    broken = truth.breaks_segm_ap & used
    if allow_box_only:
        broken = broken & ~truth.without_mask
        if not (used & ~truth.crowd & ~truth.without_mask).any():
            return ["no object has a mask, so that there is no mask AP: set metric=['bbox']"]
    found = np.flatnonzero(broken)
    if not found.size:
        return []
    found_help = ""
    if not allow_box_only and (truth.without_mask & broken).any():
        found_help = (
            "; allow_box_only=True of the metric leaves objects without a segmentation out of mask "
            "AP"
        )
    return [
        f"{found.size} annotations without a usable segmentation, on which mask AP (metric segm) "
        f"would fail: ids {first_few(truth.ann_ids[i] for i in found)}{found_help}"
    ]
