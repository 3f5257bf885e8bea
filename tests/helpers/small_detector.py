"""A detector small enough to export in seconds, with weights that make hundreds of candidates."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from condinst.registry import MODELS

REPO = Path(__file__).resolve().parents[2]
_NORM = dict(type="GN", num_groups=8, requires_grad=True)

# How the originals' configs test.
ORIGINAL = dict(
    min_bbox_size=-1,
    threshold_with_centerness=True,
    clip_after_nms=True,
    sqrt_scores=True,
    score_thr=0.02,
)


def small_config(**test_cfg: Any) -> Config:
    """The published model, narrow, for 5 classes; the pipeline resizes into 160 x 128."""
    cfg = Config.fromfile(REPO / "configs/condinst_r50_fpn_ms-poly-90k_coco_instance.py")
    model = cfg.model
    model.backbone.update(depth=18, base_channels=16, init_cfg=None)
    model.neck.update(in_channels=[16, 32, 64, 128], out_channels=32)
    model.bbox_head.update(
        num_classes=5, in_channels=32, feat_channels=32, stacked_convs=1, norm_cfg=_NORM
    )
    model.mask_head.mask_feature_head.update(
        in_channels=32, feat_channels=16, num_stacked_convs=1, norm_cfg=dict(type="BN")
    )
    model.test_cfg.update(max_per_img=30, nms_pre=200, **test_cfg)
    pipeline = cfg.test_dataloader.dataset.pipeline
    pipeline[[step["type"] for step in pipeline].index("Resize")]["scale"] = (160, 128)
    cfg.test_dataloader.dataset.metainfo = dict(classes=("a", "b", "c", "d", "e"))
    return cfg


def small_detector(cfg: Config | None = None, seed: int = 0) -> nn.Module:
    """Built, with random weights: boxes overlap, masks have edges."""
    cfg = cfg or small_config()
    with DefaultScope.overwrite_default_scope("condinst"):
        model = MODELS.build(copy.deepcopy(cfg.model))
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model.init_weights()
    with torch.no_grad():
        head = model.bbox_head
        head.conv_cls.weight.normal_(0, 0.05, generator=generator)
        head.conv_cls.bias.fill_(-3.0)
        head.conv_reg.weight.normal_(0, 0.03, generator=generator)
        head.conv_reg.bias.fill_(2.0)
        head.conv_centerness.weight.normal_(0, 0.05, generator=generator)
        head.controller.weight.normal_(0, 0.05, generator=generator)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.05, generator=generator)
                module.running_var.uniform_(0.8, 1.2, generator=generator)
    return model.eval().requires_grad_(False)


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(3, H, W) float32, RGB, 0 to 255: coarse noise, enlarged, so that there is some structure."""
    coarse = np.random.default_rng(seed).random((3, height // 8 + 1, width // 8 + 1)) * 255
    return coarse.repeat(8, 1).repeat(8, 2)[:, :height, :width].astype(np.float32).round()
