# The small model, its masks learned from boxes alone.
_base_ = "./condinst_r18_fpn.py"

model = dict(
    type="BoxInst",
    bbox_head=dict(type="BoxInstBboxHead"),
    mask_head=dict(type="BoxInstMaskHead", max_masks_to_train=-1, topk_masks_per_img=64),
)
train_pipeline = [
    *_base_.train_pipeline[:1],
    dict(type="LoadAnnotations", with_bbox=True),
    *_base_.train_pipeline[2:4],
    dict(type="PrepareBoxTargets", stride=4, bottom_pixels_removed=0),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
