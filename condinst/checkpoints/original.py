"""Translate whole models of the original (AdelaiDet on detectron2) to ours, and back.

One table of names serves both directions. It depends on three numbers of the model, because the
original numbers some modules by the modules before them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from condinst.checkpoints.resnet import CONV, NORM, WEIGHT, Modules, detectron2_names, expand
from condinst.checkpoints.translation import (
    Translation,
    add_batch_counters,
    describe,
    listing,
    rename,
)

# More than any published model has.
_MAX_CONVS = 16
_MAX_LEVELS = 8
_MAX_BIFPN_LAYERS = 16

_HEAD = "proposal_generator.fcos_head"
_BRANCH = "mask_head.mask_feature_head"
SIZES = "mask_head.sizes_of_interest"
# The iteration, for BoxInst's warm-up; here mmengine counts it.
_COUNTER = "mask_head._iter"
_SIZE_VALUES = [64.0, 128.0, 256.0, 512.0, 1024.0]
_NORMALIZATION = ("pixel_mean", "pixel_std")
BUFFERS = frozenset((SIZES, _COUNTER, *_NORMALIZATION))
"""Tensors that our or the original's model makes from its config, or counts by itself."""


@dataclass(frozen=True)
class _Shape:
    """The numbers of a model that its names depend on.

    Attributes:
        num_laterals: number of the backbone's levels that the FPN uses; the last is res5.
        num_levels: number of levels of the BiFPN, 0 without one.
        num_convs: number of convolutions of the mask branch before its last one.
    """

    num_laterals: int
    num_levels: int
    num_convs: int

    @classmethod
    def of_original(cls, names: Collection[str]) -> _Shape:
        return cls(
            _count(r"backbone\.fpn_lateral(\d+)\.weight", names),
            _num_levels(_count(r"backbone\.repeated_bifpn\.0\.weights_(f\w+)", names)),
            _count(r"mask_branch\.tower\.(\d+)\.0\.weight", names),
        )

    @classmethod
    def of_ours(cls, names: Collection[str]) -> _Shape:
        return cls(
            _count(r"neck\.lateral_convs\.(\d+)\.conv\.weight", names),
            _num_levels(_count(r"neck\.layers\.0\.nodes\.(\d+)\.weights", names)),
            _count(rf"{_BRANCH}\.conv_branch\.(\d+)\.conv\.weight", names),
        )


def from_original(state_dict: Mapping[str, Tensor]) -> Translation:
    """Translate the original's names to ours; ``BUFFERS`` are left out.

    Raises:
        ValueError: tensors are unknown or misshapen; the message lists them.
    """
    table = expand(_names(_Shape.of_original(state_dict)))
    check_sizes(state_dict.get(SIZES))
    result = rename(state_dict, table.get, BUFFERS.__contains__, "original")
    result.weights.update(_reshape(result.weights, r"bbox_head\.scales\.\d+\.scale", ()))
    add_batch_counters(result.weights)
    return result


def to_original(state_dict: Mapping[str, Tensor]) -> Translation:
    """Translate our names to the original's.

    The batch counters of the backbone are left out, because its norms are frozen in the original.

    Raises:
        ValueError: the original does not have some tensors; the message lists them.
    """
    table = {new: old for old, new in expand(_names(_Shape.of_ours(state_dict))).items()}
    result = rename(
        state_dict,
        table.get,
        lambda name: name.startswith("backbone.") and name.endswith("num_batches_tracked"),
        "condinst",
    )
    scales = rf"{re.escape(_HEAD)}\.scales\.\d+\.scale"
    result.weights.update(_reshape(result.weights, scales, (1,)))
    return result


def _names(shape: _Shape) -> Modules:
    """Yield the original's name and our name of every module, and its tensors' ends."""
    bifpn = shape.num_levels > 0
    yield from detectron2_names(
        "backbone.bottom_up.backbone." if bifpn else "backbone.bottom_up.", "backbone."
    )
    yield from _bifpn_names(shape.num_levels) if bifpn else _fpn_names(shape.num_laterals)
    yield from _head_names()
    yield from _mask_names(shape.num_convs)


def _fpn_names(num_laterals: int) -> Modules:
    """Yield the FPN's names: the original numbers levels by their stage, and ours start at 0."""
    for i in range(num_laterals):
        level = 6 - num_laterals + i
        yield f"backbone.fpn_lateral{level}", f"neck.lateral_convs.{i}.conv", CONV
        yield f"backbone.fpn_output{level}", f"neck.fpn_convs.{i}.conv", CONV
    for i in (0, 1):
        yield f"backbone.top_block.p{6 + i}", f"neck.fpn_convs.{num_laterals + i}.conv", CONV


