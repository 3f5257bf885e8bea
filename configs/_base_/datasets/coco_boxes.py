# COCO 2017 for BoxInst: no mask is read for training; evaluation has them.
_base_ = "./coco_instance.py"

train_pipeline = [
    *_base_.train_pipeline[:1],
    dict(type="LoadAnnotations", with_bbox=True),
    *_base_.train_pipeline[2:4],
    # the data workers compare colors; stride is model.mask_head.mask_out_stride
    dict(
        type="PrepareBoxTargets",
        stride=4,
        pairwise_size=3,
        pairwise_dilation=2,
        color_thresh=0.3,
        bottom_pixels_removed=10,
    ),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
