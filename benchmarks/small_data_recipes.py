"""Recipes for small data, each a change of a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from torch import nn

from condinst.registry import MODELS

__all__ = ["RECIPES", "Recipe", "Refused", "apply", "parts_of"]

_COLOR_STEPS = ("PhotoMetricDistortion", "YOLOXHSVRandomAug")
_STRONG_UNTIL = 0.85  # of the iterations
_LOWEST_RATE = 0.1
_PASTED = 50  # objects of another image at most
_FIRST_STAGES = {"TimmBackbone": 1, "ResNet": 1, "CSPNeXt": 1}


class Refused(ValueError):
    """A recipe cannot be applied to a config; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """One recipe.

    Attributes:
        title: what the table calls it.
        change: changes a config in place, for a training of so many iterations; raises
            :class:`Refused`.
        group: recipes of one group do not go together.
        in_all: whether it is one of "all together".
        trains: whether the training changes, and not the test alone.
        factor: number of iterations over that of the baseline, where it is not the CPU time that
            is equal.
    """

    title: str
    change: Callable[[Config, int], None]
    group: str = ""
    in_all: bool = True
    trains: bool = True
    factor: float | None = None


def _pipeline(cfg: Config) -> list[ConfigDict]:
    return cfg.train_dataloader.dataset.pipeline


def _index(steps: list[ConfigDict], *kinds: str) -> int | None:
    return next((i for i, step in enumerate(steps) if step.type in kinds), None)


