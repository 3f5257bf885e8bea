"""Check the parts of a config with rules of their own: model, data loaders, optimizer, hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config

from condinst.config import known
from condinst.config.arguments import arguments_of, default_of, find_class
from condinst.config.nodes import type_name
from condinst.config.problem import join, near, show, unknown, wrong
from condinst.registry import MODELS


def entries(path: str, value: Any) -> Iterator[str]:
    """Check a list of transforms or hooks: each is a dict with a type, or an object."""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                if "type" not in item:
                    yield wrong(f"{path}[{index}]", item, "a dict with type")
            elif not callable(item) and not _is_object(item):
                yield wrong(f"{path}[{index}]", item, "a dict with type")


def _is_object(value: Any) -> bool:
    """Tell whether a value is an object that the config, or the program behind it, has built."""
    return value is not None and type(value).__module__ != "builtins"


def is_ours(cfg: Config) -> bool:
    """Tell whether the model is one of our detectors itself."""
    kind = (cfg.get("model") or {}).get("type")
    found = find_class(kind, "MODELS", only=True) if isinstance(kind, str) else kind
    return found in [MODELS.get(f"condinst.{name}") for name in known.OUR_DETECTORS]


def check_model(cfg: Config, model: dict) -> Iterator[str]:
    """Check the model as a whole."""
    if "type" not in model:
        yield wrong("model", model, "a dict with type")
        return
    yield from check_levels(model)
    test_cfg = model.get("test_cfg")
    if is_ours(cfg):
        for part in ("backbone", "neck", "bbox_head", "mask_head"):
            if part in model and not isinstance(model[part], dict):
                yield wrong(f"model.{part}", model[part], "a dict with type")
        yield from _ranges(model.get("bbox_head"))
        yield from _pyramid(model)
        tested = any(cfg.get(f"{split}_dataloader") for split in ("val", "test"))
        required: Sequence[str] = known.OUR_REQUIRED_TEST_CFG
        if type_name(model) == "RTMDet":  # has a default
            required = tuple(key for key in required if key != "mask_thr")
        yield from _our_test_cfg("model.test_cfg", test_cfg, required if tested else ())
    elif isinstance(test_cfg, dict):
        yield from near_misses("model.test_cfg", test_cfg, known.MMDET_TEST_CFG)
        for key in ("rpn", "rcnn"):
            if isinstance(test_cfg.get(key), dict):
                path = f"model.test_cfg.{key}"
                yield from near_misses(path, test_cfg[key], known.MMDET_TEST_CFG)
    elif test_cfg is not None and not isinstance(test_cfg, list | tuple):
        yield wrong("model.test_cfg", test_cfg, "a dict")


def check_levels(model: dict) -> Iterator[str]:
    """Check that the backbone exists in this depth, with the stages that it is to return."""
    backbone = model.get("backbone")
    if not isinstance(backbone, dict):
        return
    kind = backbone.get("type")
    found = find_class(kind, "MODELS") if isinstance(kind, str) else kind
    yield from _variant(backbone, getattr(found, "arch_settings", None))
    stages = backbone.get("num_stages", default_of(found, "num_stages"))
    if type(stages) is not int:
        return
    frozen = backbone.get("frozen_stages")
    if frozen is not None and (type(frozen) is not int or not -1 <= frozen <= stages):
        expected = f"-1 for none, or a whole number from 0 to {stages}: it has {stages} stages"
        yield wrong("model.backbone.frozen_stages", frozen, expected)
    indices = backbone.get("out_indices", range(stages))
    listed = isinstance(indices, list | tuple | range) and len(indices) > 0
    if not listed or any(type(i) is not int or not 0 <= i < stages for i in indices):
        expected = f"a list of whole numbers from 0 to {stages - 1}: it has {stages} stages"
        yield wrong("model.backbone.out_indices", indices, expected)


def _variant(backbone: dict, known_ones: Any) -> Iterator[str]:
    """Check the depth or the name of an architecture against those that its class lists."""
    if not isinstance(known_ones, dict) or not known_ones:
        return
    kind = type(next(iter(known_ones)))  # int for a depth, str for a name
    for key in ("depth", "arch"):
        value = backbone.get(key)
        described = key == "arch" and isinstance(value, dict)  # RegNet's own description
        if key not in backbone or described or (key == "depth") != (kind is int):
            continue
        if type(value) is not kind or value not in known_ones:
            expected = f"one of {', '.join(map(str, known_ones))}"
            yield wrong(f"model.backbone.{key}", value, expected)


def _pyramid(model: dict) -> Iterator[str]:
    """Check that the neck returns as many levels as the head has strides."""
    neck, head = model.get("neck"), model.get("bbox_head")
    if not isinstance(neck, dict) or not isinstance(head, dict):
        return
    strides = head.get("strides")
    if strides is None and isinstance(head.get("type"), str):
        strides = default_of(find_class(head["type"], "MODELS"), "strides")
    number = neck.get("num_outs")
    if isinstance(strides, list | tuple) and type(number) is int and number != len(strides):
        expected = f"{len(strides)}, the number of strides of model.bbox_head ({show(strides)})"
        yield wrong("model.neck.num_outs", number, expected)


def _ranges(head: Any) -> Iterator[str]:
    """Check the sizes of objects that each level of our head learns."""
    ranges = head.get("regress_ranges") if isinstance(head, dict) else None
    if ranges is None:
        return
    pairs = [tuple(pair) for pair in ranges if isinstance(pair, list | tuple) and len(pair) == 2]
    numbers = all(isinstance(x, int | float) for pair in pairs for x in pair)
    if not numbers or len(pairs) < len(ranges) or not all(low < high for low, high in pairs):
        expected = "a pair of pixels for each level, the lower number first"
        yield wrong("model.bbox_head.regress_ranges", ranges, expected)


_PARTS_OF = {
    "train": ("train_dataloader", "train_cfg", "optim_wrapper"),
    "val": ("val_dataloader", "val_cfg", "val_evaluator"),
    "test": ("test_dataloader", "test_cfg", "test_evaluator"),
}


def check_complete(cfg: Config) -> Iterator[str]:
    """Check that all parts of training, validation and test are there, or none of them."""
    for parts in _PARTS_OF.values():
        given = [part for part in parts if cfg.get(part) is not None]
        for part in parts if given else ():
            if part not in given:
                others = " and ".join(given)
                yield wrong(part, None, f"a dict, as for {others}; or None for all three")


def _our_test_cfg(path: str, test_cfg: Any, required: Sequence[str]) -> Iterator[str]:
    if test_cfg is not None and not isinstance(test_cfg, dict):
        yield wrong(path, test_cfg, "a dict")
        return
    settings = test_cfg or {}
    lacking = [key for key in required if key not in settings]
    if lacking:
        got = show(test_cfg)
        yield f"{path}={got}: expected a dict with {', '.join(lacking)}" + ", too" * bool(settings)
    for key, value in settings.items():
        if key not in known.OUR_TEST_CFG and key not in known.HARMLESS_TEST_CFG:
            yield unknown(join(path, key), value, path, known.OUR_TEST_CFG)
    if "nms" in settings:
        yield from _nms(join(path, "nms"), settings["nms"])


def _nms(path: str, nms: Any) -> Iterator[str]:
    if not isinstance(nms, dict) or not isinstance(nms.get("type", ""), str):
        yield wrong(path, nms, "a dict with type and iou_threshold")
        return
    kind = nms.get("type", "nms")
    if kind not in known.NMS:
        yield wrong(f"{path}.type", kind, f"one of {', '.join(known.NMS)}")
        return
    names = known.NMS[kind]
    for key, value in nms.items():
        if key not in names:
            yield unknown(join(path, key), value, path, names)
    if "iou_threshold" not in nms:
        yield f"{path}={show(nms)}: iou_threshold is missing"


_COCO_AP = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")


def check_save_best(cfg: Config) -> Iterator[str]:
    """Check the metric that decides which checkpoint is the best: it is read after hours."""
    hook = (cfg.get("default_hooks") or {}).get("checkpoint")
    best = hook.get("save_best") if isinstance(hook, dict) else None
    evaluator = cfg.get("val_evaluator")
    nodes = evaluator if isinstance(evaluator, list | tuple) else [evaluator]
    if len(nodes) != 1 or type_name(nodes[0]) != "CocoMetric" or best in (None, "auto"):
        return
    items, prefix = nodes[0].get("metric_items") or _COCO_AP, nodes[0].get("prefix") or "coco"
    if nodes[0].get("classwise") or not isinstance(items, list | tuple):
        return  # other names
    if not all(str(item) in _COCO_AP or str(item).startswith("AR") for item in items):
        return  # CocoMetric says so
    metric = nodes[0].get("metric", "bbox")
    kinds = metric if isinstance(metric, list | tuple) else [metric]
    if any(kind not in ("bbox", "segm") for kind in kinds):
        return
    names = [f"{prefix}/{kind}_{name}" for kind in kinds for name in items]
    for name in best if isinstance(best, list | tuple) else [best]:
        if name not in names:
            expected = f"'auto' or one of {', '.join(names)}"
            yield wrong("default_hooks.checkpoint.save_best", name, expected)


def near_misses(path: str, node: dict, names: Sequence[str]) -> Iterator[str]:
    """Report typos of known keys in a dict that may have other keys too."""
    for key, value in node.items():
        if key not in names:
            meant = near(str(key), names, 0.8)
            if meant:
                yield f"{join(path, key)}={show(value)}: did you mean {meant!r}?"


def check_loader(path: str, loader: dict) -> Iterator[str]:
    """Check a data loader, except for the content of its dataset."""
    if "dataset" not in loader:
        yield f"{path}: dataset is missing, expected a dict with type"
    elif isinstance(loader["dataset"], dict):
        if "type" not in loader["dataset"]:
            yield wrong(f"{path}.dataset", loader["dataset"], "a dict with type")
    elif not _is_object(loader["dataset"]):
        yield wrong(f"{path}.dataset", loader["dataset"], "a dict with type")
    for key in ("sampler", "batch_sampler"):
        value = loader.get(key)
        if value is not None and not isinstance(value, dict) and not _is_object(value):
            yield wrong(join(path, key), value, "a dict with type")
    if not isinstance(loader.get("sampler", {}), dict) and loader.get("sampler") is None:
        yield wrong(f"{path}.sampler", None, "a dict with type")
    if "sampler" not in loader:
        yield f"{path}: sampler is missing, expected a dict with type"
    elif not path.startswith("train") and type_name(loader["sampler"]) in known.ENDLESS_SAMPLERS:
        expected = "DefaultSampler with shuffle=False: this one never ends"
        yield wrong(f"{path}.sampler.type", type_name(loader["sampler"]), expected)
    if "batch_size" not in loader and loader.get("batch_sampler") is None:
        yield f"{path}: batch_size is missing, expected a whole number"
    names = (*arguments_of(torch.utils.data.DataLoader).names, *known.DATA_LOADER)
    for key, value in loader.items():
        if key not in names and not key.startswith("_"):
            yield unknown(join(path, key), value, path, names)


def check_packed(path: str, steps: Sequence[Any]) -> Iterator[str]:
    """Check that a pipeline of known transforms packs its result.

    Args:
        path: of the pipeline of a loader's own dataset.
        steps: the transforms.
    """
    for step in steps:
        kind = step.get("type") if isinstance(step, dict) else None
        found = find_class(kind, "TRANSFORMS") if isinstance(kind, str) else kind
        package = str(getattr(found, "__module__", "")).partition(".")[0]
        if package not in ("condinst", "mmdet", "mmcv") or "transforms" in step:
            return  # a class of the user's, or one that holds other transforms, may pack
        if getattr(found, "__name__", "").startswith("Pack"):
            return
    yield f"{path} has no step that packs its result: expected PackDetInputs as the last one"


def check_optimizer(path: str, node: dict) -> Iterator[str]:
    """Check the optimizer wrapper."""
    if node.get("constructor") not in (None, "DefaultOptimWrapperConstructor"):
        return  # another constructor may read any key
    optimizer = node.get("optimizer")
    if isinstance(optimizer, dict):
        if "type" not in optimizer:
            yield wrong(f"{path}.optimizer", optimizer, "a dict with type")
    elif node.get("type", "OptimWrapper") in ("OptimWrapper", "AmpOptimWrapper") and not _is_object(
        optimizer
    ):
        yield wrong(f"{path}.optimizer", optimizer, "a dict with type")
    yield from _clip(f"{path}.clip_grad", node.get("clip_grad"))
    settings = node.get("paramwise_cfg")
    if settings is not None and not isinstance(settings, dict):
        yield wrong(f"{path}.paramwise_cfg", settings, "a dict, or None")
    elif settings:
        yield from near_misses(f"{path}.paramwise_cfg", settings, known.PARAMWISE)


def _clip(path: str, clip: Any) -> Iterator[str]:
    if clip is None:
        return
    if not isinstance(clip, dict) or not clip:
        yield wrong(path, clip, "a dict with max_norm, or None")
        return
    kind = clip.get("type", "norm")
    if not isinstance(kind, str) or kind not in known.CLIP_GRAD:
        yield wrong(f"{path}.type", kind, "norm or value")
        return
    names = known.CLIP_GRAD[kind]
    for key, value in clip.items():
        if key not in names:
            yield unknown(join(path, key), value, "clip_grad", names)


def check_default_hooks(path: str, node: dict) -> Iterator[str]:
    """Check the hooks that mmengine knows by name."""
    for name, hook in node.items():
        where = join(path, name)
        if name not in known.DEFAULT_HOOKS:
            meant = near(name, known.DEFAULT_HOOKS, 0.8)
            if meant:
                yield f"{where}={show(hook)}: did you mean {meant!r}?"
                continue
        if isinstance(hook, dict):
            if "type" not in hook:
                yield wrong(where, hook, "a dict with type")
        elif hook is not None and not _is_object(hook):
            yield wrong(where, hook, "a dict with type, or None")
