# The original's BoxInst MS_R_101_BiFPN_dcni3_3x: deformable convolutions in every third block.
_base_ = "./boxinst_r101-caffe_bifpn_ms-3x_coco_instance.py"

model = dict(
    backbone=dict(
        type="IntervalDCNResNet",
        dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
        dcn_interval=3,
    )
)
