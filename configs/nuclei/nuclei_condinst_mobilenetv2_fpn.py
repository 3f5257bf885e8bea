# CondInst for nuclei, from MobileNetV2's ImageNet weights. docs/examples.md says where to get them.
_base_ = "./nuclei_condinst_r18_fpn.py"

model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmBackbone",
        model_name="mobilenetv2_100",
        checkpoint_path="weights/mobilenetv2_100.pth",
    ),
    neck=dict(in_channels=[24, 32, 96, 320]),
)
