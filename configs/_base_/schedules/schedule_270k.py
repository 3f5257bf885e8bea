# Three times as long ("3x").
_base_ = "./schedule_90k.py"

max_iters = 270000
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(
        type="MultiStepLR",
        by_epoch=False,
        begin=0,
        end=max_iters,
        milestones=[210000, 250000],
        gamma=0.1,
    ),
]
