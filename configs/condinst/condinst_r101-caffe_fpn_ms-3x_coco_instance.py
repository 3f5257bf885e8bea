# The original's MS_R_101_3x: 43.3 box AP and 38.6 mask AP on COCO val2017 as published.
_base_ = "./condinst_r50-caffe_fpn_ms-3x_coco_instance.py"

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    )
)
