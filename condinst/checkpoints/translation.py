"""Rename tensors, and list those that do not fit in one error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from condinst.utils.names import printable

_NUM_LISTED = 40
# Any backbone and neck; heads with these names, and with any norm and convolution.
_OURS = [
    r"(backbone|neck)\..+",
    r"bbox_head\.((cls|reg)_convs\.\d+\.[\w.]+|conv_(cls|reg|centerness)|controller)\.\w+",
    r"bbox_head\.scales\.\d+\.scale",
    r"bbox_head\.(kernel_convs\.\d+\.[\w.]+|rtm_(cls|reg|kernel|obj)\.\d+)\.\w+",
    r"bbox_head\.mask_head\.(fusion_conv|projection|stacked_convs\.\d+\.\w+)\.\w+",
    r"mask_head\.mask_feature_head\.convs_all_levels\.\d+\.conv\d+\.[\w.]+",
    r"mask_head\.mask_feature_head\.(conv_branch\.\d+\.[\w.]+|conv_pred\.\w+)",
    r"semantic_head\.(convs\.\d+\.[\w.]+|conv_logits\.\w+)",
]


@dataclass
class Translation:
    """Renamed weights.

    Attributes:
        weights: tensors by their new names.
        dropped: old names of tensors that the new layout does not have.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def rename(
    state_dict: Mapping[str, Tensor],
    new_name: Callable[[str], str | None],
    drops: Callable[[str], bool],
    layout: str,
) -> Translation:
    """Give every tensor its new name.

    Args:
        state_dict: tensors by their old names.
        new_name: returns the new name, None for an unknown tensor.
        drops: tells whether a tensor is left out.
        layout: name of the old layout, for the message.

    Raises:
        ValueError: tensors are unknown, or get the same name; the message lists them.
    """
    result = Translation()
    problems = []
    for old, tensor in state_dict.items():
        if drops(old):
            result.dropped.append(old)
            continue
        new = new_name(old)
        if new is None:
            problems.append(f"{describe(old, tensor)} has no counterpart")
        elif new in result.weights:
            problems.append(f"{describe(old, tensor)} is a second {new}")
        else:
            result.weights[new] = tensor
    if problems:
        raise ValueError(listing(f"tensors that the layout {layout!r} does not have", problems))
    return result


def add_batch_counters(weights: dict[str, Tensor]) -> None:
    """Give every batch norm that lacks it a ``num_batches_tracked`` of 0, as frozen ones do."""
    for name in [n for n in weights if n.endswith(".running_var")]:
        counter = f"{name.removesuffix('running_var')}num_batches_tracked"
        weights.setdefault(counter, torch.tensor(0))


def our_name(name: str) -> str | None:
    """Return the name if a model of ours may have it, else None."""
    return name if any(re.fullmatch(pattern, name) for pattern in _OURS) else None


def describe(name: str, tensor: Tensor) -> str:
    """Return the name and shape of a tensor."""
    return f"{printable(name)} {tuple(tensor.shape)}"


def listing(heading: str, lines: Iterable[str]) -> str:
    """Return a heading with the number of lines, and the first 40 lines."""
    lines = list(lines)
    listed = [f"  {line}" for line in lines[:_NUM_LISTED]]
    if len(lines) > _NUM_LISTED:
        listed.append(f"  and {len(lines) - _NUM_LISTED} more")
    return "\n".join([f"{heading} ({len(lines)}):", *listed])
