# mmdetection's recipe of RTMDet-Ins-l: 300 epochs, the last 20 without Mosaic and MixUp.
_base_ = [
    "../_base_/models/rtmdet-ins_l.py",
    "../_base_/datasets/coco_instance_mosaic.py",
    "../_base_/schedules/schedule_300e.py",
    "../_base_/default_runtime.py",
]

default_hooks = dict(
    logger=dict(log_metric_by_epoch=True), checkpoint=dict(by_epoch=True, interval=10)
)
log_processor = dict(by_epoch=True)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type="EMAHook",
        ema_type="ExpMomentumEMA",
        momentum=0.0002,
        update_buffers=True,
        priority=49,
    ),
    dict(
        type="PipelineSwitchHook",
        switch_epoch=280,
        switch_pipeline=_base_.train_pipeline_end,
    ),
]
