"""Draw instances on images: half-transparent masks, smooth outlines, boxes and names.

mmdet's visualizer is not used for two reasons. It jitters its colors with numpy's global random
state, so that a class has no fixed color and drawing disturbs a seeded run; and its labels have one
size. This module needs numpy and pillow alone, so that predictors without PyTorch and OpenCV can
draw too.
"""

from __future__ import annotations

import colorsys
import functools
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from condinst.masks.crop import Crop
from condinst.masks.polygons import trace
from condinst.visualization.labels import Color, Names, check_names, draw_labels, with_title
from condinst.visualization.selection import SCORE_THR, DrawnInstances, select

__all__ = [
    "class_color",
    "draw_closeups",
    "draw_instances",
    "draw_panels",
    "draw_side_by_side",
]

_MASK_ALPHA = 0.45
_MIN_SIDE = 480  # smaller images are enlarged, or names would hide their objects
_GOLDEN_RATIO = 0.618034


def class_color(label: int) -> Color:
    """Return the RGB color of a class: fixed, and distinct from the colors of adjacent labels."""
    hue = (0.02 + label * _GOLDEN_RATIO) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.85, 0.6)[label // 8 % 2], 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_instances(
    image: np.ndarray,
    instances: Any,
    classes: Sequence[str],
    score_thr: float = SCORE_THR,
    *,
    boxes: bool = True,
    names: Names = "auto",
    enlarge: bool = False,
) -> np.ndarray:
    """Draw ground truth or predictions on an image.

    Args:
        image: (H, W, 3) uint8, RGB. It is not changed.
        instances: :class:`condinst.Results`, or InstanceData with ``labels`` and at least one of
            ``masks`` ((M, H, W) bool tensor or array, RLEs, crops, or mmdet's BitmapMasks or
            PolygonMasks) and ``bboxes`` ((M, 4) xyxy, tensor or mmdet's boxes), in the image's
            pixels; predictions also have ``scores``.
        classes: the name of every label.
        score_thr: instances with a lower score are not drawn.
        boxes: whether to draw boxes in addition to masks.
        names: which names and scores to write. "auto" leaves out the name of the only class, and
            every label that would hide more than a fifth of an object's box; True writes all that
            have a place beside each other, False none.
        enlarge: whether to enlarge an image of less than 480 pixels by a whole number, so that
            names do not hide its objects.

    Returns:
        (H, W, 3) uint8, RGB, or a multiple of that size.

    Raises:
        ValueError: the image has another shape or type, masks have another size than the image, a
            label has no class, there are neither masks nor boxes, ``score_thr`` is not from 0 to 1,
            or ``names`` is something else.
    """
    selected = select(image, instances, classes, score_thr)
    if enlarge:
        image, selected = _enlarged(image, selected)
    return _draw(image, selected, classes, boxes, names)


def draw_side_by_side(
    image: np.ndarray,
    gt: Any,
    pred: Any,
    classes: Sequence[str],
    score_thr: float = SCORE_THR,
    *,
    boxes: bool = True,
    names: Names = "auto",
) -> np.ndarray:
    """Draw ground truth on the left and predictions on the right, each under a title.

    The arguments and errors are those of :func:`draw_instances`. A small image is enlarged by a
    whole number.
    """
    panels = draw_panels(image, gt, pred, classes, score_thr, boxes=boxes, names=names)
    return _in_a_row([with_title(panel, title) for title, panel in panels])


def draw_panels(
    image: np.ndarray,
    gt: Any,
    pred: Any,
    classes: Sequence[str],
    score_thr: float = SCORE_THR,
    *,
    boxes: bool = True,
    names: Names = "auto",
) -> list[tuple[str, np.ndarray]]:
    """Draw ground truth and predictions, and return (title, image) of both.

    The arguments and errors are those of :func:`draw_side_by_side`.
    """
    panels = []
    for title, instances in (("ground truth", gt), ("prediction", pred)):
        large, selected = _enlarged(image, select(image, instances, classes, score_thr))
        drawn = _draw(large, selected, classes, boxes, names)
        panels.append((f"{title} ({len(selected)})", drawn))
    return panels


