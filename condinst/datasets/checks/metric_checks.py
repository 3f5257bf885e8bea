"""Check that a COCO file fits the metric of a config that compares predictions with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from condinst.datasets.checks.coco_checks import SplitFile, check_classes
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.entry_issues import first_few

__all__ = ["check_for_metric"]


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
    if not truth.has_annotations or not len(truth.ann_ids):
        # AP would be -1, and the best checkpoint any
        return ["has no annotations to evaluate with; format_only=True writes predictions only"]
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
        if segm and not isinstance(split.classes, str) and split.classes:
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
