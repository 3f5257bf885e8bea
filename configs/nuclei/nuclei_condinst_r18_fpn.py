# A small CondInst for nuclei, from scratch: half an hour on one CPU core. docs/examples.md
_base_ = [
    "../_base_/models/condinst_r18_fpn.py",
    "../_base_/datasets/nuclei_instance.py",
    "../_base_/schedules/schedule_small.py",
    "../_base_/default_runtime.py",
]

model = dict(
    # nothing is frozen, since nothing is pretrained
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(num_outs=3),
    bbox_head=dict(
        num_classes=1,
        # enlarged as they are, nuclei have no use for strides of 64 and 128
        strides=[8, 16, 32],
        regress_ranges=[(-1, 64), (64, 128), (128, 1e8)],
    ),
    # the outline of a nucleus of 20 pixels needs more than cells of 4
    mask_head=dict(mask_out_stride=2),
    # more than the busiest image has
    test_cfg=dict(nms_pre=2000, max_per_img=500),
)

max_iters = 600
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=50, end=max_iters),
]

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
