"""Pictures of instances: half-transparent masks, outlines, boxes and labels.

mmdet's visualizer is not used: it jitters its colours with numpy's global random state, so that a
class has no fixed colour and drawing disturbs a seeded run, and its labels have one size.

Letters in the comments: M = instances, H, W = height and width of the picture in pixels.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmengine.structures import InstanceData
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as coco_mask

__all__ = ["class_color", "draw_instances", "draw_side_by_side"]

_MASK_ALPHA = 0.45
_MIN_SIDE = 480  # smaller pictures are enlarged beside each other, or their labels hide them
_GOLDEN_RATIO = 0.618034

Color = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]  # xyxy


@dataclass
class _Shown:
    """The instances to draw, as numpy arrays in the picture's pixels."""

    labels: np.ndarray  # (M,) int
    masks: np.ndarray | None  # (M, H, W) bool
    boxes: np.ndarray | None  # (M, 4) xyxy
    scores: np.ndarray | None  # (M,)


def class_color(label: int) -> Color:
    """RGB colour of a class: always the same, and far from that of the classes next to it."""
    hue = (0.02 + label * _GOLDEN_RATIO) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.85, 0.6)[label // 8 % 2], 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_instances(
    image: np.ndarray, instances: InstanceData, classes: Sequence[str], score_thr: float = 0.3
) -> np.ndarray:
    """Draw ground truth or predictions on a picture.

    Args:
        image: (H, W, 3) uint8, RGB. It is not changed.
        instances: ``labels`` and at least one of ``masks`` ((M, H, W) bool tensor or array, or
            mmdet's BitmapMasks or PolygonMasks) and ``bboxes`` ((M, 4) xyxy, tensor or mmdet's
            boxes), in the picture's pixels; ``scores`` where they are predictions.
        classes: the name of every label.
        score_thr: an instance with a score below is not drawn.

    Raises:
        ValueError: the picture, the masks' size or a label does not fit.
    """
    return _draw(image, _select(image, instances, classes, score_thr), classes)


