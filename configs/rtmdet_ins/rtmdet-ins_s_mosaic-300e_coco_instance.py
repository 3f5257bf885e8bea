# The smaller models start from ImageNet and see no image smaller than half.
_base_ = "./rtmdet-ins_l_mosaic-300e_coco_instance.py"

channels = 128
weights = "https://download.openmmlab.com/mmdetection/v3.0/rtmdet/cspnext_rsb_pretrain"
model = dict(
    backbone=dict(
        deepen_factor=0.33,
        widen_factor=0.5,
        init_cfg=dict(
            type="Pretrained",
            prefix="backbone.",
            checkpoint=f"{weights}/cspnext-s_imagenet_600e.pth",
        ),
    ),
    neck=dict(
        in_channels=[channels, 2 * channels, 4 * channels], out_channels=channels, num_csp_blocks=1
    ),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
)

train_pipeline = _base_.train_pipeline
train_pipeline_end = _base_.train_pipeline_end
for step in (*train_pipeline, *train_pipeline_end):
    if step.type == "RandomResize":
        step.ratio_range = (0.5, 2.0)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [*_base_.custom_hooks[:-1], _base_.custom_hooks[-1]]
custom_hooks[-1].switch_pipeline = train_pipeline_end
