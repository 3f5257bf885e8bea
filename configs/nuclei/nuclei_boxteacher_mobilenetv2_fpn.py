# Nuclei from boxes alone, and from the masks of a teacher. docs/variants.md
_base_ = "./nuclei_boxinst_mobilenetv2_fpn.py"

train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type="KeepTeacherImage"),
    dict(type="RandomGrayscale", prob=0.2, keep_channels=True),
    dict(type="PhotoMetricDistortion"),
    dict(type="RandomBlur", prob=0.5, sigma=(0.1, 2.0)),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

custom_hooks = [
    *_base_.custom_hooks,
    # averages over some 100 iterations: the published 1000 are more than this training has
    dict(type="BoxTeacherHook", ema_type="ExpMomentumEMA", momentum=0.01, gamma=50),
]
