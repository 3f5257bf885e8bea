"""An RTMDet-Ins small enough to run in a second."""

from __future__ import annotations

from mmengine.config import ConfigDict


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
