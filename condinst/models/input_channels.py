"""Weights that were made for color images, in a network for images of other channels."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

__all__ = ["adapt_input_channels", "adapt_when_loading", "input_channels"]


def first_conv(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Name and module of the convolution that sees the image: modules are made in that order.

    Raises:
        ValueError: there is none.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise ValueError(f"backbone {type(network).__name__}: expected a convolution in it")


def input_channels(network: nn.Module) -> int:
    """Channels of the images that a network takes; 3 for one without convolutions."""
    try:
        return first_conv(network)[1].in_channels
    except ValueError:
        return 3


def adapt_input_channels(weight: Tensor, channels: int) -> Tensor:
    """A first convolution's weights for RGB as weights for other channels.

    One channel gets the sum over RGB: the answer to gray in all three. More than three keep RGB,
    and each further channel gets the mean over RGB; all are scaled by 3 / channels, so that
    activations keep their size. Two channels get the mean so.

    Args:
        weight: (K, 3, h, w).
        channels: of the images.

    Returns:
        (K, channels, h, w).
    """
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    mean = weight.mean(dim=1, keepdim=True)
    adapted = mean.repeat(1, channels, 1, 1)
    if channels >= 3:
        adapted[:, :3] = weight
    return adapted * (3 / channels)


def adapt_when_loading(backbone: nn.Module) -> None:
    """Let a backbone for other channels than 3 load weights for RGB, by whatever loads them.

    mmengine otherwise leaves the first convolution at its random start. The log says so; weights
    that fit are loaded as they are.
    """
    try:
        name, conv = first_conv(backbone)
    except ValueError:
        return
    if conv.in_channels != 3 and conv.groups == 1:
        hook = partial(_adapt, name=name, channels=conv.in_channels)
        conv._register_load_state_dict_pre_hook(hook)


def _adapt(
    state_dict: dict[str, Tensor], prefix: str, *rest: Any, name: str, channels: int
) -> None:
    key = f"{prefix}weight"
    weight = state_dict.get(key)
    if weight is None or weight.ndim != 4 or weight.shape[1] != 3:
        return
    state_dict[key] = adapt_input_channels(weight, channels)
    print_log(
        f"backbone: the weights of its first convolution ({name}) were made for images of 3 "
        f"channels and have been adapted to {channels}",
        logger="current",
    )
