"""Select the instances to draw from results or InstanceData, largest first.

Shapes: M instances, H x W pixels of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from condinst.masks.crop import Crop

__all__ = ["SCORE_THR", "DrawnInstances", "check_score_thr", "select"]

# Instances with lower scores are not shown to people unless they ask for them.
SCORE_THR = 0.3


@dataclass
class DrawnInstances:
    """The instances to draw, as numpy arrays in the image's pixels.

    Attributes:
        labels: (M,) int, class indices.
        crops: M masks; None if there are only boxes.
        boxes: (M, 4) xyxy; None if there are only masks.
        scores: (M,); None for ground truth.
        track_ids: (M,) int; None if nothing has been tracked.
    """

    labels: np.ndarray
    crops: list[Crop] | None
    boxes: np.ndarray | None
    scores: np.ndarray | None
    track_ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, order: np.ndarray) -> DrawnInstances:
        return DrawnInstances(
            self.labels[order],
            None if self.crops is None else [self.crops[i] for i in order],
            None if self.boxes is None else self.boxes[order],
            None if self.scores is None else self.scores[order],
            None if self.track_ids is None else self.track_ids[order],
        )

    def frame(self, index: int) -> np.ndarray:
        """Return the (4,) xyxy box of an instance; without boxes, that of its mask's pixels."""
        if self.boxes is not None:
            return self.boxes[index]
        assert self.crops is not None  # select requires masks or boxes
        crop = self.crops[index]
        return np.array([crop.x, crop.y, crop.x + crop.mask.shape[1], crop.y + crop.mask.shape[0]])

    def enlarged(self, factor: int) -> DrawnInstances:
        """Enlarge the instances, for an image enlarged by a whole number."""
        crops = self.crops and [
            Crop(
                crop.mask.repeat(factor, axis=0).repeat(factor, axis=1),
                crop.x * factor,
                crop.y * factor,
            )
            for crop in self.crops
        ]
        boxes = None if self.boxes is None else self.boxes * factor
        return DrawnInstances(self.labels, crops, boxes, self.scores, self.track_ids)


def check_score_thr(value: Any) -> float:
    """Check a score threshold.

    Raises:
        ValueError: the threshold is not a number from 0 to 1.
    """
    try:
        usable = not isinstance(value, bool | str) and 0 <= float(value) <= 1
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise ValueError(f"score_thr={value!r}: expected a number from 0 to 1")
    return float(value)


def select(
    image: np.ndarray, instances: Any, classes: Sequence[str], score_thr: float
) -> DrawnInstances:
    """Check the arguments and select the instances above the threshold, largest first.

    The arguments and errors are those of :func:`condinst.visualization.instances.draw_instances`.
    """
    score_thr = check_score_thr(score_thr)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    read = _from_crops if hasattr(instances, "crops") else _from_fields
    found = read(instances, image)
    if len(found) and not 0 <= found.labels.min() <= found.labels.max() < len(classes):
        raise ValueError(
            f"labels: expected 0 to {len(classes) - 1}, got {np.unique(found.labels).tolist()}"
        )
    if found.crops is not None:
        areas = np.array([np.count_nonzero(crop.mask) for crop in found.crops])
    elif found.boxes is not None:
        boxes = found.boxes
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    else:
        raise ValueError("instances: expected masks or bboxes, found neither")
    order = np.argsort(-areas, kind="stable")  # small instances are drawn last, on top
    if found.scores is not None:
        order = order[found.scores[order] >= score_thr]
    return found[order]


def _from_crops(results: Any, image: np.ndarray) -> DrawnInstances:
    _check_size(results.image_size, image)
    rows = results.labels, results.crops, results.boxes, results.scores
    return DrawnInstances(*rows, results.track_ids)


def _from_fields(instances: Any, image: np.ndarray) -> DrawnInstances:
    crops = _to_crops(instances.masks, image) if "masks" in instances else None
    boxes = _to_numpy(instances.bboxes).reshape(-1, 4) if "bboxes" in instances else None
    scores = _to_numpy(instances.scores) if "scores" in instances else None
    return DrawnInstances(_to_numpy(instances.labels).astype(int), crops, boxes, scores)


def _to_crops(masks: Any, image: np.ndarray) -> list[Crop]:
    if isinstance(masks, list) and all(hasattr(mask, "mask") for mask in masks):
        crops = [Crop.of(_to_numpy(crop.mask)) for crop in masks]
        return [
            Crop(cut.mask, cut.x + crop.x, cut.y + crop.y)
            for cut, crop in zip(crops, masks, strict=True)
        ]
    if hasattr(masks, "crops") and masks.box_only.any():  # CropMasks; an unknown mask is not drawn
        _check_size((masks.height, masks.width), image)
        empty = Crop(np.zeros((0, 0), bool), 0, 0)
        return [
            empty if is_box else crop
            for crop, is_box in zip(masks.crops, masks.box_only, strict=True)
        ]
    if hasattr(masks, "to_ndarray"):  # BitmapMasks, PolygonMasks
        masks = masks.to_ndarray()
    elif isinstance(masks, list) and masks and isinstance(masks[0], dict):  # COCO's RLE
        from pycocotools import mask as coco_mask

        masks = coco_mask.decode(masks).transpose(2, 0, 1)
    masks = _to_numpy(masks)
    if len(masks):
        _check_size(masks.shape[1:], image)
    return [Crop.of(mask) for mask in masks]


def _check_size(size: Sequence[int], image: np.ndarray) -> None:
    if tuple(size) != image.shape[:2]:
        raise ValueError(f"masks: expected the image's size {image.shape[:2]}, got {tuple(size)}")


def _to_numpy(values: Any) -> np.ndarray:
    values = getattr(values, "tensor", values)  # HorizontalBoxes
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
