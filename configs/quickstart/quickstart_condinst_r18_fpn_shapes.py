# A small CondInst from scratch on generated images: minutes on a laptop's CPU.
_base_ = [
    "../_base_/models/condinst_r18_fpn.py",
    "../_base_/datasets/shapes_instance.py",
    "../_base_/schedules/schedule_small.py",
    "../_base_/default_runtime.py",
]

channels = 64
model = dict(
    # Half of ResNet-18's width; nothing is frozen, since nothing is pretrained.
    backbone=dict(base_channels=32, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=channels, num_outs=3),
    bbox_head=dict(
        num_classes=5,
        in_channels=channels,
        feat_channels=channels,
        strides=[8, 16, 32],
        regress_ranges=[(-1, 64), (64, 128), (128, 1e8)],
    ),
    mask_head=dict(
        # Small shapes: at stride 4 their corners and holes would be lost.
        mask_out_stride=2,
        max_masks_to_train=64,
        mask_feature_head=dict(in_channels=channels, feat_channels=channels),
    ),
)

max_iters = 1200
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.002))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
