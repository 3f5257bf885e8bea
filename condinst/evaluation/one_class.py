"""Evaluate one class by faster-coco-eval, which importing this module requires."""

from __future__ import annotations

from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools import mask as coco_mask

from condinst.evaluation.matches import Detections, PrecisionCurves, Truth

__all__ = ["curves_of_class"]


class _OneClass(COCOeval_faster):
    """An evaluator that takes its IoUs from pycocotools, so it needs no boxes and masks.

    Args:
        truth, detections: all classes.
        objects, found: indices into ``truth`` and ``detections`` of the class, sorted by image.
    """

    def __init__(
        self, truth: Truth, detections: Detections, objects: np.ndarray, found: np.ndarray
    ) -> None:
        self._truth, self._detections = truth, detections
        self._objects = _by_image(truth.images, objects)
        self._found = _by_image(detections.images, found)
        images = [{"id": index} for index in sorted(self._objects.keys() | self._found.keys())]
        no_crowds = np.zeros(len(detections), bool)
        super().__init__(
            _coco(images, objects, truth.images, truth.areas, truth.crowds),
            _coco(
                *(images, found, detections.images, detections.areas, no_crowds),
                scores=detections.scores,
            ),
            "bbox",
            print_function=_silent,
        )

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray | list:  # noqa: N802, N803
        """Return (D, G) IoUs of an image: detections by descending score, up to the largest cap."""
        objects, found = self._objects.get(imgId), self._found.get(imgId)
        if objects is None or found is None:
            return []
        truth, detections = self._truth, self._detections
        order = np.argsort(-detections.scores[found], kind="stable")
        found = found[order[: self.params.maxDets[-1]]]
        crowds = truth.crowds[objects].tolist()
        if detections.masks is None:
            return coco_mask.iou(detections.boxes[found], truth.boxes[objects], crowds)
        return coco_mask.iou(
            [detections.masks[i] for i in found], [truth.masks[i] for i in objects], crowds
        )


def curves_of_class(
    truth: Truth,
    detections: Detections,
    objects: np.ndarray,
    found: np.ndarray,
    iou_thrs: np.ndarray,
    max_dets: list[int],
) -> PrecisionCurves:
    """Return precision (T, R, A, M) and recall (T, A, M) of one class.

    Args:
        truth, detections: all classes.
        objects, found: indices into ``truth`` and ``detections`` of the class, sorted by image.
        iou_thrs: (T,) IoU thresholds.
        max_dets: (M,) caps on the detections per image, ascending.
    """
    run = _OneClass(truth, detections, objects, found)
    run.params.iouThrs, run.params.maxDets = iou_thrs, max_dets
    run.evaluate()
    run.accumulate()
    num_thrs, num_recalls, _, num_sizes, num_caps = run.eval["counts"]
    return PrecisionCurves(
        np.reshape(run.eval["precision"], (num_thrs, num_recalls, num_sizes, num_caps)),
        np.reshape(run.eval["recall"], (num_thrs, num_sizes, num_caps)),
    )


def _by_image(images: np.ndarray, places: np.ndarray) -> dict[int, np.ndarray]:
    found, starts = np.unique(images[places], return_index=True)
    return dict(zip(found.tolist(), np.split(places, starts[1:]), strict=len(places) > 0))


def _coco(
    images: list[dict[str, Any]],
    places: np.ndarray,
    image_index: np.ndarray,
    areas: np.ndarray,
    crowds: np.ndarray,
    scores: np.ndarray | None = None,
) -> COCO:
    """Make COCO dicts with only the keys that the evaluator reads: its C++ visits every key."""
    columns = [image_index[places].tolist(), areas[places].tolist(), crowds[places].tolist()]
    columns.append([1.0] * len(places) if scores is None else scores[places].tolist())
    annotations = [
        dict(id=i, image_id=image, category_id=1, area=area, iscrowd=crowd, score=score)
        for i, (image, area, crowd, score) in enumerate(zip(*columns, strict=True), start=1)
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
    return COCO(content)


def _silent(*args: object) -> None:
    """Print nothing: the metric logs once what the evaluator would print for every class."""
