# The published recipe under its short path.
_base_ = "./condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py"
