"""The published model with other backbones and necks, one training step and one prediction each.

mmdet's backbones need nothing of ours but their names in a config; this holds us to it.
"""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from condinst.registry import MODELS

SIZE = (96, 128)
FPN = dict(out_channels=32)
BIFPN = dict(_delete_=True, type="BiFPN", start_level=1, out_channels=32, num_layers=2)
DCN = dict(type="DCNv2", deform_groups=1)
VARIANTS = {
    # the norm of a level of Swin that the neck leaves out would get no gradient
    "Swin": (
        dict(
            type="SwinTransformer",
            embed_dims=16,
            depths=(1, 1, 1, 1),
            num_heads=(1, 2, 4, 8),
            out_indices=(1, 2, 3),
        ),
        [32, 64, 128],
        dict(FPN, start_level=0),
    ),
    "PVT v2": (
        dict(type="PyramidVisionTransformerV2", embed_dims=32, num_layers=[1, 1, 1, 1]),
        [32, 64, 160, 256],
        FPN,
    ),
    "RegNet": (dict(type="RegNet", arch="regnetx_400mf"), [32, 64, 160, 384], FPN),
    "timm ConvNeXt": (
        dict(type="TimmBackbone", model_name="convnext_atto"),
        [40, 80, 160, 320],
        FPN,
    ),
    "timm MobileNet, BiFPN": (
        dict(type="TimmBackbone", model_name="mobilenetv3_small_050"),
        [8, 16, 24, 288],
        BIFPN,
    ),
    "DCN, BiFPN": (
        dict(type="IntervalDCNResNet", depth=50, base_channels=8, dcn=DCN, style="caffe"),
        [32, 64, 128, 256],
        BIFPN,
    ),
}


def build(repo, variant):
    backbone, channels, neck = VARIANTS[variant]
    cfg = Config.fromfile(repo / "configs" / "_base_" / "models" / "condinst_r50_fpn.py")
    head = dict(in_channels=32, feat_channels=32, norm_cfg=dict(type="GN", num_groups=8))
    cfg.merge_from_dict(
        dict(
            model=dict(
                backbone=dict(_delete_=True, **backbone),
                neck=dict(neck, in_channels=channels),
                bbox_head=dict(head, num_classes=3, stacked_convs=1),
                mask_head=dict(mask_feature_head=dict(head, norm_cfg=dict(type="BN"))),
            )
        )
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("condinst"):
        return MODELS.build(cfg.model)


def batch():
    height, width = SIZE
    box = [10.0, 20, 60, 80]
    mask = np.zeros((1, height, width), np.uint8)
    mask[0, 20:80, 10:60] = 1
    sample = DetDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([box]),
        labels=torch.zeros(1, dtype=torch.long),
        masks=BitmapMasks(mask, height, width),
    )
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator)
    return dict(inputs=[image, image.flip(-1)], data_samples=[sample, sample.clone()])


@pytest.mark.parametrize("variant", VARIANTS)
def test_trains_and_predicts(repo, variant):
    model = build(repo, variant)
    model.train()
    losses = model(**model.data_preprocessor(batch(), True), mode="loss")
    assert losses["loss_mask"] > 0
    sum(losses.values()).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)

    model.eval()
    model.bbox_head.conv_cls.bias.data.fill_(0)
    found = model.test_step(batch())[0].pred_instances
    assert len(found) > 0
    assert found.masks.shape[1:] == SIZE
