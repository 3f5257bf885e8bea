"""List the keys that mmengine, mmdet and condinst read of plain dicts (those without a ``type``).

The tables at the end say which registry each part of a config belongs to.

An unknown key in such a dict is ignored without a message: with a typo in ``score_thr``, a model
trains for days and is tested at another threshold.
"""

from __future__ import annotations

# our detectors' names in the registry
OUR_DETECTORS = ("CondInst", "BoxInst", "RTMDet")
# model.test_cfg of our detectors: all keys that are read
OUR_TEST_CFG = (
    "score_thr",
    "nms_pre",
    "min_bbox_size",
    "nms",
    "max_per_img",
    "mask_thr",
    "mask_format",
    "mask_quality",
    "autocast_dtype",
    "threshold_with_centerness",
    "clip_after_nms",
    "sqrt_scores",
)
OUR_REQUIRED_TEST_CFG = ("nms", "max_per_img", "mask_thr")

# model.test_cfg of mmdet's many detectors: only near misses of these keys are reported
MMDET_TEST_CFG = (
    *("score_thr", "nms_pre", "min_bbox_size", "nms", "max_per_img", "mask_thr", "iou_thr"),
    *("mask_thr_binary", "filter_thr", "kernel", "sigma", "rpn", "rcnn", "top_k", "topk"),
    *("max_per_image", "nms_post", "chunked_size", "conf_thr", "local_maximum_kernel"),
    *("corner_topk", "distance_threshold", "panoptic", "score_voting", "object_mask_thr"),
    *("panoptic_on", "semantic_on", "instance_on", "filter_low_score", "max_num"),
)

# Keys that our models do not read, but a config converted from mmdet's may hold.
HARMLESS_TEST_CFG = ("mask_thr_binary", "with_nms")

NMS: dict[str, tuple[str, ...]] = {
    "nms": ("type", "iou_threshold", "class_agnostic", "split_thr", "score_threshold", "max_num"),
    "soft_nms": (
        *("type", "iou_threshold", "class_agnostic", "split_thr", "max_num"),
        *("sigma", "min_score", "method"),
    ),
}

_BOX_SUPERVISION = (
    *("pairwise_size", "pairwise_dilation", "pairwise_weight", "warmup_iters", "warmup_start"),
)
# dicts by their path, in which unknown keys are ignored
PLAIN: dict[str, tuple[str, ...]] = {
    "env_cfg": ("cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"),
    "env_cfg.mp_cfg": ("mp_start_method", "opencv_num_threads"),
    "env_cfg.dist_cfg": ("backend", "timeout", "init_method", "init_backend", "port", "store"),
    "auto_scale_lr": ("enable", "base_batch_size"),
    "model.mask_head.box_supervision": _BOX_SUPERVISION,
    "model.bbox_head.box_supervision": _BOX_SUPERVISION,
}
# dicts by their path, whose keys are the arguments of one function
STRICT: dict[str, tuple[str, ...]] = {
    "randomness": ("seed", "diff_rank_seed", "deterministic"),
    "custom_imports": ("imports", "allow_failed_imports"),
}
# dicts by their own key, at any depth of a dataset
IN_DATASETS: dict[str, tuple[str, ...]] = {
    "filter_cfg": (*("filter_empty_gt", "min_size", "bbox_min_size"),),
    "metainfo": ("classes", "palette"),
}
PARAMWISE = (
    *("custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult"),
    *("dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate"),
)
CLIP_GRAD: dict[str, tuple[str, ...]] = {
    "norm": ("type", "max_norm", "norm_type", "error_if_nonfinite", "foreach"),
    "value": ("type", "clip_value", "foreach"),
}
DATA_LOADER = (
    *("dataset", "sampler", "batch_sampler", "collate_fn", "worker_init_fn"),
    *("num_batch_per_epoch", "disable_subprocess_warning"),
)
DEFAULT_HOOKS = (
    *("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint"),
    "visualization",
)
# a loop without a type, which mmengine chooses by the keys
TRAIN_LOOP = (
    *("type", "by_epoch", "max_iters", "max_epochs", "val_begin", "val_interval"),
    "dynamic_intervals",
)
TEST_LOOP = ("type", "fp16")

