"""A detector small enough to run in a second, and batches for it."""

from __future__ import annotations

import copy

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from condinst.registry import MODELS


def small_model(**mask_head) -> ConfigDict:
    return ConfigDict(
        type="CondInst",
        data_preprocessor=dict(
            type="DetDataPreprocessor",
            mean=[127.0] * 3,
            std=[60.0] * 3,
            pad_mask=True,
            pad_size_divisor=32,
        ),
        backbone=dict(
            type="ResNet",
            depth=18,
            base_channels=16,
            out_indices=(0, 1, 2, 3),
            norm_cfg=dict(type="BN", requires_grad=True),
            norm_eval=True,
        ),
        neck=dict(
            type="FPN",
            in_channels=[16, 32, 64, 128],
            out_channels=32,
            start_level=1,
            add_extra_convs="on_output",
            num_outs=5,
        ),
        bbox_head=dict(
            type="CondInstBboxHead",
            num_classes=3,
            in_channels=32,
            feat_channels=32,
            stacked_convs=1,
            norm_cfg=dict(type="GN", num_groups=8),
            num_params=169,
            norm_on_bbox=True,
            center_sampling=True,
        ),
        mask_head=dict(
            type="CondInstMaskHead",
            mask_feature_head=dict(
                in_channels=32,
                feat_channels=16,
                start_level=0,
                end_level=2,
                out_channels=8,
                mask_stride=8,
                norm_cfg=dict(type="BN"),
            ),
            **mask_head,
        ),
        test_cfg=dict(
            nms_pre=100,
            min_bbox_size=0,
            score_thr=0.05,
            nms=dict(type="nms", iou_threshold=0.6),
            max_per_img=20,
            mask_thr=0.5,
        ),
    )


def build(cfg: ConfigDict):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("condinst"):
        return MODELS.build(copy.deepcopy(cfg))


def sample(boxes, size, masks=None) -> dict:
    """A random image with box-shaped masks, unless others are given."""
    height, width = size
    if masks is None:
        bitmaps = np.zeros((len(boxes), height, width), np.uint8)
        for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes, strict=True):
            bitmap[int(y1) : int(y2), int(x1) : int(x2)] = 1
        masks = BitmapMasks(bitmaps, height, width)
    data_sample = DetDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
    )
    data_sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.zeros(len(boxes), dtype=torch.long),
        masks=masks,
    )
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
    return dict(inputs=image, data_samples=data_sample)


def losses_of(model, samples) -> dict[str, torch.Tensor]:
    batch = {key: [s[key] for s in samples] for key in ("inputs", "data_samples")}
    return model(**model.data_preprocessor(batch, True), mode="loss")


BOX = [10.0, 20, 60, 80]
