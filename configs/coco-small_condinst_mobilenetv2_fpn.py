# What a few hundred pictures of COCO teach a small model with ImageNet's weights. docs/examples.md
_base_ = [
    "./_base_/models/condinst_r50_fpn.py",
    "./_base_/datasets/coco_instance.py",
    "./_base_/default_runtime.py",
]

channels = 128
model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmBackbone",
        model_name="mobilenetv2_100",
        checkpoint_path="weights/mobilenetv2_100.pth",
    ),
    neck=dict(in_channels=[24, 32, 96, 320], out_channels=channels),
    bbox_head=dict(
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
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
        mask_feature_head=dict(in_channels=channels, feat_channels=channels, num_stacked_convs=3)
    ),
)

# small pictures: two CPU cores have to do
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(
        type="RandomChoiceResize",
        scales=[(480, side) for side in (224, 256, 288, 320)],
        keep_ratio=True,
    ),
    *_base_.train_pipeline[3:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type="Resize", scale=(480, 288), keep_ratio=True),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

max_iters = 400
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=200)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.0005, weight_decay=0.01),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200, max_keep_ckpts=2))
