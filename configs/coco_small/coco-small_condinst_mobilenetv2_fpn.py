# What a few hundred images of COCO teach a small model with ImageNet's weights. docs/examples.md
_base_ = "../small/condinst_r18_fpn.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmBackbone",
        model_name="mobilenetv2_100",
        checkpoint_path="weights/mobilenetv2_100.pth",
    ),
    neck=dict(in_channels=[24, 32, 96, 320]),
)

# small images: two CPU cores have to do
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
train_cfg = dict(max_iters=max_iters, val_interval=200)
optim_wrapper = dict(optimizer=dict(lr=0.0005))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=200))
