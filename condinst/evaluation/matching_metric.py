"""The metric of benchmarks of cells and nuclei: TP / (TP + FP + FN) of one-to-one matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from torch import Tensor

from condinst.evaluation.coco_truth import ids_of_labels, read_ground_truth
from condinst.evaluation.label_matching import Matches
from condinst.evaluation.mask_encoding import encode_masks
from condinst.evaluation.matched_images import (
    ScoredOverlaps,
    best_score_thr,
    compare,
    count_all,
)
from condinst.evaluation.matches import Truth, read_truth
from condinst.masks.rle import checked_rle, crop_of_rle
from condinst.registry import METRICS

__all__ = ["IOU_THRS", "MatchingMetric", "check_matching", "truth_of_image"]

IOU_THRS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_NO_THRESHOLD = 0.3  # without a right detection: the default of condinst predict


@METRICS.register_module()
class MatchingMetric(BaseMetric):
    """StarDist's and Cellpose's metric of masks, for objects that do not overlap.

    Detections below ``score_thr`` are left out. Of the others, each pixel belongs to the one with
    the highest score. Objects and detections are then matched one to one at each IoU threshold,
    within each class, and counted over all classes.

    Its numbers, at an IoU of 0.5: ``ap_50`` = TP / (TP + FP + FN), ``precision_50``,
    ``recall_50``, ``f1_50``, and the panoptic quality ``pq_50``, with the matches of all images
    counted together; ``image_ap_50``, the mean over images. ``ap`` and ``image_ap`` are the means
    over the IoU thresholds, ``score_thr`` is the threshold that was used.

    An image without objects and detections counts 0 in ``image_ap``, as in StarDist. Crowds are
    not objects: a detection that lies in them by at least half, and has no IoU of the lowest
    threshold with any object, is not counted.

    Args:
        ann_file: the COCO file with the objects' masks.
        iou_thrs: IoU thresholds, greater than 0 and at most 1.
        score_thr: the lowest score that counts; "best" for the one with the highest ``ap`` on the
            evaluated images. Use "best" on validation images only, and a number on test images.
        min_visible: leaves out detections with a smaller visible fraction, see
            :meth:`condinst.Results.to_label_map`.
        allow_box_only: whether objects may have a box and no mask. They count as crowds.
        backend_args: mmengine's arguments for reading ``ann_file``.
        collect_device, prefix: mmengine's.

    Raises:
        ValueError: an argument has an invalid value, or ``ann_file`` is not a COCO file.
        FileNotFoundError: ``ann_file`` does not exist.
    """

    default_prefix = "matching"

    def __init__(
        self,
        ann_file: str,
        iou_thrs: Sequence[float] = IOU_THRS,
        score_thr: float | str = _NO_THRESHOLD,
        min_visible: float = 0.0,
        backend_args: dict[str, Any] | None = None,
        collect_device: str = "cpu",
        prefix: str | None = None,
        allow_box_only: bool = False,
    ) -> None:
        check_matching(iou_thrs, score_thr, min_visible)
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ann_file, self.iou_thrs = str(ann_file), [float(value) for value in iou_thrs]
        self.score_thr, self.min_visible = score_thr, min_visible
        self._coco = read_ground_truth(self.ann_file, backend_args)
        self.allow_box_only = allow_box_only
        self._truth: Truth | None = None
        self._category_ids: list[Any] = []
        self._image_index: dict[Any, int] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Compare the detections of a batch with their objects; keep the overlaps.

        Args:
            data_batch: not used.
            data_samples: one dict per image, with ``img_id`` and ``pred_instances``: ``scores``
                and ``labels`` (N,), and ``masks``: (N, H, W) bool or N RLE dicts, in pixels of the
                original image; ``mask_scores`` (N,), if there are any, take the place of
                ``scores``.

        Raises:
            ValueError: the predictions have no masks, or do not fit the annotation file.
        """
        if self._truth is None:
            self._read_truth()
        for sample in data_samples:
            self.results.append(self._compare(sample))

    def _read_truth(self) -> None:
        logger = MMLogger.get_current_instance()
        self._category_ids = ids_of_labels(
            self._coco, self.dataset_meta["classes"], self.ann_file, logger
        )
        present = [value for value in self._category_ids if value is not None]
        truth = read_truth(self._coco.dataset, present, self.ann_file)
        self._truth = truth.for_masks() if self.allow_box_only else truth
        self._image_index = {value: i for i, value in enumerate(self._truth.image_ids)}

    def _compare(self, sample: dict[str, Any]) -> ScoredOverlaps:
        truth = self._truth
        assert truth is not None
        image = self._image_index.get(sample["img_id"])
        if image is None:
            raise ValueError(f"{self.ann_file} has no image with the id {sample['img_id']!r}")
        found = sample["pred_instances"]
        masks = found.get("masks")
        if masks is None:
            raise ValueError("MatchingMetric: the predictions have no masks, which it compares")
        rles = encode_masks(masks) if isinstance(masks, Tensor) else masks
        height, width = truth.sizes[image] or sample["ori_shape"][:2]
        size = (int(height), int(width))
        wrong = next((r["size"] for r in rles if tuple(r["size"]) != size), None)
        if wrong is not None:
            raise ValueError(
                f"image {sample['img_id']!r} has a predicted mask of size {list(wrong)} (height, "
                f"width), the image in {self.ann_file} has {list(size)}"
            )
        ids = np.array([-1 if i is None else i for i in self._category_ids], object)
        labels = ids[np.asarray(_array(found["labels"]), int)]
        scores = _array(found["mask_scores"] if "mask_scores" in found else found["scores"])
        known = labels != -1
        return compare(
            *truth_of_image(truth, image),
            [crop_of_rle(checked_rle(rles[i], *size)) for i in np.flatnonzero(known)],
            labels[known],
            scores[known],
            size,
            min_visible=self.min_visible,
            least_iou=min(self.iou_thrs),
        )

    def compute_metrics(self, results: list[ScoredOverlaps]) -> dict[str, float]:
        """Return the numbers.

        Args:
            results: the overlaps of each image, from :meth:`process`.
        """
        score_thr = self.score_thr
        if isinstance(score_thr, str):
            best = best_score_thr(results, self.iou_thrs)
            score_thr = _NO_THRESHOLD if best is None else best[0]
        parts = count_all(results, self.iou_thrs, score_thr)
        numbers = _numbers(parts, self.iou_thrs)
        MMLogger.get_current_instance().info(
            f"matching: score at least {score_thr:.2f}, {len(parts)} images, TP / (TP + FP + FN) "
            f"{numbers['ap']:.3f}, mean of images {numbers['image_ap']:.3f}"
        )
        return {**numbers, "score_thr": float(score_thr)}


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def check_matching(iou_thrs: Any, score_thr: Any, min_visible: Any) -> None:
    """Check the metric's settings.

    Raises:
        ValueError: a setting is invalid.
    """
    if not len(iou_thrs) or not all(0 < value <= 1 for value in iou_thrs):
        raise ValueError(
            f"MatchingMetric: iou_thrs must be numbers above 0 and up to 1, got {iou_thrs}"
        )
    is_number = isinstance(score_thr, int | float) and 0 <= score_thr <= 1
    if not is_number and score_thr != "best":
        raise ValueError(
            f'MatchingMetric: score_thr must be from 0 to 1, or "best", got {score_thr!r}'
        )
    if not isinstance(min_visible, int | float) or not 0 <= min_visible <= 1:
        raise ValueError(f"MatchingMetric: min_visible must be from 0 to 1, got {min_visible!r}")


