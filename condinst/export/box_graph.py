"""Post-processing of dense predictions to detections as ONNX, like ``models.postprocess.boxes``.

Shapes: B images, L levels, C classes, P_l points of a level, n candidates of an image, K the most
detections of an image, N detections of all images.

A candidate is a pair of point and class. Each level gives a fixed number of candidates, the best.
Candidates below the threshold get a score of -1, which non-maximum suppression ignores. So no shape
depends on the data before the suppression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from condinst.export.builder import GraphBuilder
from condinst.export.settings import BoxSettings

# Name of the constant with the score threshold, in the finished file.
SCORE_THR = "condinst/score_thr"

_NO_SCORE = -1.0
_INT64, _FLOAT = 7, 1  # onnx.TensorProto


class Candidates(NamedTuple):
    """Names of the values that hold the candidates of all levels.

    Attributes:
        boxes: (B, n, 4) xyxy, input-image pixels.
        scores: (B, n), -1 for candidates to ignore.
        numbers: (B, n, 3) float32: x and y of the point, and the stride of its level.
        places: (B, n, 4) int64: class, index of the point's cell in the padded maps of all levels
            (see :mod:`condinst.export.param_graph`), cells per row of its padded map, its level.
    """

    boxes: str
    scores: str
    numbers: str
    places: str


class GraphDetections(NamedTuple):
    """Names of the values that hold N detections.

    Attributes:
        image_inds: (N,) index of the image.
        boxes: (N, 4) xyxy, input-image pixels.
        scores: (N,).
        numbers, places: (N, 3) and (N, 4), see :class:`Candidates`.
        valid: (N,) bool, which rows are detections, in a file of fixed size, where N is B * K; None
            in other files.
    """

    image_inds: str
    boxes: str
    scores: str
    numbers: str
    places: str
    valid: str | None


def size_of(g: GraphBuilder, value: str, axis: int) -> str:
    """Return one size of a value, (1,) int64."""
    return g.Shape(value, start=axis, end=axis + 1)


def as_float(g: GraphBuilder, value: str) -> str:
    """Cast a value to float32."""
    return g.Cast(value, to=_FLOAT)


def candidates(
    g: GraphBuilder,
    cls_scores: Sequence[str],
    bbox_preds: Sequence[str],
    centernesses: Sequence[str],
    limits: str,
    settings: BoxSettings,
    sizes: Sequence[tuple[int, int]] | None,
    reach: int,
) -> Candidates:
    """Select the best pairs of point and class of every level.

    Args:
        g: the graph.
        cls_scores, bbox_preds, centernesses: as in ``DensePredictions``, float32; no centerness at
            all where the head predicts none.
        limits: (4,) float32: width, height, width, height of the images without padding.
        settings: settings of the detector.
        sizes: rows and columns of every level if they are fixed, else None.
        reach: cells by which the maps of ``places`` are padded at each side.
    """
    levels = []
    start: str | list[int] = [0]
    centers: Sequence[str | None] = centernesses or [None] * len(cls_scores)
    for i, (cls, box, center) in enumerate(zip(cls_scores, bbox_preds, centers, strict=True)):
        height, width = size_of(g, cls, 2), size_of(g, cls, 3)
        count = g.Mul(height, width)
        most = g.Mul(count, [settings.num_classes])
        top = g.Min(most, [settings.nms_pre]) if settings.nms_pre > 0 else most
        if sizes is not None:
            rows, columns = sizes[i]
            pairs = rows * columns * settings.num_classes
            top = g.constant([min(pairs, settings.nms_pre) if settings.nms_pre > 0 else pairs])
        scores, labels, points = _best_pairs(g, cls, center, top, settings)
        row = g.Div(points, width)
        column = g.Sub(points, g.Mul(row, width))
        stride = float(settings.strides[i])
        offset = settings.point_offset
        x, y = (g.Mul(g.Add(as_float(g, v), offset), stride) for v in (column, row))
        boxes = _decode(g, box, points, x, y)
        if not settings.clip_after_nms:
            boxes = g.Min(g.Max(boxes, 0.0), limits)
        # index of the cell in the padded maps
        wide = g.Add(width, [2 * reach])
        cell = g.Add(g.Add(g.Mul(g.Add(row, [reach]), wide), g.Add(column, [reach])), start)
        start = g.Add(g.Mul(g.Add(height, [2 * reach]), wide), start)
        # adding to zeros gives a constant the shape (B, n)
        strides = g.Add(g.Mul(x, 0.0), stride)
        wides, level = (g.Add(g.Mul(row, [0]), v) for v in (wide, [i]))
        numbers = g.Concat(*(g.Unsqueeze(v, [2]) for v in (x, y, strides)), axis=2)
        places = g.Concat(*(g.Unsqueeze(v, [2]) for v in (labels, cell, wides, level)), axis=2)
        levels.append((boxes, scores, numbers, places))
    boxes, scores, numbers, places = (
        g.Concat(*parts, axis=1) for parts in zip(*levels, strict=True)
    )
    if settings.min_bbox_size >= 0:
        scores = g.Where(_is_large(g, boxes, settings.min_bbox_size), scores, _NO_SCORE)
    return Candidates(boxes, scores, numbers, places)


def _best_pairs(
    g: GraphBuilder, cls: str, center: str | None, top: str, settings: BoxSettings
) -> tuple[str, str, str]:
    """Return scores, classes and points (B, top) of one level's best pairs, by falling score."""
    threshold = g.named(SCORE_THR, np.float32(settings.score_thr))
    # Equal scores rank by point, then class, because TopK prefers lower indices. The detector ranks
    # scores too: logits would tell scores apart that are equal in float32.
    ranked = g.Sigmoid(g.Transpose(_flatten_map(g, cls), perm=[0, 2, 1]))  # (B, P, C)
    quality = None if center is None else g.Sigmoid(_flatten_map(g, center))  # (B, 1, P)
    combined = settings.threshold_with_centerness and quality is not None
    if combined:
        ranked = g.Mul(ranked, g.Transpose(quality, perm=[0, 2, 1]))
    scores, inds = g.TopK(g.Reshape(ranked, [0, -1]), top, axis=1, outputs=2)
    points = g.Div(inds, [settings.num_classes])
    labels = g.Sub(inds, g.Mul(points, [settings.num_classes]))
    above = g.Greater(scores, threshold)
    if quality is not None and not combined:
        scores = g.Mul(scores, g.GatherElements(g.Squeeze(quality, [1]), points, axis=1))
    return g.Where(above, scores, _NO_SCORE), labels, points


