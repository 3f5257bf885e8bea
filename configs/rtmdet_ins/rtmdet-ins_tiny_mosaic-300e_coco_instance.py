# Smaller caches, and MixUp for every second image.
_base_ = "./rtmdet-ins_s_mosaic-300e_coco_instance.py"

channels = 96
weights = "https://download.openmmlab.com/mmdetection/v3.0/rtmdet/cspnext_rsb_pretrain"
model = dict(
    backbone=dict(
        deepen_factor=0.167,
        widen_factor=0.375,
        init_cfg=dict(checkpoint=f"{weights}/cspnext-tiny_imagenet_600e.pth"),
    ),
    neck=dict(in_channels=[channels, 2 * channels, 4 * channels], out_channels=channels),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
)

train_pipeline = _base_.train_pipeline
for step in train_pipeline:
    if step.type == "CachedMosaic":
        step.update(max_cached_images=20, random_pop=False)
    if step.type == "CachedMixUp":
        step.update(max_cached_images=10, random_pop=False, prob=0.5)
    if step.type == "RandomCrop":
        del step["recompute_bbox"], step["allow_negative_crop"]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
