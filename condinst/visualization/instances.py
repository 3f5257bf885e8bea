"""Images of instances: half-transparent masks, smooth outlines, boxes and names.

mmdet's visualizer is not used: it jitters its colors with numpy's global random state, so that a
class has no fixed color and drawing disturbs a seeded run, and its labels have one size. numpy and
pillow are enough here, so that a predictor without PyTorch and OpenCV draws too.
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
from condinst.visualization.labels import Color, draw_labels, with_title
from condinst.visualization.selection import Shown, select

__all__ = [
    "class_color",
    "draw_closeups",
    "draw_instances",
    "draw_side_by_side",
]

_MASK_ALPHA = 0.45
_MIN_SIDE = 480  # smaller images are enlarged beside each other, or their labels hide them
_GOLDEN_RATIO = 0.618034


def class_color(label: int) -> Color:
    """RGB color of a class: always the same, and far from that of the classes next to it."""
    hue = (0.02 + label * _GOLDEN_RATIO) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.85, 0.6)[label // 8 % 2], 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_instances(
    image: np.ndarray,
    instances: Any,
    classes: Sequence[str],
    score_thr: float = 0.3,
    *,
    boxes: bool = True,
    names: bool = True,
) -> np.ndarray:
    """Draw ground truth or predictions on an image.

    Args:
        image: (H, W, 3) uint8, RGB. It is not changed.
        instances: :class:`condinst.Results`, or InstanceData with ``labels`` and at least
            one of ``masks`` ((M, H, W) bool tensor or array, run-length codes, crops, or
            mmdet's BitmapMasks or PolygonMasks) and ``bboxes`` ((M, 4) xyxy, tensor or mmdet's
            boxes), in the image's pixels; ``scores`` where they are predictions.
        classes: the name of every label.
        score_thr: an instance with a score below is not drawn.
        boxes: whether boxes are drawn where there are masks.
        names: whether names are written; hundreds of them hide the image.

    Raises:
        ValueError: the image, the masks' size or a label does not fit.
    """
    return _draw(image, select(image, instances, classes, score_thr), classes, boxes, names)


def draw_side_by_side(
    image: np.ndarray,
    gt: Any,
    pred: Any,
    classes: Sequence[str],
    score_thr: float = 0.3,
    *,
    boxes: bool = True,
    names: bool = True,
) -> np.ndarray:
    """Ground truth on the left, prediction on the right, each under its title.

    The arguments are those of :func:`draw_instances`. A small image is enlarged by a whole
    number.
    """
    factor = max(1, -(-_MIN_SIDE // max(image.shape[:2])))
    size = (image.shape[1] * factor, image.shape[0] * factor)
    large = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    panels = []
    for title, instances in (("ground truth", gt), ("prediction", pred)):
        shown = select(image, instances, classes, score_thr).enlarged(factor)
        drawn = _draw(large, shown, classes, boxes, names)
        panels.append(with_title(drawn, f"{title} ({len(shown)})"))
    return _in_a_row(panels)


def draw_closeups(
    image: np.ndarray,
    instances: Any,
    classes: Sequence[str],
    score_thr: float = 0.3,
    *,
    gt: Any = None,
    num: int = 3,
    size: int = 48,
    zoom: int = 8,
) -> np.ndarray:
    """Parts of the image around masks' edges, so large that single pixels are seen.

    Lines run along the pixels' edges: in the class's color those of ``instances``, white those of
    the ground truth. The largest masks are shown, one close-up each, around their highest pixel.

    Args:
        image, instances, classes, score_thr: see :func:`draw_instances`; masks are needed.
        gt: ground truth, or None for none.
        num: of close-ups at most.
        size: of their square part of the image, in pixels.
        zoom: how many times as large.

    Returns:
        The close-ups in a row, (H, W, 3) uint8; without any mask one of the image's middle.
    """
    shown = select(image, instances, classes, score_thr)
    true = None if gt is None else select(image, gt, classes, score_thr)
    if shown.crops is None:
        raise ValueError("instances: expected masks, found none")
    places = [
        (crop.x + int(crop.mask[0].argmax()), crop.y) for crop in shown.crops if crop.mask.size
    ]
    panels = []
    for x, y in places[:num] or [(image.shape[1] // 2, image.shape[0] // 2)]:
        left = max(0, min(x - size // 2, image.shape[1] - size))
        top = max(0, min(y - size // 2, image.shape[0] - size))
        part = Image.fromarray(image[top : top + size, left : left + size])
        canvas = part.resize((part.width * zoom, part.height * zoom), Image.Resampling.NEAREST)
        window = (left, top, left + part.width, top + part.height)
        for layer, white in ((true, True), (shown, False)):
            if layer is not None:
                _draw_pixel_edges(canvas, layer, window, zoom, white)
        panels.append(np.asarray(canvas))
    return _in_a_row(panels)


def _draw_pixel_edges(
    canvas: Image.Image, shown: Shown, window: tuple[int, int, int, int], zoom: int, white: bool
) -> None:
    pen = ImageDraw.Draw(canvas)
    x1, y1, x2, y2 = window
    for label, crop in zip(shown.labels, shown.crops or (), strict=True):
        # one pixel around the window, whose outline is not seen
        whole = np.zeros((y2 - y1 + 2, x2 - x1 + 2), bool)
        _paste(whole, crop, x1 - 1, y1 - 1)
        for ring in trace(whole, -1, -1):
            points = [tuple(point) for point in (ring * zoom).tolist()]
            color = (255, 255, 255) if white else class_color(label)
            width = max(1, zoom // 4)
            pen.line([*points, points[0]], fill=(0, 0, 0), width=width + 2)
            pen.line([*points, points[0]], fill=color, width=width)


def _paste(target: np.ndarray, crop: Crop, left: int, top: int) -> None:
    """Put a crop of the image into a part of it that starts at (left, top)."""
    rows, columns = target.shape
    y, x = crop.y - top, crop.x - left
    low, high = max(0, y), min(rows, y + crop.mask.shape[0])
    first, last = max(0, x), min(columns, x + crop.mask.shape[1])
    if low < high and first < last:
        target[low:high, first:last] = crop.mask[low - y : high - y, first - x : last - x]


def _in_a_row(panels: Sequence[np.ndarray]) -> np.ndarray:
    height = max(panel.shape[0] for panel in panels)
    gap = np.full((height, 6, 3), 255, np.uint8)
    row: list[np.ndarray] = []
    for panel in panels:
        row += [np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=255), gap]
    return np.concatenate(row[:-1], axis=1)


def _draw(
    image: np.ndarray,
    shown: Shown,
    classes: Sequence[str],
    boxes: bool = True,
    names: bool = True,
) -> np.ndarray:
    canvas: Image.Image = Image.fromarray(image).copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    colors = [class_color(label) for label in shown.labels]
    for crop, color in zip(shown.crops or (), colors, strict=False):
        _draw_mask(canvas, crop, color, thickness)
    if shown.boxes is not None and (boxes or shown.crops is None):
        pen = ImageDraw.Draw(canvas)
        for (x1, y1, x2, y2), color in zip(np.rint(shown.boxes).astype(int), colors, strict=True):
            corners = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))
            pen.rectangle(corners, outline=color, width=(thickness + 1) // 2)
    if names:
        draw_labels(canvas, shown, colors, classes)
    return np.asarray(canvas)


def _draw_mask(canvas: Image.Image, crop: Crop, color: Color, thickness: int) -> None:
    """Blend the mask's pixels, then a smooth line over its edge.

    The blurred mask tells the distance from its edge, as a straight edge would have it; so the line
    follows the edge without the pixels' stairs.
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
    # Dark below bright: seen on every ground, also where the object has its class's color.
    canvas.paste((0, 0, 0), (x1, y1), soft.point(_line_table(thickness, thickness + 2, 0.7)))
    canvas.paste(color, (x1, y1), soft.point(_line_table(thickness, thickness, 1.0)))


@functools.cache
def _line_table(sigma: float, width: float, opacity: float) -> list[int]:
    """Opacity, 0 to 255, of a line along the edge for each value of the blurred mask."""
    normal = NormalDist(0, sigma)
    distances = [abs(normal.inv_cdf((value + 0.5) / 256)) for value in range(256)]
    return [round(255 * opacity * min(1, max(0, width / 2 + 0.6 - d))) for d in distances]