def _flatten_map(g: GraphBuilder, value: str) -> str:
    """Flatten (B, X, H, W) to (B, X, P)."""
    return g.Reshape(value, [0, 0, -1])


def _decode(g: GraphBuilder, distances: str, points: str, x: str, y: str) -> str:
    """Decode distances (B, 4, H, W) at ``points`` (B, n) to boxes (B, n, 4), not clipped."""
    by_point = g.Transpose(_flatten_map(g, distances), perm=[0, 2, 1])  # (B, P, 4)
    found = g.GatherND(by_point, g.Unsqueeze(points, [2]), batch_dims=1)  # (B, n, 4)
    signed = g.Mul(found, [-1.0, -1.0, 1.0, 1.0])
    return g.Add(g.Concat(*(g.Unsqueeze(v, [2]) for v in (x, y, x, y)), axis=2), signed)


def _is_large(g: GraphBuilder, boxes: str, min_size: float) -> str:
    """Tell, for (..., 4) boxes, which are wider and higher than ``min_size`` pixels: (...)."""
    sizes = g.Sub(g.Slice(boxes, [2], [4], [-1]), g.Slice(boxes, [0], [2], [-1]))
    smaller = g.ReduceMin(sizes, [-1], keepdims=0)
    return g.Greater(smaller, min_size)


