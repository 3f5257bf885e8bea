_base_ = "./condinst_r50_fpn_ms-poly-270k_coco_instance.py"

model = dict(
    backbone=dict(depth=101, init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet101"))
)
