# The published recipe: 39.8 box AP and 36.0 mask AP on COCO val2017 in mmdetection's model zoo.
# 8 processes of 2 images; for another total batch size add --auto-scale-lr.
_base_ = [
    "../_base_/models/condinst_r50_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_90k.py",
    "../_base_/default_runtime.py",
]
