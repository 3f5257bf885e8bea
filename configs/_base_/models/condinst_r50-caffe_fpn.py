# CondInst as the original implementation trains and tests it: a ResNet in caffe's style (BGR, not
# scaled, stride in the 1x1 convolutions, frozen norms), and its conventions at test time.
_base_ = "./condinst_r50_fpn.py"

model = dict(
    data_preprocessor=dict(
        mean=[103.53, 116.28, 123.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
    ),
    backbone=dict(
        norm_cfg=dict(type="BN", requires_grad=False),
        style="caffe",
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://detectron2/resnet50_caffe"),
    ),
    # The original draws at most 500 masks per process, of two images.
    mask_head=dict(max_masks_to_train=250),
    test_cfg=dict(
        min_bbox_size=-1,
        threshold_with_centerness=True,
        clip_after_nms=True,
        sqrt_scores=True,
    ),
)
