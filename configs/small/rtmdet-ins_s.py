# RTMDet-Ins-s for datasets of one's own, from its published COCO weights, as rtmdet-ins_tiny.py.
_base_ = "./rtmdet-ins_tiny.py"

channels = 128
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.5),
    neck=dict(in_channels=[channels, 2 * channels, 4 * channels], out_channels=channels),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
)
load_from = "rtmdet-ins_s"
