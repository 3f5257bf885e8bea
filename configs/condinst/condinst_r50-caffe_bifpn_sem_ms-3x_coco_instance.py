# The original's MS_R_50_BiFPN_3x_sem: 44.7 box AP and 39.4 mask AP on COCO val2017 as published.
_base_ = "./condinst_r50-caffe_bifpn_ms-3x_coco_instance.py"

model = dict(
    semantic_head=dict(
        type="SemanticHead",
        in_channels=160,
        feat_channels=128,
        level=0,
        stride=8,
        norm_cfg=dict(type="BN", requires_grad=True),
        loss_semantic=dict(
            type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0
        ),
    )
)
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type="PrepareMaskTargets", stride=4, semantic_stride=8),
    *_base_.train_pipeline[-1:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
