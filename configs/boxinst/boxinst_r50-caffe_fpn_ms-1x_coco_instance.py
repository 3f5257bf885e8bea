# The original's BoxInst MS_R_50_1x: 39.4 box AP and 30.7 mask AP on COCO val2017 as published.
_base_ = [
    "../_base_/models/boxinst_r50-caffe_fpn.py",
    "../_base_/datasets/coco_boxes.py",
    "../_base_/schedules/schedule_90k.py",
    "../_base_/default_runtime.py",
]

# as in the original: no weight decay for norms
optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0))
