# The original's BoxInst MS_R_101_BiFPN_3x.
_base_ = "./boxinst_r101-caffe_fpn_ms-3x_coco_instance.py"

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