def _bifpn_names(num_levels: int) -> Modules:
    """Yield the BiFPN's names.

    A node's name in the original holds its level and the numbers of the features that it fuses. The
    inputs have the numbers 0 to L - 1, finest first; nodes follow in order of computation.
    """
    yield "backbone.bottom_up.res6.reduction", "neck.reduction.conv", WEIGHT
    yield "backbone.bottom_up.res6.reduction.norm", "neck.reduction.bn", NORM
    for i in range(_MAX_BIFPN_LAYERS):
        old, new = f"backbone.repeated_bifpn.{i}", f"neck.layers.{i}"
        for level in range(num_levels):
            yield f"{old}.lateral_{level}_f{level}", f"{new}.laterals.{level}.conv", CONV
            yield f"{old}.lateral_{level}_f{level}.norm", f"{new}.laterals.{level}.bn", NORM
        for j, name in enumerate(bifpn_nodes(num_levels)):
            yield f"{old}.weights_{name}", f"{new}.nodes.{j}.weights", ("",)
            yield f"{old}.outputs_{name}", f"{new}.nodes.{j}.conv.conv", WEIGHT
            yield f"{old}.outputs_{name}.norm", f"{new}.nodes.{j}.conv.bn", NORM


def bifpn_nodes(num_levels: int) -> list[str]:
    """Return the original's names of the nodes of a BiFPN layer, in order of computation."""
    names = []
    number = num_levels
    newest = {level: level for level in range(num_levels)}  # number of each level's last result
    for level in reversed(range(num_levels - 1)):
        names.append(f"f{level}_{newest[level]}_{newest[level + 1]}")
        newest[level] = number
        number += 1
    for level in range(1, num_levels):
        # the coarsest level has no node on the way down
        parts = dict.fromkeys([level, newest[level], newest[level - 1]])
        names.append("_".join([f"f{level}", *map(str, parts)]))
        newest[level] = number
        number += 1
    return names


def _head_names() -> Modules:
    for old, new in (("cls_tower", "cls_convs"), ("bbox_tower", "reg_convs")):
        for i in range(_MAX_CONVS):  # convolution, norm, ReLU
            yield f"{_HEAD}.{old}.{3 * i}", f"bbox_head.{new}.{i}.conv", CONV
            yield f"{_HEAD}.{old}.{3 * i + 1}", f"bbox_head.{new}.{i}.gn", CONV
    yield f"{_HEAD}.cls_logits", "bbox_head.conv_cls", CONV
    yield f"{_HEAD}.bbox_pred", "bbox_head.conv_reg", CONV
    yield f"{_HEAD}.ctrness", "bbox_head.conv_centerness", CONV
    for i in range(_MAX_LEVELS):
        yield f"{_HEAD}.scales.{i}", f"bbox_head.scales.{i}", (".scale",)
    yield "controller", "bbox_head.controller", CONV


def _mask_names(num_convs: int) -> Modules:
    for i in range(_MAX_LEVELS):
        new = f"{_BRANCH}.convs_all_levels.{i}.conv{i}"
        yield f"mask_branch.refine.{i}.0", f"{new}.conv", WEIGHT
        yield f"mask_branch.refine.{i}.1", f"{new}.bn", NORM
    for i in range(num_convs):
        new = f"{_BRANCH}.conv_branch.{i}"
        yield f"mask_branch.tower.{i}.0", f"{new}.conv", WEIGHT
        yield f"mask_branch.tower.{i}.1", f"{new}.bn", NORM
    yield f"mask_branch.tower.{num_convs}", f"{_BRANCH}.conv_pred", CONV
    for i in range(_MAX_CONVS):
        new = f"semantic_head.convs.{i}"
        yield f"mask_branch.seg_head.{i}.0", f"{new}.conv", WEIGHT
        yield f"mask_branch.seg_head.{i}.1", f"{new}.bn", NORM
    yield "mask_branch.logits", "semantic_head.conv_logits", CONV


def _count(pattern: str, names: Collection[str]) -> int:
    """Count the different first groups of a pattern's full matches."""
    matches = (re.fullmatch(pattern, name) for name in names)
    return len({match[1] for match in matches if match})


def _num_levels(num_nodes: int) -> int:
    """Return the number of levels: L levels have L - 1 nodes on each of the two paths."""
    return num_nodes // 2 + 1 if num_nodes else 0


def _reshape(weights: Mapping[str, Tensor], pattern: str, shape: tuple) -> dict[str, Tensor]:
    """Reshape the tensors of one element whose names match a pattern.

    Raises:
        ValueError: tensors have more elements; the message lists them.
    """
    found = {name: t for name, t in weights.items() if re.fullmatch(pattern, name)}
    wrong = [describe(name, t) for name, t in found.items() if t.numel() != 1]
    if wrong:
        raise ValueError(listing("misshapen tensors, expected one element each", wrong))
    return {name: t.reshape(shape) for name, t in found.items()}


def check_sizes(sizes: Tensor | None) -> None:
    """Check the original's sizes of interest: ours are always 8 strides of the level."""
    if sizes is not None and sizes.tolist() != _SIZE_VALUES:
        raise ValueError(
            f"{SIZES} is {sizes.tolist()}, expected {_SIZE_VALUES}: masks would be drawn wrongly"
        )
