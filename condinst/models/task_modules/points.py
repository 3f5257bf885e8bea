"""Read the maps of all pyramid levels by points.

The points of an image are numbered level by level, and row by row within a level.

Shapes: B images, X channels, P points of all levels, N requested points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Join (B, X, H_l, W_l) maps of all levels to (B, P, X)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)


def gather_points(maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor) -> Tensor:
    """Read a few points of the levels without copying the levels.

    Args:
        maps: per level, (B, X, H_l, W_l).
        img_inds: (N,) index of each point's image.
        point_inds: (N,) index among the points of all levels.

    Returns:
        (N, X).
    """
    start, rows = 0, []
    for level in maps:
        values = level.flatten(2)  # (B, X, H_l * W_l)
        size = values.shape[2]
        here = (point_inds >= start) & (point_inds < start + size)  # (N,)
        # Every level is read for every point: to know how many points a level has, the host would
        # have to wait for the GPU. Points of other levels read any cell and become 0.
        found = values[img_inds, :, (point_inds - start).clamp(0, size - 1)]  # (N, X)
        rows.append(found.where(here[:, None], 0))
        start += size
    return torch.stack(rows).sum(dim=0)


def gather_patches(maps: Sequence[Tensor], img_inds: Tensor, point_inds: Tensor) -> Tensor:
    """Read the 3 x 3 cells around a few points, zero beyond a map's border as convolutions pad.

    Args:
        maps: per level, (B, X, H_l, W_l).
        img_inds: (N,) index of each point's image.
        point_inds: (N,) index among the points of all levels.

    Returns:
        (N, X, 3, 3).
    """
    step = torch.arange(-1, 2, device=point_inds.device)
    start, orders, patches = 0, [], []
    for level in maps:
        height, width = level.shape[-2:]
        here = (point_inds >= start) & (point_inds < start + height * width)
        order = here.nonzero().squeeze(1)  # (n,) the points of this level
        inds = point_inds[order] - start
        # rows and columns, (n, 3, 3) each
        y = (inds // width)[:, None, None] + step[:, None] + 0 * step
        x = (inds % width)[:, None, None] + step + 0 * step[:, None]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        cells = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        found = level.flatten(2)[img_inds[order][:, None, None], :, cells]  # (n, 3, 3, X)
        patches.append(found.where(inside[..., None], 0))
        orders.append(order)
        start += height * width
    # back to the order of the requested points
    return torch.cat(patches)[torch.cat(orders).argsort()].permute(0, 3, 1, 2)
