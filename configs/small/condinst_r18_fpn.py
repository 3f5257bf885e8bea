# A small CondInst for datasets of one's own and machines without a GPU, from ImageNet weights.
# `condinst new` builds on it: it brings its own dataset, sizes and schedule.
_base_ = [
    "../_base_/models/condinst_r18_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/schedules/schedule_small.py",
    "../_base_/default_runtime.py",
]

model = dict(
    mask_head=dict(
        mask_feature_head=dict(
            # no batch norm: batches are small
            norm_cfg=dict(_delete_=True, type="GN", num_groups=32, requires_grad=True)
        )
    )
)

auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300, max_keep_ckpts=2))
# without a GPU, pinning memory only warns
train_dataloader = dict(pin_memory=False)
val_dataloader = test_dataloader = dict(pin_memory=False)
