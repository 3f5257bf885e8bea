# RTMDet-Ins-tiny whose masks are learned from boxes alone, by BoxInst's losses in place of dice.
# There is no MixUp: in a blend of two images, colors do not tell where an object ends.
_base_ = "./rtmdet-ins_tiny_mosaic-300e_coco_instance.py"

# the projection loss has the weight 2 of loss_mask, and the pairwise loss as much as it
model = dict(bbox_head=dict(box_supervision=dict(pairwise_weight=2.0, warmup_iters=10000)))

load = [
    dict(type="LoadImageFromFile", backend_args=_base_.backend_args),
    dict(type="LoadAnnotations", with_bbox=True),
]
# the data workers compare colors; stride is model.bbox_head.mask_loss_stride
prepare = dict(type="PrepareBoxTargets", stride=4)
train_pipeline = [
    *load,
    *[step for step in _base_.train_pipeline[2:-2] if step.type != "CachedMixUp"],
    prepare,
    dict(type="PackDetInputs"),
]
train_pipeline_end = [
    *load,
    *_base_.train_pipeline_end[2:-2],
    prepare,
    dict(type="PackDetInputs"),
]
for step in (*train_pipeline, *train_pipeline_end):
    if step["type"] == "RandomCrop":
        # boxes are clipped, as there are no masks to fit them to
        step.pop("recompute_bbox", None)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [*_base_.custom_hooks[:-1], _base_.custom_hooks[-1]]
custom_hooks[-1].switch_pipeline = train_pipeline_end
