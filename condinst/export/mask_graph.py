"""Masks of detections as ONNX: the dynamic networks, and the enlarging of their logits.

The graph computes what ``condinst.models.dynamic_conv``, ``heads.mask_head`` and
``postprocess.masks.whole_masks`` compute, for all detections at once.

Shapes: B images, N detections, K parameters of one dynamic network, D its hidden channels, C mask
feature channels, X channels of the controller's input, H' x W' cells of the mask features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from condinst.export.box_graph import GraphDetections, as_float, size_of
from condinst.export.builder import GraphBuilder


@dataclass(frozen=True)
class MaskSettings:
    """The settings of the mask head that the graph contains.

    Attributes:
        channels: channels of the dynamic network, see
            :func:`condinst.models.dynamic_conv.layer_channels`.
        feat_stride, out_stride: strides of the mask features and of the logits, pixels.
        size_of_interest: unit of the relative coordinates, in strides of the detection's level.
        mask_thr: a pixel belongs to the mask if its score exceeds this.
        controller_weight: (K, X, 3, 3) weights of the convolution that predicts the parameters.
        controller_bias: (K,) bias of that convolution.
    """

    channels: tuple[int, ...]
    feat_stride: int
    out_stride: int
    size_of_interest: int
    mask_thr: float
    controller_weight: np.ndarray
    controller_bias: np.ndarray

    @classmethod
    def from_model(cls, model) -> MaskSettings:
        """Read the settings of a detector."""
        head, controller = model.mask_head, model.bbox_head.controller
        return cls(
            channels=tuple(head.channels),
            feat_stride=head.mask_feat_stride,
            out_stride=head.mask_out_stride,
            size_of_interest=head.size_of_interest,
            mask_thr=float(model.test_cfg["mask_thr"]),
            controller_weight=controller.weight.detach().float().cpu().numpy(),
            controller_bias=controller.bias.detach().float().cpu().numpy(),
        )


def padded_levels(g: GraphBuilder, maps: Sequence[str]) -> str:
    """Join maps (B, X, H_l, W_l) of all levels to (B, P', X), each padded by one cell of zeros."""
    flat = [
        g.Reshape(g.Pad(level, [0, 0, 1, 1, 0, 0, 1, 1], 0.0, mode="constant"), [0, 0, -1])
        for level in maps
    ]
    return g.Transpose(g.Concat(*flat, axis=2), perm=[0, 2, 1])


def predict_params(
    g: GraphBuilder, param_feats: Sequence[str], found: GraphDetections, settings: MaskSettings
) -> str:
    """Run the controller's convolution at the points of the detections only: (N, K)."""
    cells = padded_levels(g, param_feats)  # (B, P', X)
    center, row = (g.Slice(found.places, [i], [i + 1], [1]) for i in (1, 2))
    around = [
        g.Add(g.Add(center, [dx]), g.Mul(row, [dy])) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    ]
    nine = g.Unsqueeze(g.Concat(*around, axis=1), [2])  # (N, 9, 1)
    images = g.Add(g.Mul(nine, [0]), g.Reshape(found.image_inds, [-1, 1, 1]))
    patches = g.GatherND(cells, g.Concat(images, nine, axis=2))  # (N, 9, X)
    weight = settings.controller_weight
    num_params, channels = weight.shape[:2]
    by_cell = np.ascontiguousarray(
        weight.transpose(2, 3, 1, 0).reshape(9 * channels, num_params), np.float32
    )
    flat = g.Reshape(patches, [-1, 9 * channels])
    return g.Add(g.MatMul(flat, by_cell), settings.controller_bias.astype(np.float32))


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
