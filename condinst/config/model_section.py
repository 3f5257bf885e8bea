"""Check the model of a config as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config

from condinst.config import known
from condinst.config.arguments import default_of, find_class
from condinst.config.nodes import type_name
from condinst.config.problem import join, near_misses, show, unknown, wrong
from condinst.registry import MODELS

__all__ = ["check_levels", "check_model", "is_ours"]


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
