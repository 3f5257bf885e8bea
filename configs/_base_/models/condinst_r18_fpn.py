# A small CondInst: ResNet-18 with ImageNet weights, heads of 128 channels.
_base_ = "./condinst_r50_fpn.py"

channels = 128
model = dict(
    backbone=dict(
        depth=18,
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet18"),
    ),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=channels),
    bbox_head=dict(
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        # With the usual bias, half of the distances start below zero, where they have no gradient.
        # A bias near their mean, in strides, makes the boxes learn about twice as fast.
        init_cfg=dict(
            type="Normal",
            layer="Conv2d",
            std=0.01,
            override=[
                dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
                dict(type="Normal", name="conv_reg", std=0.01, bias=2.5),
            ],
        ),
    ),
    mask_head=dict(
        mask_feature_head=dict(in_channels=channels, feat_channels=channels, num_stacked_convs=3)
    ),
)
