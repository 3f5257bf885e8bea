"""Refuse values that cannot be meant: a learning rate in words, a threshold of 30, no classes.

Only nonsense is refused, which includes a batch of 5000 images or 600 workers: they would fill the
machine's memory first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from condinst.config.problem import wrong

_Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(low: int, high: float = math.inf) -> tuple[_Check, str]:
    upper = "or more" if high == math.inf else f"to {high:.0f}"
    return (
        lambda v: _is_number(v) and v == int(v) and low <= v <= high,
        f"a whole number, {low} {upper}",
    )


def _number(low: float, high: float = math.inf, above: bool = False) -> tuple[_Check, str]:
    words = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
    words = f"above {low:g}" if above and high == math.inf else words
    words = f"above {low:g}, to {high:g}" if above and high < math.inf else words
    return (
        lambda v: _is_number(v) and (low < v if above else low <= v) and v <= high,
        f"a number {words}",
    )


def _optional(check: tuple[_Check, str]) -> tuple[_Check, str]:
    return lambda v: v is None or check[0](v), f"{check[1]}, or None"


def _one_of(*names: str) -> tuple[_Check, str]:
    return lambda v: v in names, f"one of {', '.join(names)}"


_BOOLEAN: tuple[_Check, str] = (lambda v: isinstance(v, bool), "True or False")
_TEXT: tuple[_Check, str] = (lambda v: isinstance(v, str), "a text")
_PATH: tuple[_Check, str] = (lambda v: isinstance(v, str) and v != "", "a path")


def _strides(value: Any) -> bool:
    one = _number(0, above=True)[0]
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_strides, value))
    return one(value)


def _one_or_list(value: Any) -> bool:
    """Tell whether a value is a positive number of channels, or a list of them."""
    if isinstance(value, list | tuple):
        return all(_one_or_list(item) for item in value)
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000


_CHANNELS = (_one_or_list, "a whole number, 1 to 1000000, or a list of them")


def _names(value: Any) -> bool:
    """Tell whether a value is a list of names, or the name of a file that lists them."""
    return isinstance(value, str) or (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
    )


def _listed_names(value: Any) -> bool:
    return not isinstance(value, str) and _names(value)


def _iou_thrs(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_iou_thrs, value))
    return _number(0, 1, above=True)[0](value)


def _scale(value: Any) -> bool:
    """Tell whether a value is a size to resize to: a number of pixels, or two for the sides.

    A side may be infinite, which leaves only the other as a limit.
    """
    if isinstance(value, list | tuple):
        sides = [v for v in value if v != math.inf]
        return len(value) == 2 and len(sides) > 0 and all(map(_scale, sides))
    return _is_number(value) and 0 < value <= _MAX_SIDE


def _scales(value: Any) -> bool:
    """Tell whether a value is a size, or a list of sizes to choose from."""
    if _scale(value):
        return True
    pairs = isinstance(value, list | tuple) and all(isinstance(v, list | tuple) for v in value)
    return pairs and len(value) > 0 and all(map(_scale, value))


def _scale_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_scale, value))


def _milestones(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_whole(0)[0], value))


def _is_odd(value: Any) -> bool:
    return type(value) is int and value >= 3 and value % 2 == 1


def _subset(value: Any) -> bool:
    """Tell whether a value chooses images: the first ones, the last ones, or a list of indices."""
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(type(index) is int for index in value)
    return type(value) is int and value != 0


def _file_template(value: Any) -> bool:
    """Tell whether a value is a file name with a place for the iteration, in no folder."""
    if not isinstance(value, str) or any(mark in value for mark in "/\\\0"):
        return False
    number = re.compile(r"\{[^{}]*\}")
    plain = not set("{}") & set(number.sub("", value))
    return plain and len(number.findall(value)) == 1 and value.format(1) != value.format(2)


_PRIORITIES = (
    *("HIGHEST", "VERY_HIGH", "HIGH", "ABOVE_NORMAL"),
    *("NORMAL", "BELOW_NORMAL", "LOW", "VERY_LOW", "LOWEST"),
)


def _priority(value: Any) -> bool:
    if isinstance(value, str):
        return value.upper() in _PRIORITIES
    return _whole(0, 100)[0](getattr(value, "value", value))  # mmengine's enumeration


def _probability(value: Any) -> bool:
    """Tell whether a value is a probability, or a list of those of exclusive events."""
    if value is None:  # the default of some transforms
        return True
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_number(0, 1)[0], value)) and sum(value) <= 1 + 1e-6
    return _number(0, 1)[0](value)


_MAX_SIDE = 1 << 20  # pixels; OpenCV's limit
_SIDES = f"pixels from 1 to {_MAX_SIDE}: a number, or (long side, short side)"
_STEP = r"(?:.*\.)?(?:\w*pipeline|transforms)(?:\[\d+\])+\."
_MODEL = r"(?:model|tta_model)\.(?:.*\.)?"
_LOADER = r"(?:train|val|test)_dataloader\."
_METRIC = r"(?:val|test)_evaluator(?:\.metrics)?(?:\[\d+\])?\."

_BOXES = r"model\.(?:mask_head|(?:mask|bbox)_head\.box_supervision)\."
_RULES: list[tuple[str, tuple[_Check, str]]] = [
    (_LOADER + "batch_size", _whole(1, 4096)),
    (_LOADER + "num_workers", _whole(0, 512)),
    (_LOADER + "prefetch_factor", _optional(_whole(1, 1000))),
    (_LOADER + "timeout", _number(0)),
    (_LOADER + "(?:persistent_workers|drop_last|pin_memory)", _BOOLEAN),
    (r"train_cfg\.(?:max_iters|max_epochs)", _whole(1)),
    (r"train_cfg\.val_interval", _whole(1)),
    (r"train_cfg\.val_begin", _whole(0)),
    (r"train_cfg\.by_epoch", _BOOLEAN),
    (r"optim_wrapper\.accumulative_counts", _whole(1)),
    (r"optim_wrapper\.optimizer\.lr", _number(0)),
    (r"optim_wrapper\.optimizer\.(?:weight_decay|momentum|dampening|eps)", _number(0)),
    (r"optim_wrapper\.optimizer\.nesterov", _BOOLEAN),
    (r"optim_wrapper\.clip_grad\.(?:max_norm|clip_value)", _number(0, above=True)),
    (r"optim_wrapper\.paramwise_cfg\.\w+_mult", _number(0)),
    (r"optim_wrapper\.paramwise_cfg\.custom_keys\..*\.(?:lr|decay)_mult", _number(0)),
    (r"param_scheduler(?:\[\d+\])?\.begin", _whole(0)),
    (r"param_scheduler(?:\[\d+\])?\.by_epoch", _BOOLEAN),
    (r"param_scheduler(?:\[\d+\])?\.gamma", _number(0)),
    (r"param_scheduler(?:\[\d+\])?\.(?:T_max|step_size|total_steps)", _optional(_whole(1))),
    (r"param_scheduler(?:\[\d+\])?\.end_factor", _number(0, 1)),
    (r"param_scheduler(?:\[\d+\])?\.(?:factor|power|eta_max)", _number(0)),
    (r"param_scheduler(?:\[\d+\])?\.eta_min", _optional(_number(0))),
    (r"param_scheduler(?:\[\d+\])?\.periods\[\d+\]", _whole(1)),
    (_STEP + "scale", _optional((_scales, f"{_SIDES}, or a list of these"))),
    (_STEP + "scales", (_scale_list, f"a list; each item {_SIDES}")),
    (
        _STEP + "prob",
        (_probability, "a number from 0 to 1, or a list of them with a sum of up to 1"),
    ),
    (r"param_scheduler(?:\[\d+\])?\.start_factor", _number(0, 1, above=True)),
    (
        r"param_scheduler(?:\[\d+\])?\.milestones",
        (_milestones, "a list of whole numbers, 0 or more"),
    ),
    (_LOADER + r"(?:dataset\.)+filter_cfg\.min_size", _number(0)),
    (_LOADER + r"(?:dataset\.)+filter_cfg\.filter_empty_gt", _BOOLEAN),
    (
        _LOADER + r"(?:dataset\.)+indices",
        _optional((_subset, "a number of images other than 0, or a list of indices")),
    ),
    (
        _LOADER + r"(?:dataset\.)+data_prefix",
        (lambda v: isinstance(v, dict), "a dict, such as dict(img='train/')"),
    ),
    (r"default_hooks\.checkpoint\.(?:interval|max_keep_ckpts)", _whole(-1)),
    (r"default_hooks\.checkpoint\.by_epoch", _BOOLEAN),
    (
        r"default_hooks\.checkpoint\.filename_tmpl",
        _optional((_file_template, "a file name with {} for the iteration, such as iter_{}.pth")),
    ),
    (
        r"(?:default_hooks\.\w+|custom_hooks\[\d+\])\.priority",
        (_priority, f"one of {', '.join(_PRIORITIES)}, or a whole number, 0 to 100"),
    ),
    (r"default_hooks\.(?:logger|visualization)\.interval", _whole(1)),
    (r"auto_scale_lr\.base_batch_size", _whole(1)),
    (r"auto_scale_lr\.enable", _BOOLEAN),
    (r"randomness\.seed", _optional(_whole(0, 2**32 - 1))),
    (r"randomness\.(?:deterministic|diff_rank_seed)", _BOOLEAN),
    (r"model\.(?:bbox_head|semantic_head)\.num_classes", _whole(1, 1_000_000)),
    (r"model\..*num_classes(?:\[\d+\])?", _whole(0, 1_000_000)),
    (r"model\..*(?:in|out|feat|base|mid)_channels", _CHANNELS),
    (r"model\.(?:bbox_head|mask_head|semantic_head).*num_layers", _whole(1, 1000)),
    (r"model\..*(?:stacked_convs|num_convs|num_stacked_convs)", _whole(0, 1000)),
    (r"model\..*num_outs", _whole(1, 1000)),
    (
        r"model\.bbox_head(?:\[\d+\])?\.(?:strides|anchor_generator\.strides)",
        (_strides, "numbers above 0"),
    ),
    (
        _MODEL + r"(?:test_cfg|tta_cfg)(?:\.rcnn|\.rpn)?\.score_thr",
        _number(0, 1),
    ),
    (_MODEL + r"test_cfg\.mask_thr(?:_binary)?", _number(0, 1)),
    (_MODEL + r"nms\.(?:iou_threshold|score_threshold)", _number(0, 1)),
    (_MODEL + r"(?:test_cfg|tta_cfg).*\.max_per_img", _whole(-1, 10_000_000)),
    (_MODEL + r"test_cfg.*\.nms_pre", _whole(-1)),
    (_MODEL + r"test_cfg.*\.min_bbox_size", _number(-1)),
    (
        r"model\.test_cfg\.(?:threshold_with_centerness|clip_after_nms|sqrt_scores)",
        _BOOLEAN,
    ),
    (_METRIC + "metric", (_names, "a name, or a list of names")),
    (_METRIC + "(?:classwise|format_only|allow_box_only|sort_categories)", _BOOLEAN),
    (_METRIC + "iou_thrs", _optional((_iou_thrs, "a number above 0, to 1, or a list of them"))),
    (_METRIC + "metric_items", _optional((_listed_names, "a list of names, such as ['mAP_50']"))),
    (_METRIC + "collect_device", _one_of("cpu", "gpu", "npu")),
    (_METRIC + "(?:ann_file|prefix)", _optional(_TEXT)),
    (_METRIC + "(?:outfile_prefix|collect_dir|predictions_file|out_file_path)", _optional(_PATH)),
    (
        r"(?:.*\.)?backend_args",
        (lambda v: v is None or isinstance(v, dict), "a dict with backend, or None"),
    ),
    (r"resume", _BOOLEAN),
    (r"log_level", _optional(_one_of("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"))),
    (r"env_cfg\.mp_cfg\.mp_start_method", _optional(_one_of("fork", "spawn", "forkserver"))),
    (_MODEL + r"data_preprocessor\.pad_size_divisor", _whole(1, 100_000)),
    (
        r"model\.mask_head\.max_masks_to_train",
        (
            lambda v: _whole(1)[0](v) or _whole(-1, -1)[0](v),
            "a whole number, 1 or more, or -1 for all",
        ),
    ),
    (
        r"model\.mask_head\.topk_masks_per_img",
        (lambda v: _whole(1)[0](v) or v == -1, "1 or more, or -1"),
    ),
    (_BOXES + "pairwise_size", (_is_odd, "an odd number, 3 or more")),
    (_BOXES + "pairwise_dilation", _whole(1)),
    (_BOXES + "pairwise_weight", _number(0)),
    (_BOXES + r"warmup_(?:iters|start)", _whole(0)),
    (
        _LOADER + r"(?:dataset\.)+pipeline",
        (lambda v: isinstance(v, list | tuple) and len(v) > 0, "a list of dicts, one or more"),
    ),
    (r"env_cfg\.cudnn_benchmark", _BOOLEAN),
    (r"default_scope|experiment_name", _optional(_TEXT)),
    (r"work_dir|load_from|default_hooks\.checkpoint\.out_dir", _optional(_PATH)),
    (r"(?:.*\.)?init_cfg\.checkpoint", _optional(_PATH)),
    (r"model\.backbone\.style", _one_of("pytorch", "caffe")),
    (
        r"(?:train|val|test)_dataloader(?:\.datasets?(?:\[\d+\])?)+\.metainfo\.classes",
        (_names, "a list of names"),
    ),
    (r"(?:train|val|test)_dataloader(?:\.dataset)+\.ann_file", _TEXT),
    (r"(?:train|val|test)_dataloader(?:\.dataset)+\.data_root", _optional(_TEXT)),
]
_COMPILED = [(re.compile(pattern), check) for pattern, check in _RULES]
_MAX_COUNT = 10_000_000  # layers or channels: no network has more


def check_value(path: str, value: Any) -> str | None:
    """Return what is wrong with one value of a config; None if no rule is broken."""
    for pattern, (fits, expected) in _COMPILED:
        if pattern.fullmatch(path) and not _try(fits, value):
            return wrong(path, value, expected)
    counts = isinstance(value, int) and not isinstance(value, bool)
    if counts and path.startswith("model.") and abs(value) > _MAX_COUNT and path[-1] != "]":
        return wrong(path, value, f"at most {_MAX_COUNT:,}")
    return None


def _try(fits: _Check, value: Any) -> bool:
    try:
        return fits(value)
    except (LookupError, TypeError, ValueError, OverflowError):
        return False
