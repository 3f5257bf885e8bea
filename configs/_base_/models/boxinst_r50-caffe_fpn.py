# BoxInst as the original implementation trains it: 16 mask features, the best 64 masks per image.
_base_ = "./condinst_r50-caffe_fpn.py"

model = dict(
    type="BoxInst",
    bbox_head=dict(type="BoxInstBboxHead", num_params=233),
    mask_head=dict(
        type="BoxInstMaskHead",
        max_masks_to_train=-1,
        topk_masks_per_img=64,
        pairwise_size=3,
        pairwise_dilation=2,
        warmup_iters=10000,
        warmup_start=1,
        mask_feature_head=dict(out_channels=16),
    ),
)
