# MobileNetV3-Large by timm with a narrow neck and short towers, for small machines. Not measured.
_base_ = [
    "../_base_/models/condinst_r50_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_270k.py",
    "../_base_/default_runtime.py",
]

channels = 96
norm_cfg = dict(type="GN", num_groups=16, requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmBackbone",
        model_name="mobilenetv3_large_100.ra_in1k",
        pretrained=True,  # or False and checkpoint_path="FILE"
        frozen_stages=0,
        norm_eval=True,
    ),
    neck=dict(in_channels=[24, 40, 112, 960], out_channels=channels),
    bbox_head=dict(
        in_channels=channels, feat_channels=channels, stacked_convs=2, norm_cfg=norm_cfg
    ),
    mask_head=dict(
        mask_feature_head=dict(in_channels=channels, feat_channels=64, num_stacked_convs=2)
    ),
)

# depth-wise convolutions have few weights, which suffer from decay
optim_wrapper = dict(optimizer=dict(weight_decay=0.00004))
