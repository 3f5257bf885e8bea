# COCO 2017 instances at 640 x 640 pixels, with Mosaic and MixUp from caches.
_base_ = "./coco_instance.py"

size = (640, 640)
gray = dict(img=(114, 114, 114))
load = [
    dict(type="LoadImageFromFile", backend_args=_base_.backend_args),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
]
crop = dict(type="RandomCrop", crop_size=size, recompute_bbox=True, allow_negative_crop=True)
drop_slivers = dict(type="FilterAnnotations", min_gt_bbox_wh=(1, 1))
# the data workers make the mask targets; stride is model.bbox_head.mask_loss_stride
pack = [dict(type="PrepareMaskTargets", stride=4), dict(type="PackDetInputs")]

train_pipeline = [
    *load,
    dict(type="CachedMosaic", img_scale=size, pad_val=114.0),
    dict(type="RandomResize", scale=(1280, 1280), ratio_range=(0.1, 2.0), keep_ratio=True),
    crop,
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=size, pad_val=gray),
    dict(
        type="CachedMixUp",
        img_scale=size,
        ratio_range=(1.0, 1.0),
        max_cached_images=20,
        pad_val=(114, 114, 114),
    ),
    drop_slivers,
    *pack,
]
# for the last epochs: each image alone
train_pipeline_end = [
    *load,
    dict(type="RandomResize", scale=size, ratio_range=(0.1, 2.0), keep_ratio=True),
    crop,
    drop_slivers,
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Pad", size=size, pad_val=gray),
    *pack,
]
test_pipeline = [
    dict(type="LoadImageFromFile", backend_args=_base_.backend_args),
    dict(type="Resize", scale=size, keep_ratio=True),
    dict(type="Pad", size=size, pad_val=gray),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=10,
    sampler=dict(_delete_=True, type="DefaultSampler", shuffle=True),
    batch_sampler=None,
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(batch_size=5, num_workers=10, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
