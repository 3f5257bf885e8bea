# The 3x schedule.
_base_ = [
    "../_base_/models/condinst_r50_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_270k.py",
    "../_base_/default_runtime.py",
]