def draw_side_by_side(
    image: np.ndarray,
    gt: InstanceData,
    pred: InstanceData,
    classes: Sequence[str],
    score_thr: float = 0.3,
) -> np.ndarray:
    """Ground truth on the left, prediction on the right, each under its title.

    The arguments are those of :func:`draw_instances`. A small picture is enlarged by a whole
    number.
    """
    factor = max(1, -(-_MIN_SIDE // max(image.shape[:2])))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image
    panels = []
    for title, instances in (("ground truth", gt), ("prediction", pred)):
        shown = _enlarge(_select(image, instances, classes, score_thr), factor)
        panels.append(_with_title(_draw(large, shown, classes), f"{title} ({len(shown.labels)})"))
    gap = np.full((panels[0].shape[0], 6, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1]], axis=1)


def _select(
    image: np.ndarray, instances: InstanceData, classes: Sequence[str], score_thr: float
) -> _Shown:
    """Check the arguments and take the instances above the threshold, largest first."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    labels = _to_numpy(instances.labels).astype(int)
    if labels.size and not 0 <= labels.min() <= labels.max() < len(classes):
        raise ValueError(
            f"labels: expected 0 to {len(classes) - 1}, got {np.unique(labels).tolist()}"
        )
    masks = _to_numpy(instances.masks).astype(bool) if "masks" in instances else None
    if masks is not None and len(masks) == 0:  # a list of codes has no size then
        masks = np.zeros((0, *image.shape[:2]), bool)
    if masks is not None and len(masks) and masks.shape[1:] != image.shape[:2]:
        raise ValueError(
            f"masks: expected the picture's size {image.shape[:2]}, got {masks.shape[1:]}"
        )
    boxes = _to_numpy(instances.bboxes).reshape(-1, 4) if "bboxes" in instances else None
    scores = _to_numpy(instances.scores) if "scores" in instances else None

    if masks is not None:
        areas = masks.sum(axis=(1, 2))
    elif boxes is not None:
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    else:
        raise ValueError("instances: expected masks or bboxes, found neither")
    order = np.argsort(-areas, kind="stable")  # the small ones end up on top
    if scores is not None:
        order = order[scores[order] >= score_thr]
    return _Shown(
        labels=labels[order],
        masks=None if masks is None else masks[order],
        boxes=None if boxes is None else boxes[order],
        scores=None if scores is None else scores[order],
    )


def _to_numpy(values: Any) -> np.ndarray:
    if hasattr(values, "to_ndarray"):  # BitmapMasks, PolygonMasks
        return values.to_ndarray()
    if isinstance(values, list) and values and isinstance(values[0], dict):  # COCO's RLE
        return coco_mask.decode(values).transpose(2, 0, 1)
    values = getattr(values, "tensor", values)  # HorizontalBoxes
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def _enlarge(shown: _Shown, factor: int) -> _Shown:
    masks = shown.masks
    if masks is not None:
        masks = masks.repeat(factor, axis=1).repeat(factor, axis=2)
    boxes = None if shown.boxes is None else shown.boxes * factor
    return _Shown(shown.labels, masks, boxes, shown.scores)


def _draw(image: np.ndarray, shown: _Shown, classes: Sequence[str]) -> np.ndarray:
    canvas = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    colors = [class_color(label) for label in shown.labels]
    if shown.masks is not None:
        for mask, color in zip(shown.masks, colors, strict=True):
            blended = (1 - _MASK_ALPHA) * canvas[mask] + _MASK_ALPHA * np.array(color)
            canvas[mask] = blended.astype(np.uint8)
        for mask, color in zip(shown.masks, colors, strict=True):
            contours, _ = cv2.findContours(
                mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
            )
            # Dark below bright: seen on every ground, also where the object has its class's colour.
            cv2.drawContours(canvas, contours, -1, (0, 0, 0), thickness + 2, cv2.LINE_AA)
            cv2.drawContours(canvas, contours, -1, color, thickness, cv2.LINE_AA)
    if shown.boxes is not None:
        for box, color in zip(np.rint(shown.boxes).astype(int).tolist(), colors, strict=True):
            cv2.rectangle(canvas, box[:2], box[2:], color, 1)
    return _draw_labels(canvas, shown, colors, classes)


def _draw_labels(
    canvas: np.ndarray, shown: _Shown, colors: list[Color], classes: Sequence[str]
) -> np.ndarray:
    """Write each name near its instance, where it hides no other name if there is such a place."""
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_font_size(canvas))
    taken: list[Rectangle] = []
    for i, (label, color) in enumerate(zip(shown.labels, colors, strict=True)):
        box = shown.boxes[i] if shown.boxes is not None else _mask_box(shown.masks, i)
        text = classes[label] if shown.scores is None else f"{classes[label]} {shown.scores[i]:.2f}"
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        width, height = round(right - left) + 6, round(bottom - top) + 4
        place = _find_place(box, width, height, picture.size, taken)
        taken.append(place)
        pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=color)
        bright = np.dot(color, (0.299, 0.587, 0.114)) > 110
        ink = (0, 0, 0) if bright else (255, 255, 255)
        pen.text((place[0] + 3 - left, place[1] + 2 - top), text, font=font, fill=ink)
    return np.asarray(picture)


def _font_size(canvas: np.ndarray) -> int:
    return max(12, round(max(canvas.shape[:2]) / 45))


def _mask_box(masks: np.ndarray | None, index: int) -> np.ndarray:
    assert masks is not None  # _select has seen masks or boxes
    rows, columns = np.nonzero(masks[index])
    if not len(rows):
        return np.zeros(4)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def _find_place(
    box: np.ndarray, width: int, height: int, size: tuple[int, int], taken: list[Rectangle]
) -> Rectangle:
    """Above the box, else inside its top, below it, inside its bottom, at its right side."""
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    corners = [(x1, y1 - height), (x1, y1), (x1, y2), (x1, y2 - height), (x2 - width, y1)]
    places = []
    for x, y in corners:
        x, y = max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))
        places.append((x, y, x + width, y + height))
    return next((p for p in places if not any(_overlap(p, t) for t in taken)), places[0])


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _with_title(panel: np.ndarray, title: str) -> np.ndarray:
    font_size = _font_size(panel) + 2
    strip = Image.new("RGB", (panel.shape[1], font_size + 10), "white")
    font = ImageFont.load_default(font_size)
    ImageDraw.Draw(strip).text((4, 3), title, font=font, fill="black")
    return np.concatenate([np.asarray(strip), panel], axis=0)
