# A small CondInst for nuclei, from scratch: half an hour on one CPU core. docs/examples.md
_base_ = [
    "./_base_/models/condinst_r50_fpn.py",
    "./_base_/datasets/nuclei_instance.py",
    "./_base_/default_runtime.py",
]

channels = 128
model = dict(
    # nothing is frozen, since nothing is pretrained
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=channels, num_outs=3),
    bbox_head=dict(
        num_classes=1,
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        # enlarged as they are, nuclei have no use for strides of 64 and 128
        strides=[8, 16, 32],
        regress_ranges=[(-1, 64), (64, 128), (128, 1e8)],
        # distances start near their mean, in strides, not half of them below zero
        init_cfg=dict(
            type="Normal",
            layer="Conv2d",
            std=0.01,
            override=[
                dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
                dict(type="Normal", name="conv_reg", std=0.01, bias=2.5),
            ],
        ),
    ),
    mask_head=dict(
        # the outline of a nucleus of 20 pixels needs more than cells of 4
        mask_out_stride=2,
        mask_feature_head=dict(in_channels=channels, feat_channels=channels, num_stacked_convs=3),
    ),
    # more than the busiest image has
    test_cfg=dict(nms_pre=2000, max_per_img=500),
)

max_iters = 600
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=300)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.001, weight_decay=0.01),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
