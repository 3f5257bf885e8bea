# The original's BoxInst MS_R_101_1x.
_base_ = "./boxinst_r50-caffe_fpn_ms-1x_coco_instance.py"

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    )
)
