"""First-layer weights that were trained on RGB, adapted to images of other channels."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

__all__ = ["adapt_input_channels", "adapt_when_loading", "input_channels"]


def first_conv(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the name and the module of the convolution that reads the image.

    That is the first one: networks create their modules in the order of use.

    Raises:
        ValueError: the network has no convolution.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise ValueError(f"backbone {type(network).__name__}: expected a convolution in it")


def input_channels(network: nn.Module) -> int:
    """Return how many image channels a network reads; 3 for one without convolutions."""
    try:
        return first_conv(network)[1].in_channels
    except ValueError:
        return 3


def adapt_input_channels(weight: Tensor, channels: int) -> Tensor:
    """Convert the RGB weights of a first convolution to another number of channels.

    One channel gets the sum over RGB, which answers as RGB does to a gray image. More than three
    channels keep the RGB weights, and each further channel gets their mean; two channels get the
    mean as well. All are then scaled by 3 / channels, so that activations keep their size.

    Args:
        weight: (K, 3, h, w).
        channels: number of image channels.

    Returns:
        (K, channels, h, w).
    """
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    mean = weight.mean(dim=1, keepdim=True)  # (K, 1, h, w)
    adapted = mean.repeat(1, channels, 1, 1)  # (K, channels, h, w)
    if channels >= 3:
        adapted[:, :3] = weight
    return adapted * (3 / channels)


def adapt_when_loading(backbone: nn.Module) -> None:
    """Let a backbone for other than 3 channels load RGB weights, whichever loader is used.

    Without this, mmengine skips the first convolution, which stays random. The log reports each
    adaptation. Weights that fit are loaded unchanged.
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
