# A small CondInst from scratch on generated pictures: minutes on a laptop's CPU.
_base_ = [
    "./_base_/models/condinst_r50_fpn.py",
    "./_base_/datasets/shapes_instance.py",
    "./_base_/default_runtime.py",
]

channels = 48
model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(
        in_channels=[32, 64, 128, 256],
        out_channels=channels,
        start_level=0,
        num_outs=4,
        add_extra_convs=False,
    ),
    bbox_head=dict(
        num_classes=5,
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        strides=[4, 8, 16, 32],
        regress_ranges=[(-1, 16), (16, 28), (28, 44), (44, 1e8)],
        norm_cfg=dict(type="GN", num_groups=16, requires_grad=True),
    ),
    mask_head=dict(
        max_masks_to_train=64,
        mask_feature_head=dict(
            in_channels=channels,
            feat_channels=32,
            start_level=0,
            end_level=2,
            mask_stride=4,
            num_stacked_convs=2,
        ),
    ),
)

max_iters = 600
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=200)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.001, weight_decay=0.01),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", T_max=max_iters, by_epoch=False),
]
