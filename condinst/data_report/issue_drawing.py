"""Draw issues: the object in its surroundings, with its box, mask and polygons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from mmengine.structures import InstanceData
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from condinst.data_report.examination import Examination
from condinst.data_report.issues import Issue, Item
from condinst.data_report.mask_measures import rasterize
from condinst.images.sources import read_image
from condinst.masks.crop import Crop
from condinst.utils.words import counted
from condinst.visualization.instances import draw_instances

__all__ = ["draw_issue", "draw_objects"]

_MAX_DRAWN = 6  # places of an issue
_SIDE = 480  # least length of the longer side, pixels
_EDGE = 16  # pixels around objects outside the image
_GROUND = 128  # gray value outside the image
_RED = (255, 40, 40)
_BLUE = 9  # label with the color blue
_SMALLEST = 96  # least side of a cut-out in pixels, so that surroundings are visible
Window = tuple[int, int, int, int]  # xyxy in image pixels; may leave the image
Drawn = tuple[np.ndarray, str]  # RGB, caption


def draw_issue(examination: Examination, issue: Issue, limit: int = _MAX_DRAWN) -> list[Drawn]:
    """Draw the first places of an issue, in as many different images as possible.

    Args:
        examination: the dataset.
        issue: one of its issues.
        limit: the largest number of places to draw.

    Returns:
        (RGB image, caption) pairs; images that cannot be read are left out.
    """
    if examination.source.images is None:
        return []
    drawn: list[Drawn] = []
    for item in _spread(issue.items):
        if len(drawn) == limit:
            break
        if item.image is None or item.image in examination.facts.missing:
            continue
        try:
            image = _read(examination, item.image)
        except (ValueError, OSError):
            continue
        caption = [examination.source.file.file_names[item.image]]
        if item.annotation is None:
            whole = draw_objects(examination, [item.image])
            canvas = whole[0][0] if whole else _draw_boxes(examination, image, item.image)
        else:
            caption.append(f"annotation {examination.source.file.ann_ids[item.annotation]}")
            canvas = _draw_annotation(examination, image, item.annotation)
        drawn.append((canvas, ": ".join(filter(None, [", ".join(caption), item.detail]))))
    return drawn


def draw_objects(examination: Examination, images: Sequence[int]) -> list[Drawn]:
    """Draw whole images with their masks, and with boxes where an object has only a box.

    Images that cannot be read are left out.
    """
    source = examination.source
    drawn: list[Drawn] = []
    if source.images is None:
        return drawn
    names = [name for _, name in source.file.categories]
    for i in images:
        size = int(source.file.sizes[i][0]), int(source.file.sizes[i][1])
        if min(size) < 1:
            continue
        try:
            image = read_image(source.image_path(i), size)
        except (ValueError, OSError):
            continue
        chosen = np.flatnonzero(
            (source.file.image_index == i) & (source.file.category_index >= 0) & ~source.file.crowd
        )
        usable = examination.masks.usable
        boxes = source.file.boxes
        alone = source.file.without_mask & np.isfinite(boxes).all(axis=1)
        chosen = chosen[usable[chosen] | alone[chosen]]
        masks = [
            Crop.of(coco_mask.decode(rasterize(source.mask(a), *size)))
            if usable[a]
            else Crop(np.zeros((0, 0), bool), 0, 0)
            for a in chosen
        ]
        objects = InstanceData(labels=source.file.category_index[chosen], masks=masks)
        if alone[chosen].any():
            corner = boxes[chosen, :2]
            objects.bboxes = np.concatenate([corner, corner + boxes[chosen, 2:]], axis=1)
        shown = draw_instances(image, objects, names, enlarge=True)
        drawn.append((shown, f"{source.file.file_names[i]}: {counted(len(chosen), 'object')}"))
    return drawn


def _spread(items: Sequence[Item]) -> list[Item]:
    """Return the items with one of each image first."""
    seen: set[int | None] = set()
    first: list[Item] = []
    more: list[Item] = []
    for item in items:
        (more if item.image in seen else first).append(item)
        seen.add(item.image)
    return first + more


def _read(examination: Examination, index: int) -> np.ndarray:
    """Read an image at the annotated size if possible, else as it is."""
    path = examination.source.image_path(index)
    size = tuple(int(side) for side in examination.source.file.sizes[index])
    try:
        return read_image(path, (size[0], size[1]))
    except ValueError:
        return read_image(path)


def _draw_boxes(examination: Examination, image: np.ndarray, index: int) -> np.ndarray:
    """Draw the boxes of the annotations on the whole image, without scaling them to its size."""
    file = examination.source.file
    boxes = file.boxes[(file.image_index == index) & np.isfinite(file.boxes).all(axis=1)]
    height, width = (int(side) for side in file.sizes[index])
    right = min(max(image.shape[1], width), 2 * image.shape[1])
    low = min(max(image.shape[0], height), 2 * image.shape[0])
    window = (0, 0, right, low)
    part, scale = _cut(image, window)
    pen = ImageDraw.Draw(part)
    for x, y, w, h in boxes:
        _rectangle(pen, (x, y, x + w, y + h), window, scale)
    return np.asarray(part)


def _draw_annotation(examination: Examination, image: np.ndarray, i: int) -> np.ndarray:
    """Draw an annotation's mask, box, polygons and crossings on a cut-out of the image."""
    source, masks = examination.source, examination.masks
    box, mask_box = source.file.boxes[i], masks.boxes[i]
    window = _window([box, mask_box], image)
    part, scale = _cut(image, window)
    mask = source.mask(i)
    if masks.usable[i] and image.shape[:2] == tuple(source.size_of_annotation[i]):
        part = _blend(part, coco_mask.decode(rasterize(mask, *image.shape[:2])), window, scale)
    pen = ImageDraw.Draw(part)
    if np.isfinite(box).all():
        x, y, width, height = box
        _rectangle(pen, (x, y, x + width, y + height), window, scale)
    if isinstance(mask, list) and np.isfinite(mask_box).all():
        for polygon in mask:
            points = [_place(p, window, scale) for p in zip(polygon[::2], polygon[1::2])]  # noqa: B905
            if len(points) > 1:
                pen.line([*points, points[0]], fill=(255, 255, 255), width=2)
    for crossing in masks.crossings:
        if crossing.annotation == i:
            cx, cy = _place(crossing.at, window, scale)
            pen.ellipse((cx - 12, cy - 12, cx + 12, cy + 12), outline=_RED, width=3)
    return np.asarray(part)


