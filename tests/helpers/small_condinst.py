"""A config: the published recipe with a model and images so small that an iteration takes 0.1 s.

Trained and evaluated on the same 8 generated images (folder: environment variable
CONDINST_DATA_ROOT); 80 iterations are enough for AP that differ from zero. No norm layer depends on
the batch.
"""

_base_ = "../../configs/condinst_r50_fpn_ms-poly-90k_coco_instance.py"

classes = ("circle", "rectangle", "triangle", "star", "ring")
norm_cfg = dict(type="GN", num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(depth=18, base_channels=16, frozen_stages=-1, init_cfg=None),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    bbox_head=dict(
        num_classes=5, in_channels=32, feat_channels=32, stacked_convs=1, norm_cfg=norm_cfg
    ),
    mask_head=dict(
        mask_feature_head=dict(
            in_channels=32, feat_channels=16, num_stacked_convs=1, norm_cfg=norm_cfg
        )
    ),
    test_cfg=dict(nms_pre=100, max_per_img=20),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(type="Resize", scale=(96, 96), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(96, 96), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
ann_file = "annotations/instances_train.json"
dataset = dict(
    ann_file=ann_file,
    data_prefix=dict(img="train/"),
    metainfo=dict(classes=classes),
)
workers = dict(num_workers=0, persistent_workers=False, pin_memory=False)
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline, **dataset), **workers)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **dataset), **workers)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=_base_.data_root + ann_file)
test_evaluator = val_evaluator

train_cfg = dict(max_iters=80, val_interval=40)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=0.003))
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=5)]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=40))
