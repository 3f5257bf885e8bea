# 8 processes of 16 images
_base_ = "./rtmdet-ins_l_mosaic-300e_coco_instance.py"

channels = 320
model = dict(
    backbone=dict(deepen_factor=1.33, widen_factor=1.25),
    neck=dict(
        in_channels=[channels, 2 * channels, 4 * channels], out_channels=channels, num_csp_blocks=4
    ),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
)
train_dataloader = dict(batch_size=16)

base_lr = 0.002
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = _base_.param_scheduler
param_scheduler[1].eta_min = 0.05 * base_lr
auto_scale_lr = dict(base_batch_size=128)
