"""One annotation file as a dataset of a config uses it: what is kept, skipped and learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.coco_records import CocoFile

__all__ = ["SplitFile"]

_IGNORED_KINDS = (Segmentation.NONE, Segmentation.DEGENERATE, Segmentation.MALFORMED)


@dataclass(frozen=True)
class SplitFile:
    """An annotation file with A annotations and N images, as one dataset of the config uses it.

    Attributes:
        file: the records.
        classes: ``metainfo["classes"]`` as the user wrote it, perhaps not a tuple.
        own_classes: whether these are the dataset type's classes, because the config has none.
        num_classes: ``model.bbox_head.num_classes``.
        prefix: the folder of the images; None if they are not local files.
        filter_cfg, test_mode: the dataset's arguments.
        training: whether the dataset is trained on.
        needs_masks: whether training loads masks.
        allow_box_only: whether training learns objects without a segmentation from their boxes.
        hands_out: whether the pipeline packs the annotations for the metric.
    """

    file: CocoFile
    classes: Any
    own_classes: bool
    num_classes: int | None
    prefix: str | None
    filter_cfg: dict
    test_mode: bool
    training: bool
    needs_masks: bool
    allow_box_only: bool = False
    hands_out: bool = False

    @property
    def path(self) -> str:
        return self.file.path

    @cached_property
    def of_a_class(self) -> np.ndarray:
        """Return (A,) bool: whether the class is of the config, and the image is known."""
        names = set(self.classes)
        used = np.array([name in names for _, name in self.file.categories] + [False])
        return used[self.file.category_index] & (self.file.image_index >= 0)

    @cached_property
    def skipped(self) -> dict[str, np.ndarray]:
        """Return reason -> (A,) bool: annotations that mmdet's ``CocoDataset`` skips; disjoint."""
        file = self.file
        x, y, width, height = file.boxes.T
        size = file.sizes[file.image_index] if file.sizes.size else np.zeros((x.size, 2))
        inside_width = np.minimum(x + width, size[:, 1]) - np.maximum(x, 0)
        inside_height = np.minimum(y + height, size[:, 0]) - np.maximum(y, 0)
        reasons = {
            "flagged ignore": file.ignore,
            "of zero area or smaller than one pixel": (file.areas <= 0)
            | (width < 1)
            | (height < 1),
            "with the box outside the image": (inside_width <= 0) | (inside_height <= 0),
        }
        left, skipped = self.of_a_class.copy(), {}
        for reason, mask in reasons.items():
            skipped[reason] = left & mask
            left &= ~mask
        return skipped

    @cached_property
    def learnable(self) -> np.ndarray:
        """Return (A,) bool: whether training learns from the annotation."""
        keep = self.of_a_class & ~self.file.crowd
        for mask in self.skipped.values():
            keep = keep & ~mask
        if self.needs_masks:
            unusable = np.isin(self.file.segmentations, _IGNORED_KINDS)
            keep = keep & ~(unusable & ~self.of_boxes)
        return keep

    @cached_property
    def of_boxes(self) -> np.ndarray:
        """Return (A,) bool: whether training learns the annotation from its box alone."""
        if not self.allow_box_only:
            return np.zeros(len(self.file.ann_ids), bool)
        keep = self.of_a_class & ~self.file.crowd & self.file.without_mask
        for mask in self.skipped.values():
            keep = keep & ~mask
        return keep

    @cached_property
    def kept(self) -> np.ndarray:
        """Return (N,) bool: whether mmdet's filter keeps the image."""
        kept = np.ones(len(self.file.image_ids), bool)
        if self.test_mode:
            return kept
        if self.filter_cfg.get("filter_empty_gt", False):
            kept &= self.count_per_image(self.of_a_class) > 0
        if kept.size:
            kept &= self.file.sizes.min(axis=1) >= self.filter_cfg.get("min_size", 0)
        return kept

    def count_per_image(self, annotations: np.ndarray) -> np.ndarray:
        index = self.file.image_index[annotations]
        return np.bincount(index, minlength=len(self.file.image_ids))
