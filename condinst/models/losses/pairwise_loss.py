"""Pairwise loss of neighboring cells of a mask (BoxInst, Equations 4 and 5).

Shapes: n instances, E neighbors of a cell, H' x W' cells of the mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pairwise_loss"]


def pairwise_loss(
    logits: Tensor,
    edges: Tensor,
    offsets: Sequence[tuple[int, int]],
    weights: Tensor | None = None,
) -> Tensor:
    """Sum -log P(both ends of an edge are mask, or both are background) over all edges.

    An edge that leaves the map costs nothing. Logarithms are taken at the edges only, not
    everywhere on the map.

    Args:
        logits: (n, H', W').
        edges: (n, E, H', W') bool, from each cell to each of its neighbors.
        offsets: E pairs of rows and columns from a cell to each neighbor; the e-th from the front
            and the e-th from the back are opposite.
        weights: (n,) of the edges of each instance; None for 1.

    Returns:
        Scalar.
    """
    height, width = logits.shape[-2:]
    half = len(offsets) // 2
    # An edge and its reverse have the same probability. So it is computed once, for the cell that
    # comes first in memory, and only where there is an edge: boxes are small beside the map.
    # times: how many of the two directions are edges, (E / 2, n, H', W')
    times = edges.new_zeros((half, *logits.shape), dtype=torch.uint8)
    for e, (dy, dx) in enumerate(offsets[half:]):
        if dy < height and abs(dx) < width:
            here = (..., slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            there = (..., slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            times[e][here] = edges[:, half + e][here]
            times[e][here] += edges[:, half - 1 - e][there]
    where = times.flatten().nonzero().squeeze(1)  # (k,) edges, counted without direction
    steps = torch.tensor([dy * width + dx for dy, dx in offsets[half:]])  # (E / 2,) in memory
    steps = steps.to(logits.device, non_blocking=True)
    cells = where % logits.numel()
    ends = torch.stack([cells, cells + steps[where // logits.numel()]])  # (2, k)
    one, other = logits.flatten().index_select(0, ends.flatten()).chunk(2)  # (k,) each
    # the logit of p q + (1 - p) (1 - q) from the logits of p and q: probabilities near 0 would
    # lose their logarithm
    agree = F.softplus(one + other) - torch.logaddexp(one, other)
    losses = -F.logsigmoid(agree) * times.flatten()[where]  # (k,)
    if weights is not None:
        losses = losses * weights[cells // (height * width)]
    return losses.sum()
