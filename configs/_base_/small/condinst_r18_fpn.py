# A small CondInst for datasets of one's own and machines without a GPU, from ImageNet weights.
# `condinst new` builds on it: it brings its own dataset, sizes and schedule.
_base_ = [
    "../models/condinst_r50_fpn.py",
    "../datasets/coco_instance.py",
    "../default_runtime.py",
]

channels = 128
model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet18"),
    ),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=channels),
    bbox_head=dict(
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        # distances start near their mean, in strides, not half of them below zero, where they have
        # no gradient: boxes learn faster
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
        mask_feature_head=dict(
            in_channels=channels,
            feat_channels=channels,
            num_stacked_convs=3,
            # no batch norm: batches are small
            norm_cfg=dict(type="GN", num_groups=32, requires_grad=True),
        )
    ),
)

max_iters = 1500
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
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
# without a GPU, pinning memory only warns
train_dataloader = dict(pin_memory=False)
val_dataloader = test_dataloader = dict(pin_memory=False)
