"""An RTMDet-Ins small enough to run in a second."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from PIL import Image
from rtmdet_pair import spread_factor, spread_weights
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from condinst.models.input_channels import input_channels
from condinst.registry import MODELS


def small_rtmdet(**head) -> ConfigDict:
    """Return the config of a model of 3 classes; ``head`` changes the head's arguments."""
    norm_cfg = dict(type="BN")
    act_cfg = dict(type="SiLU", inplace=True)
    return ConfigDict(
        type="RTMDet",
        data_preprocessor=dict(type="DetDataPreprocessor", mean=[127.0] * 3, std=[60.0] * 3),
        backbone=dict(
            type="CSPNeXt",
            deepen_factor=0.167,
            widen_factor=0.125,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        ),
        neck=dict(
            type="CSPNeXtPAFPN",
            in_channels=[32, 64, 128],
            out_channels=32,
            num_csp_blocks=1,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        ),
        bbox_head={
            **dict(
                type="RTMDetInsSepBNHead",
                num_classes=3,
                in_channels=32,
                feat_channels=32,
                stacked_convs=2,
            ),
            **head,
        },
        test_cfg=dict(
            nms_pre=100,
            min_bbox_size=0,
            score_thr=0.005,
            nms=dict(type="nms", iou_threshold=0.6),
            max_per_img=20,
        ),
    )


def seeded_rtmdet(
    cfg: ConfigDict | None = None, seed: int = 1, inputs: torch.Tensor | None = None
) -> nn.Module:
    """Build a model with random weights: scores, boxes and masks differ from point to point.

    Args:
        cfg: config of the model; None for :func:`small_rtmdet`.
        seed: of the weights.
        inputs: (B, C, H, W) normalized images for the norms' running averages; None for noise.
    """
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("condinst"):
        model = MODELS.build(copy.deepcopy(cfg or small_rtmdet())).train()
    spread_weights(model, seed)
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        if inputs is None:
            coarse = torch.randn(8, input_channels(model.backbone), 32, 32)
            inputs = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)
        model._forward(inputs)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            # other images would saturate every score otherwise
            norm.running_var.clamp_(min=0.3 * norm.running_var.median())
        model.eval()
        head = model.bbox_head
        scores, boxes, kernels, (features,) = _split(model._forward(inputs), len(head.strides))
        for level, stride in enumerate(head.strides):
            last = head.rtm_cls[level]
            middle = scores[level].mean(dim=(0, 2, 3)) - last.bias
            factor = spread_factor(scores[level], 0.5, 3.0)
            last.weight.mul_(factor)
            last.bias.copy_(-2.0 - factor * middle)
            head.rtm_reg[level].weight.mul_(spread_factor(boxes[level], 0.3 * stride, 2.0 * stride))
            head.rtm_reg[level].bias.fill_(2.5)
            head.rtm_kernel[level].weight.mul_(spread_factor(kernels[level], 0.5, 2.0))
        head.mask_head.projection.weight.mul_(spread_factor(features, 1.0, 6.0))
    return model.requires_grad_(False)


def _split(outputs: tuple[torch.Tensor, ...], levels: int) -> list[tuple[torch.Tensor, ...]]:
    return [outputs[i : i + levels] for i in range(0, len(outputs), levels)]


def photographs(files: Sequence[Path], size: int, mean: float, std: float) -> torch.Tensor:
    """Read images as square inputs of a network: (B, 3, size, size), BGR."""
    images = [Image.open(file).convert("RGB").resize((size, size)) for file in files]
    pixels = np.stack([np.asarray(image, np.float32)[..., ::-1] for image in images])
    return torch.from_numpy((pixels.transpose(0, 3, 1, 2) - mean) / std)
