"""mmdet's CondInst and ours with the same random weights, which predict like trained models."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmdet
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from condinst.registry import MODELS

_CONFIG = "condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py"


@dataclass(frozen=True)
class Context:
    """The settings of every part of the benchmark.

    Attributes:
        root: folder of a dataset in COCO's layout.
        device: "cpu" or "cuda".
        rounds: calls of each implementation.
        num_images: number of images in parts that use more than one batch.
        ultralytics_python: Python of an environment with ultralytics; None without one.
    """

    root: Path
    device: str = "cpu"
    rounds: int = 15
    num_images: int = 40
    ultralytics_python: str | None = None


def published_config() -> Config:
    """Read mmdet's own CondInst config (ResNet-50, 90k iterations), without backbone weights."""
    cfg = Config.fromfile(Path(mmdet.__file__).parent / ".mim" / "configs" / _CONFIG)
    cfg.model.backbone.init_cfg = None
    return cfg


def build_pair(device: str) -> tuple[Any, Any]:
    """Build mmdet's detector and ours, with the same weights.

    The weights are random but behave like trained ones: they give some hundred candidates per
    image, of all classes and levels, and masks that are blobs of the size of the boxes, not noise.
    """
    cfg = published_config()
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # avoids a log line per weight
    with DefaultScope.overwrite_default_scope("mmdet"):
        theirs = MMDET_MODELS.build(copy.deepcopy(cfg.model))
    with DefaultScope.overwrite_default_scope("condinst"):
        ours = MODELS.build(copy.deepcopy(cfg.model))
    torch.manual_seed(0)
    theirs.init_weights()
    generator = torch.Generator().manual_seed(0)
    head = theirs.bbox_head
    with torch.no_grad():
        for conv, std in ((head.conv_cls, 0.03), (head.conv_reg, 0.02), (head.controller, 0.001)):
            conv.weight.normal_(0, std, generator=generator)
        head.conv_cls.bias.fill_(-5.5)
        head.conv_reg.bias.fill_(4.0)
        head.controller.bias.copy_(diamond())
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.05, generator=generator)
                module.running_var.uniform_(0.8, 1.2, generator=generator)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs.to(device), ours.to(device)


def diamond() -> torch.Tensor:
    """Return the parameters of a network of 3 layers of 8 channels that draws |x| + |y| < 0.4.

    x and y are the relative coordinates, in units of 8 strides of the instance's level.
    """
    weights = [torch.zeros(8, 10), torch.zeros(8, 8), torch.zeros(1, 8)]
    biases = [torch.zeros(8), torch.zeros(8), torch.full((1,), 4.0)]
    for unit, (axis, sign) in enumerate(((0, 1), (0, -1), (1, 1), (1, -1))):
        weights[0][unit, axis] = sign
    weights[1][:4, :4] = torch.eye(4)
    weights[2][0, :4] = -10.0
    return torch.cat([w.flatten() for w in weights] + biases)
