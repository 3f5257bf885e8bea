"""One class by faster-coco-eval. Importing this file needs that package."""

from __future__ import annotations

from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools import mask as coco_mask

from condinst.evaluation.matches import Detections, PrecisionCurves, Truth

__all__ = ["curves_of_class"]


class _OneClass(COCOeval_faster):
    """Takes its IoUs from pycocotools, so that it needs neither boxes nor masks of its own.

    Args:
        objects, found: places in ``truth`` and in ``detections``, sorted by image.
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
        """(D, G) of an image: the detections by falling score, as far as the largest cap."""
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
    """Precision (T, R, A, M) and recall (T, A, M) of the objects and detections of a class.

    Args:
        objects, found: places in ``truth`` and in ``detections``, sorted by image.
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
    """What the evaluator reads of an annotation, and no more: its C++ walks through every key."""
    columns = [image_index[places].tolist(), areas[places].tolist(), crowds[places].tolist()]
    columns.append([1.0] * len(places) if scores is None else scores[places].tolist())
    annotations = [
        dict(id=i, image_id=image, category_id=1, area=area, iscrowd=crowd, score=score)
        for i, (image, area, crowd, score) in enumerate(zip(*columns, strict=True), start=1)
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
    return COCO(content)


def _silent(*args: object) -> None:
    """The metric says what is being done, once; here it would be said for every class."""
