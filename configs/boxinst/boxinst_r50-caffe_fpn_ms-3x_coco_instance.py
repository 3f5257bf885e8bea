# The original's BoxInst MS_R_50_3x: 41.5 box AP and 31.8 mask AP on COCO val2017 as published.
_base_ = [
    "../_base_/models/boxinst_r50-caffe_fpn.py",
    "../_base_/datasets/coco_boxes.py",
    "../_base_/schedules/schedule_270k.py",
    "../_base_/default_runtime.py",
]

# as in the original: no weight decay for norms
optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0))
