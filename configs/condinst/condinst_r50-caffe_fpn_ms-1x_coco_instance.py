# The original's MS_R_50_1x: 39.7 box AP and 35.7 mask AP on COCO val2017 as published.
_base_ = [
    "../_base_/models/condinst_r50-caffe_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_90k.py",
    "../_base_/default_runtime.py",
]

# as in the original: no weight decay for norms
optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0))
