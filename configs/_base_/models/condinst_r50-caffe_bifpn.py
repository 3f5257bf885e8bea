# The original's BiFPN in place of the FPN.
_base_ = "./condinst_r50-caffe_fpn.py"

channels = 160
model = dict(
    neck=dict(
        _delete_=True,
        type="BiFPN",
        in_channels=[256, 512, 1024, 2048],
        out_channels=channels,
        start_level=1,
        num_outs=5,
        num_layers=6,
        norm_cfg=dict(type="SyncBN", requires_grad=True),
    ),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
    mask_head=dict(mask_feature_head=dict(in_channels=channels)),
)