def _ema(cfg: Config, iterations: int) -> None:
    if any(hook.type == "EMAHook" for hook in cfg.custom_hooks):
        raise Refused("the baseline has EMAHook")
    length = max(2, iterations // 10)  # as in the configs of condinst new
    hook = dict(
        type="EMAHook",
        ema_type="ExpMomentumEMA",
        momentum=round(1 / length, 6),
        gamma=max(1, length // 2),
        update_buffers=True,
        priority=49,
    )
    cfg.custom_hooks = [*cfg.custom_hooks, hook]


def _weak_end(cfg: Config, iterations: int) -> None:
    steps = _pipeline(cfg)
    if _index(steps, *_COLOR_STEPS) is None:
        raise Refused(f"the pipeline has none of {', '.join(_COLOR_STEPS)}, which would end early")
    last = int(_STRONG_UNTIL * iterations)
    cfg.train_dataloader.dataset.pipeline = [
        dict(type="UntilIteration", iteration=last, transforms=[step])
        if step.type in _COLOR_STEPS
        else step
        for step in steps
    ]


def _copy_paste(cfg: Config, iterations: int) -> None:
    dataset = cfg.train_dataloader.dataset
    end = _index(_pipeline(cfg), "RandomFlip")
    if dataset.type == "MultiImageMixDataset" or end is None:
        raise Refused("expected a pipeline with RandomFlip, before which objects are pasted")
    first, last = dataset.pipeline[:end], dataset.pipeline[end:]
    inner = {**dataset, "pipeline": first}
    paste = dict(type="CopyPaste", max_num_pasted=_PASTED)
    cfg.train_dataloader.dataset = ConfigDict(
        type="MultiImageMixDataset", dataset=inner, pipeline=[paste, *last]
    )


def _scale_jitter(cfg: Config, iterations: int) -> None:
    steps = _pipeline(cfg)
    crop, choice = _index(steps, "RandomCrop"), _index(steps, "RandomChoiceResize")
    if crop is not None and steps[crop].get("crop_type") == "absolute_range":
        # what is cropped becomes one size: twice the range of the scales, around the same mean
        low, high = steps[crop].crop_size
        steps[crop].crop_size = (round(low / 2**0.5), round(high * 2**0.5))
    elif choice is not None:
        size = tuple(max(sides) for sides in zip(*steps[choice].scales, strict=True))
        resize = dict(type="RandomResize", scale=size, ratio_range=(0.5, 2.0), keep_ratio=True)
        # portraits keep their shape, and a batch its cost
        side = max(size)
        crop_size = dict(crop_size=(side, side), recompute_bbox=True, allow_negative_crop=True)
        steps[choice : choice + 1] = [
            ConfigDict(resize),
            ConfigDict(type="RandomCrop", **crop_size),
        ]
    else:
        raise Refused("expected RandomCrop of an absolute range, or RandomChoiceResize")


def _quality_focal(cfg: Config, iterations: int) -> None:
    head = cfg.model.bbox_head
    if (head.get("loss_cls") or {}).get("type") == "QualityFocalLoss":
        raise Refused(f"{cfg.model.type} has QualityFocalLoss in the baseline")
    head.loss_cls = dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0)


def _soft_labels(cfg: Config, iterations: int) -> None:
    model = cfg.model
    if model.type != "CondInst" or model.get("semantic_head"):
        raise Refused(
            "RTMDet-Ins has the assignment in the baseline"
            if model.type == "RTMDet"
            else f"RTMDet-Ins's head can take the place of CondInst's alone, not of {model.type}'s"
        )
    old, masks = model.bbox_head, model.pop("mask_head")
    levels = 3  # RTMDet-Ins's head has strides of 8, 16 and 32
    model.neck.num_outs = levels
    model.type = "RTMDet"
    model.bbox_head = ConfigDict(
        type="RTMDetInsSepBNHead",
        num_classes=old.num_classes,
        in_channels=old.in_channels,
        feat_channels=old.feat_channels,
        stacked_convs=old.stacked_convs,
        mask_loss_stride=masks.get("mask_out_stride", 4),
    )
    model.train_cfg = dict(assigner=dict(type="DynamicSoftLabelAssigner", topk=13))


def _set_rates(cfg: Config, rates: Mapping[str, float]) -> None:
    settings = cfg.optim_wrapper.setdefault("paramwise_cfg", ConfigDict())
    if settings.get("custom_keys"):
        raise Refused("the baseline has rates of its own (paramwise_cfg.custom_keys)")
    settings.custom_keys = {name: dict(lr_mult=rate) for name, rate in rates.items()}


def _backbone_rate(cfg: Config, iterations: int) -> None:
    _set_rates(cfg, {"backbone": _LOWEST_RATE})


def _layer_rate(cfg: Config, iterations: int) -> None:
    names = _stages(cfg.model.backbone)
    if len(names) < 2:
        raise Refused(f"{cfg.model.backbone.type} does not name its stages")
    step = _LOWEST_RATE ** (1 / (len(names) - 1))
    rates = (round(step**depth, 4) for depth in reversed(range(len(names))))
    _set_rates(cfg, dict(zip(names, rates, strict=True)))


def _stages(backbone: Mapping[str, Any]) -> list[str]:
    """Return the prefixes of the parameters of each stage, in the order of use."""
    plain = {k: v for k, v in backbone.items() if k not in ("init_cfg", "checkpoint_path")}
    with DefaultScope.overwrite_default_scope("condinst"):
        module = MODELS.build(plain)
    inner = getattr(module, "net", None)  # of TimmBackbone
    prefix = "backbone." if inner is None else "backbone.net."
    names: list[str] = []
    for name, child in (inner or module).named_children():
        parts = list(child.named_children())
        nested = isinstance(child, nn.Sequential) and all(
            isinstance(part, nn.Sequential) for _, part in parts
        )
        found = [f"{name}.{part}" for part, _ in parts] if nested else [name]
        names += [f"{prefix}{one}." for one in found]  # the dot tells blocks.1 from blocks.10
    return [name for name in names if any(True for _ in _parameters(module, name))]


def _parameters(module: nn.Module, prefix: str) -> list[str]:
    start = prefix.removeprefix("backbone.")
    return [name for name, _ in module.named_parameters() if name.startswith(start)]


def _freeze(cfg: Config, iterations: int) -> None:
    backbone = cfg.model.backbone
    stages = _FIRST_STAGES.get(backbone.type)
    if stages is None:
        raise Refused(f"expected a backbone of {', '.join(_FIRST_STAGES)}, not {backbone.type}")
    started = any(backbone.get(key) for key in ("init_cfg", "checkpoint_path", "pretrained"))
    if not started and not cfg.get("load_from"):
        raise Refused("the backbone starts from scratch")
    if backbone.get("frozen_stages", -1) >= stages:
        raise Refused("the baseline freezes these stages")
    backbone.frozen_stages = stages


def _maskness(cfg: Config, iterations: int) -> None:
    if cfg.model.test_cfg.get("mask_quality", "none") != "none":
        raise Refused("the baseline has test_cfg.mask_quality")
    cfg.model.test_cfg.mask_quality = "maskness"


def _nothing(cfg: Config, iterations: int) -> None:
    """Leave the config as it is."""


# in the order in which they are applied and run: what looks for steps of the pipeline before what
# moves them into another dataset
RECIPES: dict[str, Recipe] = {
    "baseline": Recipe("baseline", _nothing, in_all=False),
    "ema": Recipe("moving average of the weights over a tenth of the training", _ema),
    "scale_jitter": Recipe("twice the range of scales", _scale_jitter),
    "weak_end": Recipe("no changes of color in the last 15% of the iterations", _weak_end),
    "copy_paste": Recipe(f"copy-paste of up to {_PASTED} objects", _copy_paste),
    "quality_focal": Recipe("quality focal loss", _quality_focal, group="scores"),
    "backbone_rate": Recipe("a tenth of the rate in the backbone", _backbone_rate, group="rates"),
    "freeze": Recipe("the first stages of the backbone frozen", _freeze),
    "maskness": Recipe("scores times maskness", _maskness, trains=False),
    "layer_rate": Recipe(
        "rates from a tenth in the backbone's first stage to the whole in its last",
        _layer_rate,
        group="rates",
        in_all=False,
    ),
    "soft_labels": Recipe(
        "RTMDet-Ins's head: dynamic soft labels, with quality focal loss",
        _soft_labels,
        group="scores",
        in_all=False,
    ),
    "longer": Recipe("1.5 times the iterations (not equal time)", _nothing, "", False, factor=1.5),
}


def parts_of(name: str) -> list[str]:
    """Return the recipes of a name, in the order in which they are applied.

    Args:
        name: a recipe, several joined by "+", or "all".

    Raises:
        ValueError: a recipe does not exist, or two of them do not go together.
    """
    if name == "all":
        return [key for key, recipe in RECIPES.items() if recipe.in_all]
    parts = name.split("+")
    for part in parts:
        if part not in RECIPES:
            raise ValueError(f"{name}: expected recipes of {', '.join(RECIPES)}, all")
    groups = [RECIPES[part].group for part in parts if RECIPES[part].group]
    if len(set(parts)) < len(parts) or len(set(groups)) < len(groups):
        raise ValueError(f"{name}: two of them do not go together")
    if len(parts) > 1 and {"baseline", "longer"} & set(parts):
        raise ValueError(f"{name}: baseline and longer stand alone")
    return [key for key in RECIPES if key in parts]


def apply(cfg: Config, parts: Sequence[str], iterations: int) -> None:
    """Apply recipes to a config, in place.

    Args:
        cfg: the config of the baseline.
        parts: from :func:`parts_of`.
        iterations: length of the training.

    Raises:
        Refused: the config does not allow one of them; the message names it.
    """
    for part in parts:
        try:
            RECIPES[part].change(cfg, iterations)
        except Refused as error:
            raise Refused(f"{part}: {error}") from None