def _window(boxes: Sequence[np.ndarray], image: np.ndarray) -> Window:
    """Return a window around the boxes, at most half an image outside the image."""
    height, width = image.shape[:2]
    known = [box for box in boxes if np.isfinite(box).all()]
    if not known:
        return (0, 0, width, height)
    low = np.min([box[:2] for box in known], axis=0)
    high = np.max([box[:2] + np.maximum(box[2:], 0) for box in known], axis=0)
    span = np.maximum(2 * (high - low), _SMALLEST)
    span = np.maximum(span, 0.7 * span.max())
    # the window leaves the image only where a box does
    limits = np.array([width, height])
    first = np.where(low < -1, np.maximum(low - _EDGE, -limits / 2), 0)
    last = np.where(high > limits + 1, np.minimum(high + _EDGE, 1.5 * limits), limits)
    # the window keeps a part of the image, however far away the box is
    start = np.clip((low + high - span) / 2, first, np.maximum(0, limits - 3 * _EDGE))
    end = np.clip((low + high + span) / 2, np.maximum(0, start) + _EDGE, last)
    return math.floor(start[0]), math.floor(start[1]), math.ceil(end[0]), math.ceil(end[1])


def _cut(image: np.ndarray, window: Window) -> tuple[Image.Image, int]:
    """Return a cut-out of the image, enlarged by a whole number, and that number."""
    x1, y1, x2, y2 = window
    canvas = np.full((y2 - y1, x2 - x1, 3), _GROUND, np.uint8)
    top, low = max(0, y1), min(image.shape[0], y2)
    left, right = max(0, x1), min(image.shape[1], x2)
    if top < low and left < right:
        canvas[top - y1 : low - y1, left - x1 : right - x1] = image[top:low, left:right]
    scale = max(1, -(-_SIDE // max(canvas.shape[:2])))
    part: Image.Image = Image.fromarray(canvas)
    size = (part.width * scale, part.height * scale)
    return part.resize(size, Image.Resampling.BICUBIC), scale


def _blend(part: Image.Image, mask: np.ndarray, window: Window, scale: int) -> Image.Image:
    x1, y1, x2, y2 = window
    rows, columns = np.mgrid[y1:y2, x1:x2]
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    cut = np.zeros(rows.shape, bool)
    cut[inside] = mask[rows[inside], columns[inside]] > 0
    crop = Crop.of(cut.repeat(scale, axis=0).repeat(scale, axis=1))
    objects = InstanceData(labels=np.array([_BLUE]), masks=[crop])
    classes = [""] * (_BLUE + 1)
    return Image.fromarray(draw_instances(np.asarray(part), objects, classes, names=False))


def _place(point: Sequence[float], window: Window, scale: int) -> tuple[float, float]:
    return (point[0] - window[0]) * scale, (point[1] - window[1]) * scale


def _rectangle(
    pen: ImageDraw.ImageDraw, edges: Sequence[float], window: Window, scale: int
) -> None:
    x1, y1 = _place(edges[:2], window, scale)
    x2, y2 = _place(edges[2:], window, scale)
    pen.rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), outline=_RED, width=2)
