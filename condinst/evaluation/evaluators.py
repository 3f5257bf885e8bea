"""Compute precision and recall by COCO's rules, by faster-coco-eval or by pycocotools.

Both get pycocotools' IoUs and give the same curves. faster-coco-eval is called for one class at a
time, with the images that have an object or a detection of that class: its mostly empty matrix of
all images and all classes would take too much time and memory.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from mmengine.logging import print_log
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from condinst.evaluation.matches import Detections, PrecisionCurves, Truth

__all__ = ["BACKENDS", "choose_backend", "evaluate"]

BACKENDS = ("auto", "faster_coco_eval", "pycocotools")

_NUM_RECALLS, _NUM_SIZES = 101, 4


def choose_backend(backend: str) -> str:
    """Resolve "auto": faster-coco-eval if it can be imported, else pycocotools, logged once.

    Args:
        backend: one of :data:`BACKENDS`.

    Returns:
        "faster_coco_eval" or "pycocotools".

    Raises:
        ValueError: ``backend`` is not one of :data:`BACKENDS`.
        ImportError: faster-coco-eval is asked for by name and cannot be imported.
    """
    if backend not in BACKENDS:
        raise ValueError(f"CocoMetric: backend must be one of {BACKENDS}, got {backend!r}")
    if backend == "pycocotools":
        return backend
    problem = _why_not_faster()
    if problem is None:
        return "faster_coco_eval"
    if backend == "faster_coco_eval":
        raise ImportError(
            f'CocoMetric: backend="faster_coco_eval" cannot be imported ({problem}); '
            "pip install faster-coco-eval"
        )
    return "pycocotools"


@cache
def _why_not_faster() -> str | None:
    try:
        import faster_coco_eval  # noqa: F401
    except Exception as error:  # a compiled module of another ABI fails in many ways
        problem = f"{type(error).__name__}: {error}"
        print_log(
            f"faster-coco-eval cannot be imported ({problem}): pycocotools evaluates instead, "
            "several times slower, with the same numbers",
            logger="current",
        )
        return problem
    return None


def evaluate(
    truth: Truth,
    detections: Detections,
    *,
    backend: str,
    iou_thrs: np.ndarray,
    max_dets: Sequence[int],
    use_cats: bool = True,
) -> PrecisionCurves:
    """Match detections with objects at every threshold and compute the curves.

    Args:
        truth: the objects.
        detections: the detections; their masks are compared if they have masks, else their boxes.
        backend: "faster_coco_eval" or "pycocotools".
        iou_thrs: (T,) IoU thresholds.
        max_dets: (M,) caps on the detections per image and class, ascending.
        use_cats: False ignores the classes, as for proposals.
    """
    assert list(max_dets) == sorted(max_dets)
    run: Callable[..., PrecisionCurves] = {
        "faster_coco_eval": _faster,
        "pycocotools": _pycocotools,
    }[backend]
    return run(truth, detections, iou_thrs, list(max_dets), use_cats)


def _faster(
    truth: Truth, detections: Detections, iou_thrs: np.ndarray, max_dets: list[int], use_cats: bool
) -> PrecisionCurves:
    from condinst.evaluation.one_class import curves_of_class

    sides: tuple[Truth | Detections, ...] = (truth, detections)
    groups = [side.categories if use_cats else np.zeros_like(side.categories) for side in sides]
    # sort by class, then image; without classes by image, then class
    orders = [
        np.lexsort((side.categories, side.images, group))
        for side, group in zip(sides, groups, strict=True)
    ]
    num_groups = len(truth.category_ids) if use_cats else 1
    shape = (len(iou_thrs), _NUM_RECALLS, num_groups, _NUM_SIZES, len(max_dets))
    precision = np.full(shape, -1.0)
    recall = np.full((shape[0], *shape[2:]), -1.0)
    for index in range(num_groups):
        objects, found = (
            order[slice(*np.searchsorted(group[order], [index, index + 1]))]
            for order, group in zip(orders, groups, strict=True)
        )
        if not len(objects):
            continue
        curves = curves_of_class(truth, detections, objects, found, iou_thrs, max_dets)
        precision[:, :, index], recall[:, index] = curves.precision, curves.recall
    return PrecisionCurves(precision, recall)


def _pycocotools(
    truth: Truth, detections: Detections, iou_thrs: np.ndarray, max_dets: list[int], use_cats: bool
) -> PrecisionCurves:
    # pycocotools looks up the size of every image, though RLEs do not need it
    images = [
        {"id": index, "height": height, "width": width}
        for index, (height, width) in enumerate(size or (0, 0) for size in truth.sizes)
    ]
    categories = [{"id": index} for index in range(len(truth.category_ids))]
    truth_masks = None if detections.masks is None else truth.masks
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for record, masks in ((truth, truth_masks), (detections, detections.masks)):
            side = COCO()
            side.dataset = {
                "images": images,
                "categories": categories,
                "annotations": _annotations(record, masks),
            }
            side.createIndex()
            sides.append(side)
        run = COCOeval(*sides, "bbox" if detections.masks is None else "segm")
        run.params.iouThrs, run.params.maxDets = iou_thrs, max_dets
        run.params.useCats = int(use_cats)
        run.evaluate()
        run.accumulate()
    return PrecisionCurves(run.eval["precision"], run.eval["recall"])


def _annotations(record: Truth | Detections, masks: list | None) -> list[dict[str, Any]]:
    """Make COCO's dicts, with ids from 1: pycocotools reads an id of 0 as "not matched"."""
    crowds = record.crowds if isinstance(record, Truth) else np.zeros(len(record), bool)
    scores = np.ones(len(crowds)) if isinstance(record, Truth) else record.scores
    columns = (record.images, record.categories, record.boxes, record.areas, crowds, scores)
    annotations = [
        {
            "id": index,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd),
            "score": score,
        }
        for index, (image, category, box, area, crowd, score) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), start=1
        )
    ]
    for annotation, mask in zip(annotations, masks or (), strict=masks is not None):
        annotation["segmentation"] = mask
    return annotations
