"""Compare detections with objects image by image: IoUs, and pairing by COCO's rules.

Shapes: P images; in one image D detections, G objects that are not crowds, C crowds. Detections are
always in descending order of their scores. Places are indices into the flat arrays of
:mod:`condinst.evaluation.matches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from condinst.evaluation.matches import Detections, Truth

__all__ = ["FREE", "IGNORED", "Pairing", "MatchedImage", "compare_images", "pair"]

FREE, IGNORED = -1, -2


@dataclass(frozen=True)
class MatchedImage:
    """The detections and objects of one image and their overlaps.

    Attributes:
        found: (D,) places of the detections, by descending score.
        objects: (G,) places of the objects that are not crowds.
        crowds: (C,) places of the crowds.
        ious: (D, G) IoUs of the masks if both sides have masks, else of the boxes.
        inside: (D, C) fraction of a detection that lies in a crowd.
    """

    found: np.ndarray
    objects: np.ndarray
    crowds: np.ndarray
    ious: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True)
class Pairing:
    """The object of each detection.

    Attributes:
        object_of: for each detection the place of its object; FREE without one (a false
            positive); IGNORED if the detection is not counted, because it lies in a crowd or is
            beyond the cap.
        ious: for each detection its IoU with its object; 0 without one.
        found: for each object whether it has a detection; False for crowds.
    """

    object_of: np.ndarray
    ious: np.ndarray
    found: np.ndarray


def compare_images(truth: Truth, detections: Detections, max_dets: int) -> list[MatchedImage]:
    """Compute the overlaps in all P images.

    Args:
        truth: the objects.
        detections: the detections.
        max_dets: number of best detections per image and class to compare.

    Returns:
        The images in the order of ``truth.image_ids``.

    Raises:
        ValueError: masks are compared, and an object has no mask.
    """
    order = np.lexsort((-detections.scores, detections.images))  # stable, as pycocotools sorts
    order = order[_rank_in_class(detections, order) < max_dets]
    images = np.arange(len(truth.image_ids))
    found_at = np.searchsorted(detections.images[order], [images, images + 1])
    by_image = np.argsort(truth.images, kind="stable")
    objects_at = np.searchsorted(truth.images[by_image], [images, images + 1])
    return [
        _compare(
            truth,
            detections,
            order[slice(*found_at[:, image])],
            by_image[slice(*objects_at[:, image])],
        )
        for image in images
    ]


def _rank_in_class(detections: Detections, order: np.ndarray) -> np.ndarray:
    """Return how many detections of the same image and class precede each one in ``order``."""
    if not len(order):
        return np.zeros(0, int)
    images, categories = detections.images[order], detections.categories[order]
    grouped = np.lexsort((categories, images))  # stable: groups stay sorted by score
    groups = np.stack([images[grouped], categories[grouped]])
    is_first = np.append(True, (groups[:, 1:] != groups[:, :-1]).any(axis=0))
    place = np.arange(len(order))
    rank = np.empty(len(order), int)
    rank[grouped] = place - np.maximum.accumulate(np.where(is_first, place, 0))
    return rank


def _compare(
    truth: Truth, detections: Detections, found: np.ndarray, annotated: np.ndarray
) -> MatchedImage:
    is_crowd = truth.crowds[annotated]
    objects, crowds = annotated[~is_crowd], annotated[is_crowd]

    def overlap(places: np.ndarray, crowd: int) -> np.ndarray:
        if not len(found) or not len(places):
            return np.zeros((len(found), len(places)))
        flags = [crowd] * len(places)
        if detections.masks is None:
            return coco_mask.iou(detections.boxes[found], truth.boxes[places], flags)
        masks = [truth.masks[i] for i in places]
        return coco_mask.iou([detections.masks[i] for i in found], masks, flags)

    return MatchedImage(found, objects, crowds, overlap(objects, 0), overlap(crowds, 1))


def pair(
    images: Sequence[MatchedImage],
    truth: Truth,
    detections: Detections,
    *,
    iou_thr: float = 0.5,
    same_class: bool = True,
) -> Pairing:
    """Pair detections with objects by COCO's rules.

    Each detection, the best one first, gets the free object with the greatest IoU. An object gets
    at most one detection. Any number of detections without an object may lie in a crowd.

    Args:
        images: the overlaps, from :func:`compare_images`.
        truth: the objects.
        detections: the detections.
        iou_thr: the least overlap of a pair.
        same_class: whether a detection and its object must be of one class.
    """
    object_of = np.full(len(detections), IGNORED)
    ious = np.zeros(len(detections))
    for image in images:
        overlaps, inside = image.ious, image.inside
        if same_class:
            classes = detections.categories[image.found][:, None]
            overlaps = np.where(classes == truth.categories[image.objects], overlaps, -1.0)
            inside = np.where(classes == truth.categories[image.crowds], inside, -1.0)
        chosen = _choose(overlaps, iou_thr)
        has_one = chosen >= 0
        free = np.full(len(image.found), FREE)
        if inside.size:
            free[inside.max(axis=1) >= iou_thr] = IGNORED
        free[has_one] = image.objects[chosen[has_one]]
        object_of[image.found] = free
        ious[image.found[has_one]] = overlaps[has_one, chosen[has_one]]
    found = np.zeros(len(truth.images), bool)
    found[object_of[object_of >= 0]] = True
    return Pairing(object_of, ious, found)


def _choose(overlaps: np.ndarray, iou_thr: float) -> np.ndarray:
    """Return (D,) the column that each row gets, -1 for none."""
    chosen = np.full(len(overlaps), -1)
    if not overlaps.size:
        return chosen
    remaining = overlaps.copy()
    last = overlaps.shape[1] - 1
    for row in np.flatnonzero(overlaps.max(axis=1) >= iou_thr):
        column = last - int(remaining[row, ::-1].argmax())  # the last of a tie, as in COCO
        if remaining[row, column] >= iou_thr:
            chosen[row] = column
            remaining[:, column] = -1.0
    return chosen
