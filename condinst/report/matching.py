"""What was found against what there is, image by image: IoUs, and COCO's way of pairing.

Letters: P images, and of one image D detections, G objects that count, C crowds. Detections
are always in falling order of their scores, and places are those in the flat arrays of
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
    """One image's detections and objects, and how far they overlap.

    Attributes:
        found: (D,) places of the detections, by falling score.
        objects: (G,) places of the objects that are no crowds.
        crowds: (C,) places of the crowds.
        ious: (D, G) of masks where detections and objects have them, else of boxes.
        inside: (D, C) share of a detection that lies in a crowd.
    """

    found: np.ndarray
    objects: np.ndarray
    crowds: np.ndarray
    ious: np.ndarray
    inside: np.ndarray


@dataclass(frozen=True)
class Pairing:
    """Which object each detection stands for.

    Attributes:
        object_of: for every detection the place of its object, FREE without one (a false
            positive), or IGNORED where it counts neither for nor against: it lies in a crowd, or is
            beyond the cap.
        ious: of each detection with its object; 0 without one.
        found: for every object whether it has a detection; False for crowds.
    """

    object_of: np.ndarray
    ious: np.ndarray
    found: np.ndarray


def compare_images(truth: Truth, detections: Detections, max_dets: int) -> list[MatchedImage]:
    """The P images in the order of ``truth.image_ids``.

    Args:
        max_dets: of an image's detections of each class, so many best ones are looked at.

    Raises:
        ValueError: masks are compared, and an object has none.
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
    """How many detections of the same image and class come before each, in ``order``."""
    if not len(order):
        return np.zeros(0, int)
    images, categories = detections.images[order], detections.categories[order]
    grouped = np.lexsort((categories, images))  # stable: within a group still by score
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
    """Give each detection, best first, the free object that it overlaps most, by COCO's rules.

    An object has one detection at most; a crowd takes in any number that have no object.

    Args:
        iou_thr: the least overlap.
        same_class: whether a detection can only have an object of its own class.
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
    """(D,) the column that each row gets, -1 for none."""
    chosen = np.full(len(overlaps), -1)
    if not overlaps.size:
        return chosen
    remaining = overlaps.copy()
    last = overlaps.shape[1] - 1
    for row in np.flatnonzero(overlaps.max(axis=1) >= iou_thr):
        column = last - int(remaining[row, ::-1].argmax())  # of equals the last one, as COCO
        if remaining[row, column] >= iou_thr:
            chosen[row] = column
            remaining[:, column] = -1.0
    return chosen
