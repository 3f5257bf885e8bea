"""Switches that make a detector faster at the same answers, or nearly the same."""

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

# Largest difference, relative to the largest output, that folding may make in float32: the order of
# a hundred layers' roundings changes.
_FOLDING_TOLERANCE = 1e-3


def to_channels_last(model: nn.Module) -> None:
    """Keep the channels of each pixel together, in weights; activations follow by themselves."""
    model.to(memory_format=torch.channels_last)


def compile_networks(model: Any) -> None:
    """Compile what is convolutions: backbone, neck, towers and mask branch.

    Sizes stay symbols, so that images of another size do not compile anew. The parts keep their
    names in the state dict.

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
    """Put each batch norm's factors into the convolution before it, in place; for inference only.

    A pair is a convolution and a batch norm that follow each other among the children of one
    module, as in torchvision's, mmdet's and mmcv's modules.

    Returns:
        The number of pairs.
    """
    folded = 0
    for module in model.modules():
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in zip(children, children[1:], strict=False):
            # exact types: some libraries' subclasses of batch norm hold the activation as well
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
    """:func:`fold_batch_norms` for a detector, refused where it would change the answers.

    Args:
        model: a detector with ``_forward`` (mmdet's and ours), in place.

    Returns:
        The number of pairs.

    Raises:
        ValueError: the modules' order is not the order in which they are used, as in a network that
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
    """Mixed precision where ``dtype`` names a type; what was set outside where it is None.

    Raises:
        ValueError: another name.
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
