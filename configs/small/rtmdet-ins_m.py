# RTMDet-Ins-m for datasets of one's own, from its published COCO weights, as rtmdet-ins_tiny.py.
_base_ = "./rtmdet-ins_tiny.py"

channels = 192
model = dict(
    backbone=dict(deepen_factor=0.67, widen_factor=0.75),
    neck=dict(
        in_channels=[channels, 2 * channels, 4 * channels],
        out_channels=channels,
        num_csp_blocks=2,
    ),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
)
load_from = "rtmdet-ins_m"
