# BoxInst with mmdet's settings: a torchvision-style ResNet, dynamic networks of 16 channels.
_base_ = "./condinst_r50_fpn.py"

model = dict(
    type="BoxInst",
    bbox_head=dict(type="BoxInstBboxHead", num_params=593),
    mask_head=dict(
        type="BoxInstMaskHead",
        feat_channels=16,
        max_masks_to_train=-1,
        topk_masks_per_img=64,
        mask_feature_head=dict(out_channels=16),
    ),
)
