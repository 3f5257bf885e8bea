"""Check the parts of a config with rules of their own: data loaders, optimizer, hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config

from condinst.config import known
from condinst.config.arguments import arguments_of, find_class
from condinst.config.nodes import type_name
from condinst.config.problem import join, near, near_misses, show, unknown, wrong


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
