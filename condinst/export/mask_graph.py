"""Masks of detections as ONNX: the dynamic networks, and the enlarging of their logits.

The graph computes what ``condinst.models.dynamic_conv``, the mask heads, and
``postprocess.masks.whole_masks`` or ``postprocess.logit_masks.whole_logit_masks`` compute, for all
detections at once.

Shapes: B images, N detections, K parameters of one dynamic network, D its hidden channels, C mask
feature channels, H' x W' cells of the mask features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from condinst.export.box_graph import GraphDetections, as_float, size_of
from condinst.export.builder import GraphBuilder
from condinst.export.settings import MaskSettings

_INT64, _DOUBLE = 7, 11  # onnx.TensorProto


def mask_logits(
    g: GraphBuilder,
    mask_feats: str,
    params: str,
    found: GraphDetections,
    settings: MaskSettings,
    batch: int | None,
) -> str:
    """Run every detection's network over its image's mask features: (N, H', W') logits.

    Args:
        g: the graph.
        mask_feats: (B, C, H', W').
        params: (N, K).
        found: the detections.
        settings: settings of the mask head.
        batch: B if it is known, which avoids a copy of the features per detection; else None.
    """
    height, width = size_of(g, mask_feats, 2), size_of(g, mask_feats, 3)
    feats = g.Reshape(mask_feats, [0, 0, -1])
    where = _locations(g, height, width, settings.feat_stride)
    if batch == 1:
        shared = g.Concat(where, g.Squeeze(feats, [0]), axis=0)
    else:
        shape = g.Concat(size_of(g, feats, 0), [2], size_of(g, feats, 2), axis=0)
        shared = g.Concat(g.Expand(g.Unsqueeze(where, [0]), shape), feats, axis=1)
    weights, biases = _layers(g, params, found, settings)
    if batch is not None and batch > 1:  # each image has K rows: one matrix product per image
        grouped = g.Reshape(weights[0], [batch, -1, settings.channels[0]])
        hidden = g.MatMul(grouped, shared)
        size = g.Concat([-1, settings.channels[1]], g.Mul(height, width), axis=0)
        hidden = g.Reshape(hidden, size)
    elif batch == 1:
        hidden = g.MatMul(weights[0], shared)
    else:
        hidden = g.MatMul(weights[0], g.Gather(shared, found.image_inds, axis=0))
    hidden = g.Add(hidden, biases[0])
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        hidden = g.Add(g.MatMul(weight, g.Relu(hidden)), bias)
    return g.Reshape(hidden, g.Concat([-1], height, width, axis=0))


def _locations(g: GraphBuilder, height: str, width: str, stride: int) -> str:
    """Return the (2, H' * W') xy centers of the cells in input-image pixels, float32."""
    y, x = (
        g.Mul(g.Add(as_float(g, _range(g, side)), 0.5), float(stride)) for side in (height, width)
    )
    shape = g.Concat(height, width, axis=0)
    maps = g.Expand(g.Unsqueeze(x, [0]), shape), g.Expand(g.Unsqueeze(y, [1]), shape)
    return g.Concat(*(g.Reshape(v, [1, -1]) for v in maps), axis=0)


def _range(g: GraphBuilder, size: str) -> str:
    """Return 0 to size - 1, (size,) int64, for a size (1,)."""
    zero, one = (g.constant(np.array(v, np.int64)) for v in (0, 1))
    return g.Range(zero, g.Squeeze(size, [0]), one)


def _layers(
    g: GraphBuilder, params: str, found: GraphDetections, settings: MaskSettings
) -> tuple[list[str], list[str]]:
    """Return the weights (N, c_out, c_in) and biases (N, c_out, 1) of all layers.

    The first layer takes absolute coordinates; the detection's point is part of its bias, as in
    :func:`condinst.models.dynamic_conv.dynamic_conv`.
    """
    pairs = list(pairwise(settings.channels))
    sizes = [c_in * c_out for c_in, c_out in pairs] + [c_out for _, c_out in pairs]
    pieces = g.Split(params, sizes, axis=1, outputs=len(sizes))
    weights = [
        g.Reshape(piece, [-1, c_out, c_in])
        for piece, (c_in, c_out) in zip(pieces[: len(pairs)], pairs, strict=True)
    ]
    biases = [g.Unsqueeze(piece, [2]) for piece in pieces[len(pairs) :]]
    point, stride = (g.Slice(found.numbers, [i], [j], [1]) for i, j in ((0, 2), (2, 3)))
    scale = g.Unsqueeze(g.Mul(stride, float(settings.size_of_interest)), [2])
    if settings.point_shift:
        point = g.Add(point, settings.point_shift)
    coord_weights = g.Div(g.Slice(weights[0], [0], [2], [2]), scale)
    feature_weights = g.Slice(weights[0], [2], [settings.channels[0]], [2])
    biases[0] = g.Add(biases[0], g.MatMul(coord_weights, g.Unsqueeze(point, [2])))
    weights[0] = g.Concat(g.Neg(coord_weights), feature_weights, axis=2)
    return weights, biases


def draw_masks(
    g: GraphBuilder, logits: str, image_size: Sequence[str], out_size: Sequence[str], settings
) -> str:
    """Enlarge scores to the input image, then to the output, and threshold them.

    Interpolation is linear in each direction. So all steps together are one small matrix per
    direction, and no map of the input's size exists.

    Args:
        g: the graph.
        logits: (N, H', W').
        image_size: height and width of the images without padding, each (1,) int64.
        out_size: height and width of the masks, each (1,) int64.
        settings: settings of the mask head.

    Returns:
        (N, out_h, out_w) bool.
    """
    factor = settings.feat_stride // settings.out_stride
    cells = [size_of(g, logits, 1), size_of(g, logits, 2)]
    if factor > 1:
        finer = [g.Mul(side, [factor]) for side in cells]
        enlarge = [
            _hat(g, _aligned(g, _range(g, f), factor), c) for f, c in zip(finer, cells, strict=True)
        ]
        logits, cells = _apply(g, logits, *enlarge), finer
    scores = g.Sigmoid(logits)
    matrices = []
    for cell, side, out in zip(cells, image_size, out_size, strict=True):
        to_image = _hat(g, _aligned(g, _range(g, side), settings.out_stride), cell)
        scale = g.Div(as_float(g, side), as_float(g, out))
        middles = g.Add(as_float(g, _range(g, out)), 0.5)
        to_out = _hat(g, g.Sub(g.Mul(middles, scale), 0.5), side)
        matrices.append(g.MatMul(to_out, to_image))
    return g.Greater(_apply(g, scores, *matrices), settings.mask_thr)


def draw_logit_masks(
    g: GraphBuilder,
    logits: str,
    resized: Sequence[str],
    out_size: Sequence[str],
    settings: MaskSettings,
) -> str:
    """Enlarge logits to the padded input image, then to its size in the output; threshold them.

    Args:
        g: the graph.
        logits: (N, H', W').
        resized: height and width of the padded input image in the output, each (1,) int64, see
            :func:`size_in_output`.
        out_size: height and width of the masks, each (1,) int64.
        settings: settings of the mask head.

    Returns:
        (N, out_h, out_w) bool.
    """
    cells = [size_of(g, logits, 1), size_of(g, logits, 2)]
    matrices = []
    for cell, full, out in zip(cells, resized, out_size, strict=True):
        padded = g.Mul(cell, [settings.out_stride])
        to_padded = _hat(g, _centered(g, padded, 1 / settings.out_stride), cell)
        scale = g.Div(as_float(g, padded), as_float(g, full))
        to_out = _hat(g, _centered(g, out, scale), padded)
        matrices.append(g.MatMul(to_out, to_padded))
    thr = settings.mask_thr
    least = math.log(thr / (1 - thr)) if 0 < thr < 1 else math.copysign(math.inf, thr - 0.5)
    return g.Greater(_apply(g, logits, *matrices), least)


def _centered(g: GraphBuilder, size: str, scale: str | float) -> str:
    """Return the positions of ``size`` pixels in an input of ``scale`` times the size, in cells."""
    return g.Sub(g.Mul(g.Add(as_float(g, _range(g, size)), 0.5), scale), 0.5)


def size_in_output(
    g: GraphBuilder,
    padded: Sequence[str],
    image_size: Sequence[str],
    out_size: Sequence[str],
    *,
    doubles: bool,
) -> list[str]:
    """Return height and width of the padded input image in the output, each (1,) int64.

    See :func:`condinst.models.postprocess.logit_masks.resized_shape`.

    Args:
        g: the graph.
        padded: height and width of the padded images, each (1,) int64.
        image_size: those of the images without padding.
        out_size: those of the masks.
        doubles: whether to round as Python does, which needs a runtime with float64. Otherwise
            sides are rounded up exactly, and can be smaller by one pixel.
    """

    def scaled(side: str, axis: int) -> str:
        image, out = image_size[axis], out_size[axis]
        if not doubles:
            return g.Div(g.Add(g.Mul(side, out), g.Sub(image, [1])), image)
        factor = g.Div(*(g.Cast(v, to=_DOUBLE) for v in (image, out)))
        # not a division: ONNX Runtime would join it with the product, which rounds otherwise
        exact = g.Mul(g.Cast(side, to=_DOUBLE), g.Reciprocal(factor))
        whole = g.Cast(exact, to=_INT64)
        more = g.Greater(exact, g.Cast(whole, to=_DOUBLE))
        return g.Add(whole, g.Cast(more, to=_INT64))

    (height, width), (out_height, out_width) = image_size, out_size
    # both factors are one up to rounding: the inequality of resized_shape, times the sides
    crossed = g.Abs(g.Sub(g.Mul(width, out_height), g.Mul(out_width, height)))
    left = g.Mul(g.Mul(crossed, width), [200])
    right = g.Mul(g.Mul(out_width, g.Add(height, width)), [101])
    swapped = [scaled(padded[0], 1), scaled(padded[1], 0)]
    large = [g.GreaterOrEqual(s, out) for s, out in zip(swapped, out_size, strict=True)]
    is_swapped = g.And(g.LessOrEqual(left, right), g.And(*large))
    own = [g.Max(scaled(side, i), out_size[i]) for i, side in enumerate(padded)]
    return [g.Where(is_swapped, s, o) for s, o in zip(swapped, own, strict=True)]


def _aligned(g: GraphBuilder, indices: str, factor: int) -> str:
    """Return the positions at which ``aligned_upsample`` reads its input, in cells."""
    return g.Div(as_float(g, g.Sub(indices, [factor // 2])), float(factor))


def _hat(g: GraphBuilder, positions: str, count: str) -> str:
    """Return the (outputs, count) weights of linear interpolation between ``count`` cells.

    ``positions``, (outputs,), are clamped to the first and the last cell.
    """
    last = as_float(g, g.Sub(count, [1]))
    inside = g.Unsqueeze(g.Min(g.Max(positions, 0.0), last), [1])
    distance = g.Abs(g.Sub(inside, as_float(g, g.Unsqueeze(_range(g, count), [0]))))
    return g.Max(g.Sub(1.0, distance), 0.0)


def _apply(g: GraphBuilder, maps: str, rows: str, columns: str) -> str:
    """Resize (N, h, w) maps to (N, H, W) with matrices (H, h) and (W, w)."""
    return g.MatMul(rows, g.MatMul(maps, g.Transpose(columns, perm=[1, 0])))
