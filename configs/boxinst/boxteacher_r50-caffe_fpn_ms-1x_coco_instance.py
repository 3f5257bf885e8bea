# BoxTeacher on BoxInst's MS_R_50_1x: 32.6 mask AP on COCO val2017 as published, not measured by us.
_base_ = "./boxinst_r50-caffe_fpn_ms-1x_coco_instance.py"

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type="KeepTeacherImage"),
    # the student's colors
    dict(type="RandomGrayscale", prob=0.2, keep_channels=True),
    dict(type="PhotoMetricDistortion"),
    dict(type="RandomBlur", prob=0.5, sigma=(0.1, 2.0)),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# the teacher keeps 0.999 of itself; its masks begin after the warm-up, at iteration 10000
custom_hooks = [*_base_.custom_hooks, dict(type="BoxTeacherHook", momentum=0.001)]
