# ConvNeXt-T by timm, for 3x the iterations. Not measured: the paper (Liu et al., CVPR 2022) reports
# the backbone with Mask R-CNN, whose optimizer and stochastic depth these are.
_base_ = [
    "../_base_/models/condinst_r50_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_270k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    backbone=dict(
        _delete_=True,
        type="TimmBackbone",
        model_name="convnext_tiny.fb_in22k_ft_in1k",
        pretrained=True,  # or False and checkpoint_path="FILE"
        drop_path_rate=0.4,
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.0001, betas=(0.9, 0.999), weight_decay=0.05),
    # gamma: the layer scale
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys=dict(gamma=dict(decay_mult=0.0))
    ),
)
