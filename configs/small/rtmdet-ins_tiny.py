# RTMDet-Ins-tiny for datasets of one's own, from its published COCO weights. Set your dataset and
# model.bbox_head.num_classes; without a network, load_from = None trains from scratch.
_base_ = [
    "../_base_/models/rtmdet-ins_l.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_small.py",
    "../_base_/default_runtime.py",
]

channels = 96
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    backbone=dict(deepen_factor=0.167, widen_factor=0.375, norm_cfg=norm_cfg),
    neck=dict(
        in_channels=[channels, 2 * channels, 4 * channels],
        out_channels=channels,
        num_csp_blocks=1,
        norm_cfg=norm_cfg,
    ),
    bbox_head=dict(in_channels=channels, feat_channels=channels, norm_cfg=norm_cfg),
)
load_from = "rtmdet-ins_tiny"

# Few images are learned by heart: sizes, places and colors change. Mosaic and MixUp are left out,
# as in the last epochs of the published recipe.
size = (640, 640)
gray = dict(img=(114, 114, 114))
train_pipeline = [
    dict(type="LoadImageFromFile", backend_args=_base_.backend_args),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(type="RandomResize", scale=size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=size, recompute_bbox=True, allow_negative_crop=True),
    dict(type="FilterAnnotations", min_gt_bbox_wh=(1, 1)),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=size, pad_val=gray),
    dict(type="PrepareMaskTargets", stride=4),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=_base_.backend_args),
    dict(type="Resize", scale=size, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(batch_size=8, pin_memory=False, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(pin_memory=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    # half the rate of training from scratch: the weights are good already
    optimizer=dict(lr=0.0005, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
)
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
custom_hooks = [
    *_base_.custom_hooks,
    # averages over some 150 iterations: the published 5000 are more than this training has
    dict(
        type="EMAHook",
        ema_type="ExpMomentumEMA",
        momentum=0.0067,
        gamma=75,  # how many iterations the shorter average at the start lasts
        update_buffers=True,
        priority=49,
    ),
]
