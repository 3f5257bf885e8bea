"""Run a tower of 3 x 3 convolutions, and a last one, at a few points of the map.

Shapes: B images, X channels, N points, S convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["conv_at_points", "is_local", "patches_are_cheaper", "run_tower"]


def run_tower(tower: Sequence[Any], feat: Tensor) -> Tensor:
    """Run a tower on a whole map."""
    for module in tower:
        feat = module(feat)
    return feat


def conv_at_points(
    tower: Sequence[Any], last: nn.Conv2d, feat: Tensor, img_inds: Tensor, inds: Tensor
) -> Tensor:
    """Run a tower and a convolution, on the map or at the points, whichever is cheaper.

    Args:
        tower: S layers; :func:`is_local` holds if there are any.
        last: the convolution after them.
        feat: (B, X, H, W).
        img_inds: (N,) index of each point's image.
        inds: (N,) index of each point's cell, row by row.

    Returns:
        (N, last.out_channels).
    """
    if len(tower):
        cells = len(feat) * feat.shape[2] * feat.shape[3]
        if patches_are_cheaper(len(inds), len(tower), cells):
            found = _tower_at_points(tower, feat, img_inds, inds)  # (N, X')
            return F.linear(found, last.weight.flatten(1), last.bias)
        feat = run_tower(tower, feat)
    if last.kernel_size != (1, 1):
        return last(feat).flatten(2)[img_inds, :, inds]
    found = feat.flatten(2)[img_inds, :, inds]
    return F.linear(found, last.weight.flatten(1), last.bias)


def is_local(tower: Sequence[Any], last: nn.Conv2d) -> bool:
    """Tell whether a tower and the convolution after it can run at points.

    The tower must have plain 3 x 3 convolutions, and norms that look at one cell, as batch norms do
    in evaluation; the last convolution must be 1 x 1.
    """
    return last.kernel_size == (1, 1) and all(
        type(module.conv) is nn.Conv2d
        and (module.conv.kernel_size, module.conv.stride) == ((3, 3), (1, 1))
        and (module.conv.padding, module.conv.dilation) == ((1, 1), (1, 1))
        and module.conv.padding_mode == "zeros"
        and module.order == ("conv", "norm", "act")
        and (not module.with_norm or _looks_at_one_cell(module.norm))
        for module in tower
    )


def _looks_at_one_cell(norm: nn.Module) -> bool:
    if isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm):
        return not norm.training
    return isinstance(norm, nn.Identity)  # a batch norm that was folded


def patches_are_cheaper(num_points: int, num_convs: int, cells: int) -> bool:
    """Tell whether a tower at so many points costs less than on a map of so many cells."""
    per_point = sum((2 * i + 1) ** 2 for i in range(num_convs))
    return num_points * per_point < cells * num_convs


def _tower_at_points(tower: Sequence[Any], feat: Tensor, img_inds: Tensor, inds: Tensor) -> Tensor:
    """Run a tower on the patches that the points depend on: (N, X')."""
    height, width = feat.shape[-2:]
    y, x = inds // width, inds % width  # (N,) each
    step = torch.arange(-len(tower), len(tower) + 1, device=inds.device)
    rows, columns = y[:, None] + step, x[:, None] + step  # (N, 2 S + 1) each
    inside = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
    cells = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    # (N, X, 2 S + 1, 2 S + 1)
    patches = feat.flatten(2)[img_inds[:, None, None], :, cells].permute(0, 3, 1, 2)
    for module in tower:
        # zero beyond the border of the map, as the convolution pads it there
        patches = patches * inside[:, None]
        patches = F.conv2d(patches, module.conv.weight, module.conv.bias)
        if module.with_norm:
            patches = module.norm(patches)
        if module.with_activation:
            patches = module.activate(patches)
        inside = inside[:, 1:-1, 1:-1]
    return patches.flatten(1)  # one cell is left


def _inside(index: Tensor, size: int) -> Tensor:
    return (index >= 0) & (index < size)
