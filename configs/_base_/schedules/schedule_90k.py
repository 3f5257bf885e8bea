# 90000 iterations of 16 images, SGD, two steps.
max_iters = 90000
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=10000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(
        type="MultiStepLR",
        by_epoch=False,
        begin=0,
        end=max_iters,
        milestones=[60000, 80000],
        gamma=0.1,
    ),
]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0001),
)
# --auto-scale-lr multiplies the learning rate by (processes x images per process) / 16.
auto_scale_lr = dict(enable=False, base_batch_size=16)