def _enlarged(image: np.ndarray, selected: DrawnInstances) -> tuple[np.ndarray, DrawnInstances]:
    """Enlarge a small image and its instances by a whole number."""
    factor = max(1, -(-_MIN_SIDE // max(image.shape[:2])))
    if factor == 1:
        return image, selected
    size = (image.shape[1] * factor, image.shape[0] * factor)
    large = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    return large, selected.enlarged(factor)


def draw_closeups(
    image: np.ndarray,
    instances: Any,
    classes: Sequence[str],
    score_thr: float = SCORE_THR,
    *,
    gt: Any = None,
    num: int = 3,
    size: int = 48,
    zoom: int = 8,
) -> np.ndarray:
    """Draw enlarged parts of the image around mask edges, in which single pixels are visible.

    Outlines follow the pixels' edges: those of ``instances`` in the class color, those of the
    ground truth in white. Each of the largest masks gets one close-up, around its highest pixel.

    Args:
        image, instances, classes, score_thr: see :func:`draw_instances`; masks are required.
        gt: ground truth, or None.
        num: most close-ups.
        size: side of the square part of the image, in pixels.
        zoom: factor of enlargement.

    Returns:
        The close-ups in a row, (H, W, 3) uint8; without any mask, the middle of the image.

    Raises:
        ValueError: there are no masks, or see :func:`draw_instances`.
    """
    selected = select(image, instances, classes, score_thr)
    true = None if gt is None else select(image, gt, classes, score_thr)
    if selected.crops is None:
        raise ValueError("instances: expected masks, found none")
    places = [
        (crop.x + int(crop.mask[0].argmax()), crop.y) for crop in selected.crops if crop.mask.size
    ]
    panels = []
    for x, y in places[:num] or [(image.shape[1] // 2, image.shape[0] // 2)]:
        left = max(0, min(x - size // 2, image.shape[1] - size))
        top = max(0, min(y - size // 2, image.shape[0] - size))
        part = Image.fromarray(image[top : top + size, left : left + size])
        canvas = part.resize((part.width * zoom, part.height * zoom), Image.Resampling.NEAREST)
        window = (left, top, left + part.width, top + part.height)
        for layer, white in ((true, True), (selected, False)):
            if layer is not None:
                _draw_pixel_edges(canvas, layer, window, zoom, white)
        panels.append(np.asarray(canvas))
    return _in_a_row(panels)


def _draw_pixel_edges(
    canvas: Image.Image,
    selected: DrawnInstances,
    window: tuple[int, int, int, int],
    zoom: int,
    white: bool,
) -> None:
    """Draw mask outlines along the pixels' edges; ``window`` is xyxy in the image's pixels."""
    pen = ImageDraw.Draw(canvas)
    x1, y1, x2, y2 = window
    for label, crop in zip(selected.labels, selected.crops or (), strict=True):
        # a margin of one pixel keeps the outline at the window's border out of sight
        whole = np.zeros((y2 - y1 + 2, x2 - x1 + 2), bool)
        _paste(whole, crop, x1 - 1, y1 - 1)
        for ring in trace(whole, -1, -1):
            points = [tuple(point) for point in (ring * zoom).tolist()]
            color = (255, 255, 255) if white else class_color(label)
            width = max(1, zoom // 4)
            pen.line([*points, points[0]], fill=(0, 0, 0), width=width + 2)
            pen.line([*points, points[0]], fill=color, width=width)


def _paste(target: np.ndarray, crop: Crop, left: int, top: int) -> None:
    """Copy a crop into ``target``, the part of the image that starts at (left, top)."""
    rows, columns = target.shape
    y, x = crop.y - top, crop.x - left
    low, high = max(0, y), min(rows, y + crop.mask.shape[0])
    first, last = max(0, x), min(columns, x + crop.mask.shape[1])
    if low < high and first < last:
        target[low:high, first:last] = crop.mask[low - y : high - y, first - x : last - x]


def _in_a_row(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Join images side by side, with white gaps."""
    height = max(panel.shape[0] for panel in panels)
    gap = np.full((height, 6, 3), 255, np.uint8)
    row: list[np.ndarray] = []
    for panel in panels:
        row += [np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=255), gap]
    return np.concatenate(row[:-1], axis=1)


def _draw(
    image: np.ndarray,
    selected: DrawnInstances,
    classes: Sequence[str],
    boxes: bool = True,
    names: Names = "auto",
) -> np.ndarray:
    check_names(names)
    canvas: Image.Image = Image.fromarray(image).copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    # the color of a track follows its object
    numbers = selected.labels if selected.track_ids is None else selected.track_ids
    colors = [class_color(int(number)) for number in numbers]
    for crop, color in zip(selected.crops or (), colors, strict=False):
        _draw_mask(canvas, crop, color, thickness)
    if selected.boxes is not None and (boxes or selected.crops is None):
        pen = ImageDraw.Draw(canvas)
        corners_of_boxes = np.rint(selected.boxes).astype(int)
        for (x1, y1, x2, y2), color in zip(corners_of_boxes, colors, strict=True):
            corners = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))
            pen.rectangle(corners, outline=color, width=(thickness + 1) // 2)
    draw_labels(canvas, selected, colors, classes, names)
    return np.asarray(canvas)


def _draw_mask(canvas: Image.Image, crop: Crop, color: Color, thickness: int) -> None:
    """Blend the mask's pixels, then draw a smooth line over its edge.

    The value of the blurred mask gives the distance from a straight edge, so the line follows the
    edge without the steps of the pixels.
    """
    if not crop.mask.size:
        return
    margin = 3 * thickness + 3
    x1, y1 = max(0, crop.x - margin), max(0, crop.y - margin)
    x2 = min(canvas.width, crop.x + crop.mask.shape[1] + margin)
    y2 = min(canvas.height, crop.y + crop.mask.shape[0] + margin)
    part = np.zeros((y2 - y1, x2 - x1), bool)
    _paste(part, crop, x1, y1)
    mask = Image.fromarray(part.astype(np.uint8) * 255)
    canvas.paste(color, (x1, y1), mask.point([round(i * _MASK_ALPHA) for i in range(256)]))
    soft = mask.filter(ImageFilter.GaussianBlur(thickness))
    # Dark below bright: visible on any background, also if the object has its class color.
    canvas.paste((0, 0, 0), (x1, y1), soft.point(_line_table(thickness, thickness + 2, 0.7)))
    canvas.paste(color, (x1, y1), soft.point(_line_table(thickness, thickness, 1.0)))


@functools.cache
def _line_table(sigma: float, width: float, opacity: float) -> list[int]:
    """Return the opacity (0 to 255) of a line along the edge for each value of the blurred mask."""
    normal = NormalDist(0, sigma)
    distances = [abs(normal.inv_cdf((value + 0.5) / 256)) for value in range(256)]
    return [round(255 * opacity * min(1, max(0, width / 2 + 0.6 - d))) for d in distances]
