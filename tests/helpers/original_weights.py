"""Checkpoints in the original's layout, with random numbers in them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["original_file", "original_shapes", "original_weights"]

Named = Iterator[tuple[str, tuple[int, ...]]]

NORM = ("weight", "bias", "running_mean", "running_var")
# down the pyramid, then up again: two nodes that meet at levels 0 and 4, three at the others
NODES = {"f3_3_4": 2, "f2_2_5": 2, "f1_1_6": 2, "f0_0_7": 2}
NODES |= {"f1_1_7_8": 3, "f2_2_6_9": 3, "f3_3_5_10": 3, "f4_4_11": 2}


def original_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a checkpoint with ResNet-50, by the tensor's name.

    Args:
        name: condinst_r50_fpn_1x, condinst_r50_fpn_3x_sem, condinst_r50_bifpn_1x or
            boxinst_r50_fpn_1x.
    """
    bifpn, semantic = "bifpn" in name, name.endswith("sem")
    channels = 160 if bifpn else 256
    mask_channels = 16 if name.startswith("boxinst") else 8
    dynamic = (mask_channels + 2) * 8 + 8 * 8 + 8 + 8 + 8 + 1
    shapes = dict(_resnet50("backbone.bottom_up." + "backbone." * bifpn))
    shapes.update(_bifpn(channels) if bifpn else _fpn(channels))
    shapes.update(_head(channels))
    shapes.update(_mask_branch(channels, mask_channels, semantic))
    shapes.update(_conv("controller", dynamic, channels, 3))
    return shapes


def original_weights(name: str) -> dict[str, Tensor]:
    """Tensors of :func:`original_shapes`, each drawn from the seed that its name gives."""
    weights = {}
    for key, shape in original_shapes(name).items():
        if key.endswith("num_batches_tracked"):
            weights[key] = torch.zeros(shape, dtype=torch.int64)
            continue
        draw = torch.Generator().manual_seed(zlib.crc32(key.encode()))
        values = torch.randn(shape, generator=draw)
        if len(shape) == 4:
            values *= math.sqrt(2 / math.prod(shape[1:]))
        elif key.endswith((".running_var", ".scale", "norm.weight", ".1.weight")):
            values = 1 + 0.1 * values
        else:
            values *= 0.05
        weights[key] = values
    return weights


def original_file(path, name: str) -> dict[str, Tensor]:
    """Write a checkpoint as the original's programs write it; return its tensors."""
    tensors = original_weights(name)
    torch.save({"model": tensors, "iteration": 89999}, path)
    return tensors


def _conv(name: str, out: int, inside: int, side: int, bias: bool = True) -> Named:
    yield f"{name}.weight", (out, inside, side, side)
    if bias:
        yield f"{name}.bias", (out,)


def _norm(name: str, channels: int, counter: bool = True) -> Named:
    for part in NORM:
        yield f"{name}.{part}", (channels,)
    if counter:
        yield f"{name}.num_batches_tracked", ()


def _frozen(name: str, out: int, inside: int, side: int) -> Named:
    """A convolution of the backbone and its frozen batch norm, which counts no batches."""
    yield from _conv(name, out, inside, side, bias=False)
    yield from _norm(f"{name}.norm", out, counter=False)


def _resnet50(prefix: str) -> Named:
    yield from _frozen(f"{prefix}stem.conv1", 64, 3, 7)
    inside = 64
    for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
        width = 64 * 2 ** (stage - 2)
        for block in range(blocks):
            name = f"{prefix}res{stage}.{block}"
            if block == 0:
                yield from _frozen(f"{name}.shortcut", 4 * width, inside, 1)
            yield from _frozen(f"{name}.conv1", width, inside, 1)
            yield from _frozen(f"{name}.conv2", width, width, 3)
            yield from _frozen(f"{name}.conv3", 4 * width, width, 1)
            inside = 4 * width


def _fpn(channels: int) -> Named:
    for level, inside in ((3, 512), (4, 1024), (5, 2048)):
        yield from _conv(f"backbone.fpn_lateral{level}", channels, inside, 1)
        yield from _conv(f"backbone.fpn_output{level}", channels, channels, 3)
    for level in (6, 7):
        yield from _conv(f"backbone.top_block.p{level}", channels, channels, 3)


def _bifpn(channels: int) -> Named:
    reduction = "backbone.bottom_up.res6.reduction"
    yield from _conv(reduction, channels, 2048, 1, bias=False)
    yield from _norm(f"{reduction}.norm", channels)
    for layer in range(6):
        name = f"backbone.repeated_bifpn.{layer}"
        for level, inside in enumerate((512, 1024, 2048) if layer == 0 else ()):
            yield from _conv(f"{name}.lateral_{level}_f{level}", channels, inside, 1)
            yield from _norm(f"{name}.lateral_{level}_f{level}.norm", channels)
        for node, number in NODES.items():
            yield f"{name}.weights_{node}", (number,)
            yield from _conv(f"{name}.outputs_{node}", channels, channels, 3, bias=False)
            yield from _norm(f"{name}.outputs_{node}.norm", channels)


def _head(channels: int) -> Named:
    head = "proposal_generator.fcos_head"
    for tower in ("cls_tower", "bbox_tower"):
        for i in range(4):
            yield from _conv(f"{head}.{tower}.{3 * i}", channels, channels, 3)
            for part in ("weight", "bias"):
                yield f"{head}.{tower}.{3 * i + 1}.{part}", (channels,)
    for name, out in (("cls_logits", 80), ("bbox_pred", 4), ("ctrness", 1)):
        yield from _conv(f"{head}.{name}", out, channels, 3)
    for level in range(5):
        yield f"{head}.scales.{level}.scale", (1,)


def _mask_branch(channels: int, mask_channels: int, semantic: bool) -> Named:
    blocks = [(f"refine.{i}", channels) for i in range(3)]
    blocks += [(f"tower.{i}", 128) for i in range(4)]
    if semantic:
        blocks += [("seg_head.0", channels), ("seg_head.1", 128)]
        yield from _conv("mask_branch.logits", 80, 128, 1)
    for name, inside in blocks:
        yield from _conv(f"mask_branch.{name}.0", 128, inside, 3, bias=False)
        yield from _norm(f"mask_branch.{name}.1", 128)
    yield from _conv("mask_branch.tower.4", mask_channels, 128, 1)
