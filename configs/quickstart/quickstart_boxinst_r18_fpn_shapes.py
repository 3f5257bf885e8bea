# The quickstart's model, whose masks are learned from boxes alone: no mask of the training set is
# read, those of the validation set tell how good the learned ones are.
_base_ = "./quickstart_condinst_r18_fpn_shapes.py"

model = dict(
    type="BoxInst",
    bbox_head=dict(type="BoxInstBboxHead"),
    mask_head=dict(type="BoxInstMaskHead", warmup_iters=300),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(128, 128), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    # the shapes reach the images' bottom, and their outlines are sharp
    dict(type="PrepareBoxTargets", stride=2, bottom_pixels_removed=0),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