# top-level keys other than the arguments of Runner
TOP_LEVEL = (
    *("vis_backends", "custom_imports", "tta_model", "tta_pipeline", "runner_type", "strategy"),
    *("sync_bn", "find_unused_parameters", "model_wrapper_cfg", "activation_checkpointing"),
    *("efficient_conv_bn_eval", "compile", "optimizer", "train_pipeline", "test_pipeline"),
    *("data_root", "dataset_type"),
)

# the arguments of mmengine's Runner, named here because importing it takes seconds
RUNNER = (
    *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader"),
    *("train_cfg", "val_cfg", "test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler"),
    *("val_evaluator", "test_evaluator", "default_hooks", "custom_hooks", "data_preprocessor"),
    *("load_from", "resume", "launcher", "env_cfg", "log_processor", "log_level", "visualizer"),
    *("default_scope", "randomness", "experiment_name"),
)

# the parts of a config, each with the registry of its dicts
PARTS: dict[str, str] = {
    "model": "MODELS",
    "data_preprocessor": "MODELS",
    "tta_model": "MODELS",
    "train_dataloader": "DATASETS",
    "val_dataloader": "DATASETS",
    "test_dataloader": "DATASETS",
    "test_pipeline": "TRANSFORMS",
    "tta_pipeline": "TRANSFORMS",
    "train_cfg": "LOOPS",
    "val_cfg": "LOOPS",
    "test_cfg": "LOOPS",
    "optim_wrapper": "OPTIM_WRAPPERS",
    "param_scheduler": "PARAM_SCHEDULERS",
    "val_evaluator": "METRICS",
    "test_evaluator": "METRICS",
    "default_hooks": "HOOKS",
    "custom_hooks": "HOOKS",
    "visualizer": "VISUALIZERS",
    "log_processor": "LOG_PROCESSORS",
    "env_cfg": "",
    "auto_scale_lr": "",
    "randomness": "",
    "custom_imports": "",
}
DICTS = {"model", "data_preprocessor", "tta_model", "train_cfg", "val_cfg", "test_cfg"}
DICTS |= {"train_dataloader", "val_dataloader", "test_dataloader", "optim_wrapper"}
DICTS |= {"default_hooks", "visualizer", "log_processor", "env_cfg", "auto_scale_lr"}
DICTS |= {"randomness", "custom_imports"}
LISTS = {"test_pipeline", "tta_pipeline", "custom_hooks"}

# keys whose dicts are of another registry than the dict that holds them
INSIDE = {
    "pipeline": "TRANSFORMS",
    "transforms": "TRANSFORMS",
    "dataset": "DATASETS",
    "datasets": "DATASETS",
    "sampler": "DATA_SAMPLERS",
    "batch_sampler": "DATA_SAMPLERS",
    "collate_fn": "FUNCTIONS",
    "optimizer": "OPTIMIZERS",
    "metrics": "METRICS",
    "vis_backends": "VISBACKENDS",
    "init_cfg": "WEIGHT_INITIALIZERS",
}
# the type in these dicts is in no registry, or another library reads it
OPAQUE = {"nms", "nms_cfg", "backend_args", "file_client_args", "metainfo", "override"}
OPAQUE |= {
    "paramwise_cfg",
    "custom_keys",
    "clip_grad",
    "strategy",
    "iou_cfg",
    "loss_scale",
    "roi_layer",
    "dcn",
}
# samplers without an end, for a training that counts iterations
ENDLESS_SAMPLERS = {"InfiniteSampler", "MultiSourceSampler", "GroupMultiSourceSampler"}
OPAQUE_TYPES = {"Albu", "Albumentations", "InstaBoost"}
# keys that a builder removes before it calls the class
REMOVED_KEYS = {
    "HOOKS": {"priority"},
    "PARAM_SCHEDULERS": {"convert_to_iter_based"},
    "OPTIM_WRAPPERS": {"constructor", "paramwise_cfg", "optimizer"},
    "LOOPS": {"by_epoch"},
    "MODELS": {"requires_grad"},
    "METRICS": {"metrics"},
    "DATASETS": {"lazy_init"},
}
COMPLETE = ("TRANSFORMS", "HOOKS")  # their builders add no arguments
