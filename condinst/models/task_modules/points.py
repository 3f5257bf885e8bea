"""Reading the maps of all pyramid levels point by point.

The points of an image are numbered level after level, row by row within a level.

Shapes: B images, X channels, P points of all levels, N points that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """(B, X, H_l, W_l) of every level -> (B, P, X)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)


def gather_points(maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor) -> Tensor:
    """Read a few points of the levels, without a copy of the levels.

    Args:
        maps: per level, (B, X, H_l, W_l).
        img_inds: (N,).
        point_inds: (N,) among the points of all levels, one level after the other.

    Returns:
        (N, X).
    """
    start, rows = 0, []
    for level in maps:
        values = level.flatten(2)
        size = values.shape[2]
        here = (point_inds >= start) & (point_inds < start + size)
        # every level is asked for every point, so that no count has to be known on the host
        found = values[img_inds, :, (point_inds - start).clamp(0, size - 1)]
        rows.append(found.where(here[:, None], 0))
        start += size
    return torch.stack(rows).sum(dim=0)


def gather_patches(maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor) -> Tensor:
    """The 3 x 3 cells around a few points; zero beyond a map's border, as a convolution pads.

    Args:
        maps: per level, (B, X, H_l, W_l).
        img_inds: (N,).
        point_inds: (N,) among the points of all levels.

    Returns:
        (N, X, 3, 3).
    """
    step = torch.arange(-1, 2, device=point_inds.device)
    start, orders, patches = 0, [], []
    for level in maps:
        height, width = level.shape[-2:]
        here = (point_inds >= start) & (point_inds < start + height * width)
        order = here.nonzero().squeeze(1)
        inds = point_inds[order] - start
        # (n, 3, 3) rows and columns
        y = (inds // width)[:, None, None] + step[:, None] + 0 * step
        x = (inds % width)[:, None, None] + step + 0 * step[:, None]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        cells = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        found = level.flatten(2)[img_inds[order][:, None, None], :, cells]  # (n, 3, 3, X)
        patches.append(found.where(inside[..., None], 0))
        orders.append(order)
        start += height * width
    return torch.cat(patches)[torch.cat(orders).argsort()].permute(0, 3, 1, 2)
