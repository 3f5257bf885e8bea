# A small CondInst from scratch on generated images: minutes on a laptop's CPU.
_base_ = [
    "./_base_/models/condinst_r50_fpn.py",
    "./_base_/datasets/shapes_instance.py",
    "./_base_/default_runtime.py",
]

channels = 64
model = dict(
    # Half of ResNet-18's width; nothing is frozen, since nothing is pretrained.
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=channels, num_outs=3),
    bbox_head=dict(
        num_classes=5,
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        strides=[8, 16, 32],
        regress_ranges=[(-1, 64), (64, 128), (128, 1e8)],
        # From scratch, half of the distances would start below zero, where they have no gradient:
        # a bias near their mean, in strides, makes the boxes learn about twice as fast.
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
        # Small shapes: at stride 4 their corners and holes would be lost.
        mask_out_stride=2,
        max_masks_to_train=64,
        mask_feature_head=dict(in_channels=channels, feat_channels=channels, num_stacked_convs=3),
    ),
)

max_iters = 1200
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=300)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.002, weight_decay=0.01),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
