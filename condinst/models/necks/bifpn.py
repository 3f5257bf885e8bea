"""BiFPN of the original CondInst: a pyramid whose levels are fused both ways, several times.

It follows EfficientDet (Tan, Pang, Le, CVPR 2020, Section 3), with plain 3x3 convolutions instead
of depthwise separable ones.

Shapes: B images, C channels of every output, L levels of size H_i x W_i, finest first; level i is
twice as coarse as level i - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from condinst.registry import MODELS

# Keeps the fusion defined where every weight is zero or less.
_WEIGHT_EPS = 1e-4


@MODELS.register_module()
class BiFPN(BaseModule):
    """Fuse the levels of a backbone into L levels with C channels each.

    Levels coarser than the backbone's are made from its last one: by a 1x1 convolution, then by
    3x3 max-pooling with stride 2 for each further level.

    Weights start at torch's defaults (Kaiming uniform, a = sqrt(5); norms at 1 and 0), and every
    fusion weight starts at 1.

    Args:
        in_channels: channels of every level of the backbone.
        out_channels: C; the original has 160.
        num_outs: L, at least 2.
        start_level: index of the first level of the backbone that is used.
        num_layers: how many times the levels are fused both ways.
        norm_cfg: config of the norm after each convolution.
        init_cfg: as in mmengine.

    Raises:
        ValueError: the numbers of levels contradict each other.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 160,
        num_outs: int = 5,
        start_level: int = 0,
        num_layers: int = 6,
        norm_cfg: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type="BN")
        _check_levels(in_channels, num_outs, start_level, num_layers)
        self.in_channels = list(in_channels)
        self.out_channels = out_channels
        self.start_level = start_level
        used = self.in_channels[start_level:]
        self.num_extra = num_outs - len(used)
        if self.num_extra:
            self.reduction = ConvNorm(used[-1], out_channels, 1, norm_cfg, bias=False)
        first = used + [out_channels] * self.num_extra
        later = [out_channels] * num_outs
        self.layers = nn.ModuleList(
            BiFPNLayer(later if i else first, out_channels, norm_cfg) for i in range(num_layers)
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Fuse a backbone's levels.

        Args:
            inputs: every level of the backbone, finest first, including the levels before
                ``start_level``.

        Returns:
            L maps (B, C, H_i, W_i). The sizes are the backbone's; each further level has half the
            size of the level before, rounded up.

        Raises:
            ValueError: the backbone's levels have other channels than ``in_channels``.
        """
        channels = [level.shape[1] for level in inputs]
        if channels != self.in_channels:
            raise ValueError(
                f"neck.in_channels={self.in_channels}: the backbone's levels have {channels}"
            )
        levels = list(inputs[self.start_level :])
        for i in range(self.num_extra):
            levels.append(_halve(levels[-1] if i else self.reduction(levels[-1])))
        for layer in self.layers:
            levels = layer(levels)
        return tuple(levels)


class BiFPNLayer(nn.Module):
    """Fuse a pyramid once from coarse to fine and once from fine to coarse.

    Args:
        in_channels: channels of each of the L inputs.
        out_channels: C.
        norm_cfg: config of the norm after each convolution.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, norm_cfg: dict[str, Any]
    ) -> None:
        super().__init__()
        self.laterals = nn.ModuleDict(
            {
                str(level): ConvNorm(channels, out_channels, 1, norm_cfg, bias=True)
                for level, channels in enumerate(in_channels)
                if channels != out_channels
            }
        )
        # nodes on the way down have 2 inputs each; those on the way up have 3, but 2 on the last
        # level, which has no node on the way down
        num_down = len(in_channels) - 1
        counts = [2] * num_down + [3] * (num_down - 1) + [2]
        self.nodes = nn.ModuleList(FusionNode(n, out_channels, norm_cfg) for n in counts)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Fuse L maps (B, in_channels[i], H_i, W_i) into L maps (B, C, H_i, W_i)."""
        inputs = [
            self.laterals[str(i)](level) if str(i) in self.laterals else level
            for i, level in enumerate(levels)
        ]
        nodes = iter(self.nodes)
        last = len(inputs) - 1
        down = {last: inputs[last]}
        for i in reversed(range(last)):
            down[i] = next(nodes)([inputs[i], down[i + 1]])
        outs = [down[0]]  # each (B, C, H_i, W_i)
        for i in range(1, last):
            outs.append(next(nodes)([inputs[i], down[i], outs[-1]]))
        outs.append(next(nodes)([inputs[last], outs[-1]]))
        return outs


class FusionNode(nn.Module):
    """Weighted mean of maps, followed by swish, a 3x3 convolution and a norm.

    Args:
        num_inputs: number of maps to fuse.
        channels: C, of the maps and of the result.
        norm_cfg: config of the norm after the convolution.
    """

    def __init__(self, num_inputs: int, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(num_inputs))
        self.conv = ConvNorm(channels, channels, 3, norm_cfg, bias=False)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse maps (B, C, *, *) into one (B, C, H, W) of the first map's size."""
        weights = F.relu(self.weights)  # (num_inputs,)
        # cast to the type of the maps, or the products would be float32 under autocast
        weights = (weights / (weights.sum() + _WEIGHT_EPS)).to(maps[0].dtype)
        size = maps[0].shape[-2:]
        fused = maps[0] * weights[0]  # (B, C, H, W)
        for i in range(1, len(maps)):
            fused = fused + _resize(maps[i], size) * weights[i]
        return self.conv(F.silu(fused))


class ConvNorm(nn.Module):
    """A convolution that keeps the size, and a norm; parameters are named as in mmcv's ConvModule.

    ConvModule itself would warn of the bias before a batch norm, which the published weights have.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, norm_cfg: dict[str, Any], bias: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
        self.norm_name, norm = build_norm_layer(norm_cfg, out_channels)
        self.add_module(self.norm_name, norm)

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.norm_name)(self.conv(x))


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


def _resize(x: Tensor, size: Any) -> Tensor:
    """Resize a neighboring level to this level's size: max-pool a larger one, repeat a smaller."""
    if x.shape[-2] > size[0] or x.shape[-1] > size[1]:
        x = _halve(x)
    # needed after pooling too: a backbone may round sizes down where pooling rounds up
    return x if x.shape[-2:] == size else F.interpolate(x, size=tuple(size), mode="nearest")


def _check_levels(
    in_channels: Sequence[int], num_outs: int, start_level: int, num_layers: int
) -> None:
    if not 0 <= start_level < len(in_channels):
        raise ValueError(
            f"neck.start_level={start_level}: expected 0 to {len(in_channels) - 1}, "
            f"for neck.in_channels={list(in_channels)}"
        )
    least = max(2, len(in_channels) - start_level)
    if num_outs < least:
        raise ValueError(
            f"neck.num_outs={num_outs}: expected {least} or more, for the "
            f"{len(in_channels) - start_level} levels of neck.in_channels={list(in_channels)} from "
            f"start_level={start_level}"
        )
    if num_layers < 1:
        raise ValueError(f"neck.num_layers={num_layers}: expected 1 or more")
