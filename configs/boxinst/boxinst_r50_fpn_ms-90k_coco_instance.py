# mmdetection's recipe.
_base_ = [
    "../_base_/models/boxinst_r50_fpn.py",
    "../_base_/datasets/coco_boxes.py",
    "../_base_/schedules/schedule_90k.py",
    "../_base_/default_runtime.py",
]
