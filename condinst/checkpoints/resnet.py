"""Translate ResNets of detectron2, caffe2 and torchvision to mmdet's names.

detectron2's names, which follow MSRA's, have a stem and stages res2 to res5, and in each block
conv1 to conv3 and a shortcut, each with a ``norm``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from condinst.checkpoints.translation import Translation, add_batch_counters, rename

Modules = Iterator[tuple[str, str, tuple[str, ...]]]
"""Old name and new name of each module, and the ends of its tensors' names."""

WEIGHT = (".weight",)
CONV = (".weight", ".bias")
NORM = (*CONV, ".running_mean", ".running_var", ".num_batches_tracked")

# More than the largest published ResNet has in a stage (36).
_MAX_BLOCKS = 64
_BRANCHES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}


def detectron2_names(prefix: str, target: str) -> Modules:
    """Yield detectron2's and mmdet's name of every module of a ResNet, and its tensors' ends.

    Args:
        prefix: prefix of detectron2's names, ending with a dot if not empty.
        target: prefix of mmdet's names, likewise.
    """
    yield f"{prefix}stem.conv1", f"{target}conv1", WEIGHT
    yield f"{prefix}stem.conv1.norm", f"{target}bn1", NORM
    for stage in range(2, 6):
        for block in range(_MAX_BLOCKS):
            old = f"{prefix}res{stage}.{block}"
            new = f"{target}layer{stage - 1}.{block}"
            for i in (1, 2, 3):
                yield f"{old}.conv{i}", f"{new}.conv{i}", WEIGHT
                yield f"{old}.conv{i}.norm", f"{new}.bn{i}", NORM
            # both split its 27 channels alike into offsets and modulation
            yield f"{old}.conv2_offset", f"{new}.conv2.conv_offset", CONV
            yield f"{old}.shortcut", f"{new}.downsample.0", WEIGHT
            yield f"{old}.shortcut.norm", f"{new}.downsample.1", NORM


def expand(modules: Modules) -> dict[str, str]:
    """Return the new name of every tensor, by its old name."""
    return {f"{old}{end}": f"{new}{end}" for old, new, ends in modules for end in ends}


def from_detectron2(state_dict: Mapping[str, Tensor]) -> Translation:
    """Translate a detectron2 ResNet, with or without ``backbone.bottom_up.`` before its names."""
    prefix = "backbone.bottom_up."
    if not any(name.startswith(prefix) for name in state_dict):
        prefix = ""
    table = expand(detectron2_names(prefix, ""))
    classifier = re.compile(rf"{re.escape(prefix)}(stem\.)?(fc|linear)\d*\.(weight|bias)")
    result = rename(
        state_dict,
        table.get,
        lambda name: bool(classifier.fullmatch(name)),
        "detectron2-backbone",
    )
    add_batch_counters(result.weights)
    return result


def from_torchvision(state_dict: Mapping[str, Tensor]) -> Translation:
    """Translate a torchvision ResNet, which has mmdet's names and a classifier."""
    known = set(expand(detectron2_names("", "")).values())
    result = rename(
        state_dict,
        lambda name: name if name in known else None,
        lambda name: name in ("fc.weight", "fc.bias"),
        "torchvision-backbone",
    )
    add_batch_counters(result.weights)
    return result


def from_caffe2(state_dict: Mapping[str, Tensor]) -> Translation:
    """Translate MSRA's ResNets in Detectron's format.

    Their norms are reduced to a scale and a bias. Here they become batch norms with mean 0 and
    variance 1, as in detectron2, so that the epsilon of 1e-5 still applies. A bias of the first
    convolution is added to its norm's.
    """
    drops = re.compile(r"(fc\d*|pred)_[wb]|.*_momentum")
    weights = dict(state_dict)
    if {"conv1_b", "res_conv1_bn_s", "res_conv1_bn_b"} <= weights.keys():
        bias = weights.pop("conv1_b")
        weights["res_conv1_bn_b"] = weights["res_conv1_bn_b"] + weights["res_conv1_bn_s"] * bias
    result = rename(
        weights, _caffe2_name, lambda name: bool(drops.fullmatch(name)), "caffe2-backbone"
    )
    for name in [n for n in result.weights if re.search(r"(bn\d|downsample\.1)\.weight$", n)]:
        norm, scale = name.removesuffix("weight"), result.weights[name]
        result.weights[f"{norm}running_mean"] = torch.zeros_like(scale)
        result.weights[f"{norm}running_var"] = torch.ones_like(scale)
    add_batch_counters(result.weights)
    return result


def _caffe2_name(name: str) -> str | None:
    """Translate a name, such as ``res3_1_branch2b_bn_s`` to ``layer2.1.bn2.weight``."""
    if name == "conv1_w":
        return "conv1.weight"
    if match := re.fullmatch(r"res_conv1_bn_([sb])", name):
        return f"bn1.{'weight' if match[1] == 's' else 'bias'}"
    match = re.fullmatch(r"res([2-5])_(\d+)_branch(1|2[abc])_(w|bn_s|bn_b)", name)
    if match is None:
        return None
    block = f"layer{int(match[1]) - 1}.{match[2]}"
    part = _BRANCHES[match[3]]
    kind = "bias" if match[4] == "bn_b" else "weight"
    norm = match[4] != "w"
    if part == "shortcut":
        return f"{block}.downsample.{int(norm)}.{kind}"
    return f"{block}.{part.replace('conv', 'bn') if norm else part}.{kind}"