def suppress(
    g: GraphBuilder, found: Candidates, limits: str, settings: BoxSettings, batch: int | None
) -> GraphDetections:
    """Suppress non-maximal candidates within each class, and apply the remaining settings.

    Args:
        g: the graph.
        found: the candidates.
        limits: as for :func:`candidates`.
        settings: settings of the detector.
        batch: B of a file of fixed size; None for other files.
    """
    counts = g.Greater(found.scores, 0.0)
    # zeros, because the boxes of ignored candidates could have any coordinates
    apart = g.Where(g.Unsqueeze(counts, [2]), found.boxes, 0.0)
    if not settings.class_agnostic:  # an offset per class keeps classes apart, as in batched_nms
        largest = g.ReduceMax(apart, [1, 2], keepdims=1)
        labels = as_float(g, g.Slice(found.places, [0], [1], [2]))
        apart = g.Add(apart, g.Mul(labels, g.Add(largest, 1.0)))
    most, iou_threshold = [settings.max_per_img], [settings.iou_threshold]
    per_class = g.Unsqueeze(found.scores, [1])
    if batch is None:
        chosen = g.NonMaxSuppression(apart, per_class, most, iou_threshold, [0.0])  # (N, 3)
        where = g.Gather(chosen, [0, 2], axis=1)
        image_inds = g.Reshape(g.Slice(where, [0], [1], [1]), [-1])
        valid = None
    else:
        where, image_inds, valid = _chosen_of_fixed(g, apart, per_class, settings, batch)
    boxes, scores, numbers, places = (g.GatherND(value, where) for value in found)
    if settings.clip_after_nms:
        boxes = g.Min(g.Max(boxes, 0.0), limits)
        large = _is_large(g, boxes, 0.0)
        if valid is not None:
            valid = g.And(valid, large)
            kept = _valid_first(g, scores, valid, settings.max_per_img, batch)
            valid = g.Gather(valid, kept, axis=0)
        else:
            kept = g.Reshape(g.NonZero(g.Cast(large, to=_INT64)), [-1])
        image_inds, boxes, scores, numbers, places = (
            g.Gather(value, kept, axis=0) for value in (image_inds, boxes, scores, numbers, places)
        )
    if settings.sqrt_scores:
        scores = g.Sqrt(g.Max(scores, 0.0))
    return GraphDetections(image_inds, boxes, scores, numbers, places, valid)


def _chosen_of_fixed(
    g: GraphBuilder, apart: str, scores: str, settings: BoxSettings, batch: int
) -> tuple[str, str, str]:
    """Choose candidates for the K rows of each image, filled up if there are fewer.

    Returns:
        (B * K, 2) image and candidate; (B * K,) image; (B * K,) bool, whether the row was chosen.
    """
    most = settings.max_per_img
    rows = []
    for i in range(batch):
        one = [g.Slice(value, [i], [i + 1], [0]) for value in (apart, scores)]
        chosen = g.NonMaxSuppression(*one, [most], [settings.iou_threshold], [0.0])
        inds = g.Reshape(g.Slice(chosen, [2], [3], [1]), [-1])
        filled = g.Concat(inds, [-1] * most, axis=0)
        rows.append(g.Reshape(g.Slice(filled, [0], [most], [0]), [most]))
    inds = g.Concat(*rows, axis=0) if batch > 1 else rows[0]
    valid = g.Greater(inds, [-1])
    images = g.constant([i for i in range(batch) for _ in range(most)])
    columns = (g.Unsqueeze(value, [1]) for value in (images, g.Max(inds, [0])))
    return g.Concat(*columns, axis=1), images, valid


def _valid_first(g: GraphBuilder, scores: str, valid: str, most: int, batch: int | None) -> str:
    """Return the (B * K,) order that puts the valid rows of each image first."""
    assert batch is not None
    ranked = g.Reshape(g.Where(valid, scores, _NO_SCORE), [batch, most])
    _, inds = g.TopK(ranked, [most], axis=1, outputs=2)
    starts = g.constant([[i * most] for i in range(batch)])
    return g.Reshape(g.Add(inds, starts), [-1])
