"""Hold the inputs and results of an evaluation as flat arrays, for every evaluator.

Shapes: P images, K classes, G annotated objects, D detections; T IoU thresholds, R = 101 recalls,
A = 4 ranges of size (all, small, medium, large), M caps on the detections. Images and classes are
numbered in ascending order of their COCO ids. Boxes are (x, y, width, height) in pixels of the
original image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import checked_rle

__all__ = ["PrecisionCurves", "Detections", "Truth", "gather_detections", "read_truth"]

_NUM_NAMED = 5
# pycocotools 2.0.11 on numpy 2 fails with 256 or more masks: "out of bounds for uint8"
_MAX_MASKS = 255


@dataclass(frozen=True)
class Truth:
    """The annotations of the evaluated classes.

    Attributes:
        name: the annotation file, for messages.
        image_ids, category_ids: (P,), (K,) COCO ids, ascending.
        sizes: (P,) (height, width) in pixels; None if the file does not state it.
        images, categories: (G,) indices into ``image_ids`` and ``category_ids``.
        boxes: (G, 4) x, y, width, height.
        areas: (G,) the ``area`` values.
        crowds: (G,) bool.
        segmentations: (G,) as in the file: polygons, compressed or uncompressed RLE, or None.
    """

    name: str
    image_ids: list
    category_ids: list
    sizes: list[tuple[int, int] | None]
    images: np.ndarray
    categories: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray
    segmentations: list

    @cached_property
    def masks(self) -> list[dict[str, Any]]:
        """Return (G,) compressed RLEs; raise ValueError if an object has no segmentation."""
        return [self._mask(index) for index in range(len(self.segmentations))]

    def for_masks(self) -> Truth:
        """Return the objects for comparisons of masks: those without a mask become crowds.

        The mask of such a crowd is the object's box: what is detected in it is neither right nor
        wrong, and the object is not missed.
        """
        segmentations, crowds = list(self.segmentations), self.crowds.copy()
        for index, segmentation in enumerate(segmentations):
            if not (isinstance(segmentation, dict) or any(len(p) for p in segmentation or ())):
                x, y, width, height = self.boxes[index].tolist()
                right, low = x + width, y + height
                segmentations[index] = [[x, y, right, y, right, low, x, low]]
                crowds[index] = True
        return replace(self, segmentations=segmentations, crowds=crowds)

    def _mask(self, index: int) -> dict[str, Any]:
        segmentation, size = self.segmentations[index], self.sizes[self.images[index]]
        image = self.image_ids[self.images[index]]
        if not segmentation:
            raise ValueError(f"{self.name}: an object of image {image} has no segmentation")
        if size is None:
            raise ValueError(f"{self.name}: image {image} has no height and width")
        try:
            if isinstance(segmentation, dict):
                return checked_rle(segmentation, *size)
            # lines and points cover no pixel; an odd last number is left out
            drawn = [p[: len(p) // 2 * 2] for p in segmentation if len(p) >= 6]
            if not drawn:
                return coco_mask.frPyObjects({"size": size, "counts": [size[0] * size[1]]}, *size)
            return polygons_to_rle(drawn, *size)
        except ValueError as error:
            raise ValueError(f"{self.name}: an object of image {image}: {error}") from None


@dataclass(frozen=True)
class Detections:
    """Predictions in the numbering of a :class:`Truth`.

    Attributes:
        images, categories: (D,) indices as in :class:`Truth`; -1 for a category that it lacks.
        scores: (D,) float64; the mask scores if masks are compared and the model gives them.
        boxes: (D, 4) x, y, width, height.
        areas: (D,) areas of the masks, or of the boxes without masks.
        masks: (D,) compressed RLEs; None if boxes are compared.
    """

    images: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    masks: list[dict[str, Any]] | None

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class PrecisionCurves:
    """Precision over recall.

    Attributes:
        precision: (T, R, K, A, M), from 0 to 1; -1 without objects. K is 1 in class-agnostic
            evaluation.
        recall: (T, K, A, M), likewise.
    """

    precision: np.ndarray
    recall: np.ndarray


def read_truth(dataset: dict[str, Any], category_ids: Sequence, name: str) -> Truth:
    """Convert the content of a COCO file.

    Args:
        dataset: the content.
        category_ids: the categories to evaluate; others are left out.
        name: the file, for messages.

    Raises:
        ValueError: an annotation lacks a key that evaluation needs.
    """
    images = sorted(dataset.get("images", ()), key=lambda image: image["id"])
    image_index = {image["id"]: index for index, image in enumerate(images)}
    ids = sorted(set(category_ids))
    category_index = {category_id: index for index, category_id in enumerate(ids)}
    annotations = [
        annotation
        for annotation in dataset.get("annotations", ())
        if annotation["image_id"] in image_index and annotation["category_id"] in category_index
    ]

    def column(key: str) -> list:
        try:
            return [annotation[key] for annotation in annotations]
        except KeyError:
            without = next(a for a in annotations if key not in a)
            raise ValueError(
                f"{name}: annotation {without.get('id')} has no {key!r}, which evaluation needs"
            ) from None

    return Truth(
        name=name,
        image_ids=[image["id"] for image in images],
        category_ids=ids,
        sizes=[_size(image) for image in images],
        images=np.array([image_index[a["image_id"]] for a in annotations], int),
        categories=np.array([category_index[a["category_id"]] for a in annotations], int),
        boxes=np.array(column("bbox"), float).reshape(-1, 4),
        areas=np.array(column("area"), float),
        crowds=np.array([bool(a.get("iscrowd", 0)) for a in annotations], bool),
        segmentations=[a.get("segmentation") for a in annotations],
    )


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    if "height" not in image or "width" not in image:
        return None
    return int(image["height"]), int(image["width"])


def gather_detections(
    predictions: Sequence[dict[str, Any]], truth: Truth, category_ids: Sequence, iou_type: str
) -> Detections:
    """Join the predictions of all images in the numbering of ``truth``.

    Args:
        predictions: one dict per image: ``img_id``, ``bboxes`` (N, 4) xyxy in pixels, ``scores``
            and ``labels`` (N,), and with masks ``masks``, a list of N RLE dicts, and optionally
            ``mask_scores`` (N,).
        truth: the objects.
        category_ids: the COCO id of each label; None for a label that is not predicted.
        iou_type: "bbox" or "segm".

    Raises:
        ValueError: the annotation file lacks an image, a label has no class, or masks are missing
            or not of the image's size.
    """
    image_index = {image_id: index for index, image_id in enumerate(truth.image_ids)}
    unknown = [p["img_id"] for p in predictions if p["img_id"] not in image_index]
    if unknown:
        raise ValueError(
            f"{truth.name} lacks {len(unknown)} of the {len(predictions)} images with "
            f"predictions, ids: {', '.join(map(repr, unknown[:_NUM_NAMED]))}"
        )
    counts = [len(p["labels"]) for p in predictions]
    score_key = "mask_scores" if iou_type == "segm" else "scores"
    labels = _join([p["labels"] for p in predictions], (0,), int)
    if labels.size and not 0 <= labels.min() <= labels.max() < len(category_ids):
        raise ValueError(
            f"the predictions have labels from {labels.min()} to {labels.max()}, the dataset's "
            f"metainfo has {len(category_ids)} classes"
        )
    category_index = {category_id: index for index, category_id in enumerate(truth.category_ids)}
    category_of_label = np.array([category_index.get(c, -1) for c in category_ids], int)
    corners = _join([p["bboxes"] for p in predictions], (0, 4), float)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    masks = _masks(predictions, truth, image_index) if iou_type == "segm" else None
    return Detections(
        images=np.repeat([image_index[p["img_id"]] for p in predictions], counts).astype(int),
        categories=category_of_label[labels],
        scores=_join([p.get(score_key, p["scores"]) for p in predictions], (0,), float),
        boxes=boxes,
        areas=boxes[:, 2] * boxes[:, 3] if masks is None else _areas(masks),
        masks=masks,
    )


def _join(arrays: list, empty: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.concatenate([np.empty(empty), *arrays]).astype(dtype)


def _masks(
    predictions: Sequence[dict[str, Any]], truth: Truth, image_index: dict
) -> list[dict[str, Any]]:
    joined: list[dict[str, Any]] = []
    for prediction in predictions:
        masks, image_id = prediction.get("masks", ()), prediction["img_id"]
        if len(masks) != len(prediction["labels"]):
            raise ValueError(
                f"metric segm: image {image_id!r} has {len(prediction['labels'])} predictions "
                f"and {len(masks)} masks"
            )
        size = truth.sizes[image_index[image_id]]
        wrong = next((m["size"] for m in masks if size and tuple(m["size"]) != size), None)
        if wrong is not None:
            raise ValueError(
                f"image {image_id!r} has a predicted mask of size {list(wrong)} (height, width), "
                f"the image in {truth.name} has {list(size or ())}"
            )
        joined += masks
    return joined


def _areas(masks: list[dict[str, Any]]) -> np.ndarray:
    chunks = [masks[i : i + _MAX_MASKS] for i in range(0, len(masks), _MAX_MASKS)]
    return _join([coco_mask.area(chunk) for chunk in chunks], (0,), float)
