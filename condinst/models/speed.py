"""Switches that make a detector faster and keep its answers, or nearly keep them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from condinst.models.input_channels import input_channels

AUTOCAST_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}

# Largest difference, relative to the largest output, that folding may make in float32: it changes
# the order of the roundings of a hundred layers.
_FOLDING_TOLERANCE = 1e-3


def to_channels_last(model: nn.Module) -> None:
    """Store the weights in torch's channels-last memory format; activations follow from them."""
    model.to(memory_format=torch.channels_last)


def compile_networks(model: Any) -> None:
    """Compile the convolutional parts: backbone, neck, towers and mask branch.

    Sizes stay symbolic, so that images of another size need no new compilation. The parts keep
    their names in the state dict.

    Args:
        model: a CondInst.
    """
    for part in (
        model.backbone,
        model.neck,
        model.bbox_head,
        model.mask_head.mask_feature_head,
        getattr(model, "semantic_head", None),
    ):
        if part is not None:
            part.compile(dynamic=True)


def fold_batch_norms(model: nn.Module) -> int:
    """Fold each batch norm into the convolution before it, in place; for inference only.

    A batch norm is folded if it follows the convolution among the children of one module, as in
    the modules of torchvision, mmdet and mmcv.

    Returns:
        The number of folded batch norms.
    """
    folded = 0
    for module in model.modules():
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in zip(children, children[1:], strict=False):
            # exact types: in some libraries, a subclass of batch norm contains the activation too
            if type(conv) is not nn.Conv2d or type(norm) not in (nn.BatchNorm2d, nn.SyncBatchNorm):
                continue
            if not norm.track_running_stats or norm.num_features != conv.out_channels:
                continue
            assert isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm)
            setattr(module, conv_name, fuse_conv_bn_eval(conv.eval(), norm.eval()))
            setattr(module, norm_name, nn.Identity())
            folded += 1
    return folded


def checked_fold_batch_norms(model: Any) -> int:
    """Fold the batch norms of a detector, and refuse if its answers would change.

    Args:
        model: a detector with ``_forward`` (mmdet's and ours); changed in place.

    Returns:
        The number of folded batch norms.

    Raises:
        ValueError: the modules are used in another order than they are listed, as in a network that
            normalizes before it convolves.
    """
    model.eval()
    original = copy.deepcopy(model)
    folded = fold_batch_norms(model)
    parameter = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    channels = input_channels(model.backbone)
    image = torch.randn(1, channels, 128, 128, generator=generator).to(parameter)
    with torch.no_grad():
        for expected, actual in zip(original._forward(image), model._forward(image), strict=True):
            worst = (actual - expected).abs().max() / expected.abs().max().clamp(min=1e-6)
            if not worst < _FOLDING_TOLERANCE:
                raise ValueError(
                    "the batch norms of this model cannot be folded: its answers would change by "
                    f"{worst:.1g} of the largest one; test without folding"
                )
    return folded


@contextlib.contextmanager
def autocast(device_type: str, dtype: str | None) -> Iterator[None]:
    """Run in mixed precision if ``dtype`` names a type; change nothing if it is None.

    Raises:
        ValueError: ``dtype`` names another type.
    """
    if dtype is None:
        yield
        return
    if dtype not in AUTOCAST_DTYPES:
        raise ValueError(
            f"test_cfg.autocast_dtype={dtype!r}: expected one of {', '.join(AUTOCAST_DTYPES)}"
        )
    with torch.autocast(device_type, AUTOCAST_DTYPES[dtype]):
        yield
