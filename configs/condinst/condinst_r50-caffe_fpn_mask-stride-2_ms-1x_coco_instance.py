# Masks of half the input's resolution, as in the paper; the published checkpoints have a quarter.
_base_ = "./condinst_r50-caffe_fpn_ms-1x_coco_instance.py"

model = dict(mask_head=dict(mask_out_stride=2))
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type="PrepareMaskTargets", stride=2),
    *_base_.train_pipeline[-1:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