def truth_of_image(truth: Truth, image: int) -> tuple[list, np.ndarray, list]:
    """Return the objects of an image, their category ids, and its crowds, as crops.

    Args:
        truth: the annotations.
        image: index into ``truth.image_ids``.
    """
    places = np.flatnonzero(truth.images == image)
    objects = places[~truth.crowds[places]]
    ids = np.array(truth.category_ids, object)
    crops = {place: crop_of_rle(truth.masks[place]) for place in places}
    crowds = [crops[place] for place in places[truth.crowds[places]]]
    return [crops[place] for place in objects], ids[truth.categories[objects]], crowds


def _numbers(parts: Sequence[Matches], iou_thrs: Sequence[float]) -> dict[str, float]:
    total = Matches.sum(parts, len(iou_thrs))
    image_ap = Matches.mean_ap(parts, len(iou_thrs))
    numbers = {"ap": float(total.ap.mean()), "image_ap": float(image_ap.mean())}
    columns = {name: getattr(total, name) for name in ("ap", "precision", "recall", "f1", "pq")}
    columns["image_ap"] = image_ap
    for name, values in columns.items():
        for threshold, value in zip(iou_thrs, values, strict=True):
            numbers[f"{name}_{round(100 * threshold, 6):g}"] = float(value)
    return numbers
