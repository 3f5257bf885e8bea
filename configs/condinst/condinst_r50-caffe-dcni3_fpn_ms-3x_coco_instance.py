# Deformable convolutions in every third block, as in the original's strongest BoxInst.
_base_ = "./condinst_r50-caffe_fpn_ms-3x_coco_instance.py"

model = dict(
    backbone=dict(
        type="IntervalDCNResNet",
        dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
        dcn_interval=3,
    )
)
