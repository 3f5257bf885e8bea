"""Parameters of the dynamic networks as ONNX, at the points of the detections only.

The graph computes what the box heads' ``predict_params`` computes.

Shapes: B images, N detections, K parameters of one dynamic network, X channels of ``param_feats``,
P' cells of the padded maps of all levels, S cells of the side of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from condinst.export.box_graph import GraphDetections, size_of
from condinst.export.builder import GraphBuilder
from condinst.export.settings import MaskSettings, PointConv

_INT64 = 7  # onnx.TensorProto


def predict_params(
    g: GraphBuilder, param_feats: Sequence[str], found: GraphDetections, settings: MaskSettings
) -> str:
    """Run the convolutions from ``param_feats`` to the parameters on patches: (N, K)."""
    reach = settings.reach
    side = 2 * reach + 1
    cells = _padded_levels(g, param_feats, reach)  # (B, P', X)
    center, row = (g.Slice(found.places, [i], [i + 1], [1]) for i in (1, 2))
    steps = range(-reach, reach + 1)
    around = [g.Add(g.Add(center, [dx]), g.Mul(row, [dy])) for dy in steps for dx in steps]
    places = g.Concat(*around, axis=1)  # (N, S * S)
    where = g.Unsqueeze(places, [2])
    images = g.Add(g.Mul(where, [0]), g.Reshape(found.image_inds, [-1, 1, 1]))
    patches = g.GatherND(cells, g.Concat(images, where, axis=2))  # (N, S * S, X)
    if len(settings.param_convs[0]) > 1:
        inside = g.Unsqueeze(g.Gather(_inside_levels(g, param_feats, reach), places), [2])
    else:
        inside = None  # a single convolution sees only the padding of the map
    if len(settings.param_convs) == 1:
        return _run(g, settings.param_convs[0], patches, inside, side)
    level = g.Slice(found.places, [3], [4], [1])  # (N, 1)
    if found.valid is not None:
        return _of_fixed(g, settings, patches, inside, level, side)
    parts, orders = [], []
    for i, convs in enumerate(settings.param_convs):
        here = g.Equal(g.Reshape(level, [-1]), [i])
        rows = g.Reshape(g.NonZero(g.Cast(here, to=_INT64)), [-1])
        some = g.Gather(patches, rows, axis=0)
        some_inside = None if inside is None else g.Gather(inside, rows, axis=0)
        parts.append(_run(g, convs, some, some_inside, side))
        orders.append(rows)
    # where each detection is among the parts
    order = g.Concat(*orders, axis=0)
    zero, one = (g.constant(np.array(v, np.int64)) for v in (0, 1))
    numbers = g.Range(zero, g.Squeeze(size_of(g, order, 0), [0]), one)
    back = g.ScatterElements(g.Mul(order, [0]), order, numbers, axis=0)
    return g.Gather(g.Concat(*parts, axis=0), back, axis=0)


def _of_fixed(
    g: GraphBuilder,
    settings: MaskSettings,
    patches: str,
    inside: str | None,
    level: str,
    side: int,
) -> str:
    """Run the convolutions of every level on all patches, because no shape may vary."""
    params = None
    for i, convs in enumerate(settings.param_convs):
        found = _run(g, convs, patches, inside, side)
        params = found if params is None else g.Where(g.Equal(level, [i]), found, params)
    assert params is not None
    return params


def _padded_levels(g: GraphBuilder, maps: Sequence[str], reach: int) -> str:
    """Join maps (B, X, H_l, W_l) of all levels to (B, P', X), each padded by ``reach`` zeros."""
    return g.Transpose(g.Concat(*(_flat(g, m, reach) for m in maps), axis=2), perm=[0, 2, 1])


def _inside_levels(g: GraphBuilder, maps: Sequence[str], reach: int) -> str:
    """Return 1 for the cells of the maps and 0 for their padding: (P',), float32."""
    flat = []
    for level in maps:
        shape = g.Concat([1], [1], size_of(g, level, 2), size_of(g, level, 3), axis=0)
        flat.append(_flat(g, g.Expand(1.0, shape), reach))
    return g.Reshape(g.Concat(*flat, axis=2), [-1])


def _flat(g: GraphBuilder, level: str, reach: int) -> str:
    pads = [0, 0, reach, reach]
    padded = g.Pad(level, pads * 2, 0.0, mode="constant") if reach else level
    return g.Reshape(padded, [0, 0, -1])


def _run(
    g: GraphBuilder, convs: Sequence[PointConv], patches: str, inside: str | None, side: int
) -> str:
    """Run convolutions without padding on patches, which shrink to one cell: (N, K).

    Args:
        g: the graph.
        convs: the convolutions.
        patches: (N, S * S, X).
        inside: (N, S * S, 1), 0 for cells beyond the map; needed for several convolutions.
        side: S.
    """
    edge = 0  # cells that were lost at each side
    for i, conv in enumerate(convs):
        if (
            i and conv.kernel_size > 1
        ):  # zero beyond the border of the map, as the convolution pads it there
            assert inside is not None
            inner = _cells(2 * edge + side, side, edge)
            patches = g.Mul(patches, g.Gather(inside, inner, axis=1))
        patches = _conv(g, conv, patches, side)
        side -= conv.kernel_size - 1
        edge += conv.kernel_size // 2
    assert side == 1
    return g.Reshape(patches, [-1, convs[-1].weight.shape[0]])


def _cells(whole: int, side: int, start: int) -> list[int]:
    """Return the indices of a square of cells in a larger square, row by row."""
    steps = range(start, start + side)
    return [y * whole + x for y in steps for x in steps]


def _conv(g: GraphBuilder, conv: PointConv, patches: str, side: int) -> str:
    """Run one convolution as a matrix product: (N, S * S, X) to (N, S' * S', Y)."""
    num_out, num_in, size, _ = conv.weight.shape
    left = side - size + 1
    if left > 1 and size > 1:
        starts = [(y, x) for y in range(left) for x in range(left)]
        steps = [(y, x) for y in range(size) for x in range(size)]
        cells = [(y + dy) * side + x + dx for y, x in starts for dy, dx in steps]
        patches = g.Gather(patches, cells, axis=1)  # (N, S' * S' * k * k, X)
    by_cell = np.ascontiguousarray(
        conv.weight.transpose(2, 3, 1, 0).reshape(size * size * num_in, num_out), np.float32
    )
    flat = g.Reshape(patches, [-1, size * size * num_in])
    result = g.Add(g.MatMul(flat, by_cell), conv.bias.astype(np.float32))
    if conv.activation == "relu":
        result = g.Relu(result)
    elif conv.activation == "silu":
        result = g.Mul(result, g.Sigmoid(result))
    return g.Reshape(result, [-1, left * left, num_out])
