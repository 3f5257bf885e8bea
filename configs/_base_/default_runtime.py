# What every run shares: logs, checkpoints, curves, distributed start.
default_scope = "condinst"
# Lets mmdet's own tools read our configs too.
custom_imports = dict(imports=["condinst"], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(
        type="CheckpointHook",
        by_epoch=False,
        interval=10000,
        max_keep_ckpts=3,
        save_best="coco/segm_mAP",
        rule="greater",
    ),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="DetVisualizationHook"),
)
custom_hooks = [dict(type="CurveHook"), dict(type="ReportHook")]

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    # timeout: a process that gives no sign of life for so many seconds is lost, and the run ends
    dist_cfg=dict(backend="nccl", timeout=300),
)

vis_backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
visualizer = dict(type="DetLocalVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)

log_level = "INFO"
load_from = None
resume = False
