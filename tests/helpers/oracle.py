"""mmdet's CondInst beside ours: the same config, the same weights, the same images."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import mmdet
import torch
from mmdet.registry import DATASETS as MMDET_DATASETS
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from condinst.registry import MODELS

SHIPPED = Path(mmdet.__file__).parent / ".mim/configs/condinst"
CONFIG_90K = SHIPPED / "condinst_r50_fpn_ms-poly-90k_coco_instance.py"


def published_config() -> Config:
    """mmdet's own CondInst config, without the download of backbone weights."""
    cfg = Config.fromfile(CONFIG_90K)
    cfg.model.backbone.init_cfg = None
    return cfg


def small_config() -> Config:
    """The same model with a ResNet-18 and narrow heads: seconds instead of minutes."""
    cfg = published_config()
    model = cfg.model
    model.backbone.depth = 18
    model.neck.in_channels = [64, 128, 256, 512]
    model.neck.out_channels = 64
    model.bbox_head.update(in_channels=64, feat_channels=64, stacked_convs=2)
    model.mask_head.mask_feature_head.update(in_channels=64, feat_channels=32)
    return cfg


def build_pair(cfg: Config, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """mmdet's detector and ours from the ``model`` of one config, with equal seeded weights.

    The weights are drawn so that everything has something to do: hundreds of candidates pass the
    score threshold, boxes overlap, masks have edges.
    """
    with DefaultScope.overwrite_default_scope("mmdet"):
        theirs = MMDET_MODELS.build(copy.deepcopy(cfg.model))
    with DefaultScope.overwrite_default_scope("condinst"):
        ours = MODELS.build(copy.deepcopy(cfg.model))
    torch.manual_seed(seed)
    MMLogger.get_current_instance().setLevel(logging.WARNING)  # a line per weight otherwise
    theirs.init_weights()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head = theirs.bbox_head
        head.conv_cls.weight.normal_(0, 0.03, generator=generator)
        head.conv_cls.bias.fill_(-4.0)
        head.conv_reg.weight.normal_(0, 0.03, generator=generator)
        head.conv_reg.bias.fill_(2.0)
        head.conv_centerness.weight.normal_(0, 0.02, generator=generator)
        head.controller.weight.normal_(0, 0.02, generator=generator)
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.05, generator=generator)
                module.running_var.uniform_(0.8, 1.2, generator=generator)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def coco_samples(
    root: Path, scale: tuple[int, int], inds: list[int], split: str = "train"
) -> list[dict]:
    """Real images with their annotations, resized into ``scale`` (long, short side) by mmdet."""
    meta_keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    with DefaultScope.overwrite_default_scope("mmdet"):
        dataset = MMDET_DATASETS.build(
            dict(
                type="CocoDataset",
                data_root=str(root / "coco_tiny"),
                ann_file=f"annotations/instances_{split}2017.json",
                data_prefix=dict(img=f"{split}2017/"),
                test_mode=split == "val",
                pipeline=[
                    dict(type="LoadImageFromFile", imdecode_backend="pillow"),
                    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
                    dict(type="Resize", scale=scale, keep_ratio=True, backend="pillow"),
                    dict(type="PackDetInputs", meta_keys=meta_keys),
                ],
            )
        )
        return [dataset[i] for i in inds]


def collate(samples: list[dict]) -> dict:
    """Images and annotations as a data loader hands them out; safe to use more than once."""
    samples = copy.deepcopy(samples)
    return {key: [sample[key] for sample in samples] for key in ("inputs", "data_samples")}


def run_loss(model: nn.Module, batch: dict, seed: int = 0) -> dict[str, Tensor]:
    """Losses of one training step; the seed fixes which masks a cap keeps."""
    torch.manual_seed(seed)
    data = model.data_preprocessor(batch, True)
    return model(**data, mode="loss")


def run_predict(model: nn.Module, batch: dict) -> list[DetDataSample]:
    """Predictions at the size of the original images."""
    with torch.no_grad():
        return model.test_step(batch)
