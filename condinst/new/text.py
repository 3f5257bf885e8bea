"""A plan in words: the config file, where each value says why."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from condinst.version import __version__

from .plan import Plan

_WIDTH = 100


def config_text(plan: Plan) -> str:
    """The file's content."""
    blocks = [
        _head(plan),
        _data(plan),
        _train_pipeline(plan),
        _test_pipeline(plan),
        _loaders(plan),
        _model(plan),
        _schedule(plan),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _line(code: str, why: str = "", indent: int = 0) -> list[str]:
    """Code with its reason behind it, or above it where both do not fit in a line."""
    margin = " " * indent
    if not why:
        return [margin + code]
    both = f"{margin}{code}  # {why}"
    if len(both) <= _WIDTH:
        return [both]
    above = textwrap.wrap(why, _WIDTH - indent - 2, break_on_hyphens=False)
    return [*(f"{margin}# {part}" for part in above), margin + code]


def _names(names: Sequence[str]) -> str:
    quoted = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    return f"({quoted},)" if len(names) == 1 else f"({quoted})"


def _call(values: dict[str, Any]) -> str:
    """A dict of plain values as the field writes it."""
    return "dict(" + ", ".join(f"{key}={_value(value)}" for key, value in values.items()) + ")"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return _call(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _head(plan: Plan) -> list[str]:
    facts = plan.facts
    why = "as asked for"
    if not plan.asked:
        why = {"cpu": "the small model: no GPU", "cuda": "the model for a GPU"}[plan.machine.device]
        why += ", no masks to learn from" if plan.recipe.boxes else ""
    return [
        f"# {plan.name}: {facts.num_train} pictures to train on, {facts.num_val} to validate on. "
        f'Written by "condinst new", {__version__}.',
        *_line(f'_base_ = "condinst::{plan.recipe.base}"', why),
    ]


def _data(plan: Plan) -> list[str]:
    names = _names(plan.facts.classes)
    lines = [f"data_root = {_value(plan.places.root)}"]
    if len(names) <= 80:
        return [*lines, *_line(f"classes = {names}", "in the annotation file's order")]
    wrapped = textwrap.wrap(names[1:-1], _WIDTH - 4, break_on_hyphens=False, break_long_words=False)
    return [*lines, "classes = (  # in the annotation file's order", *_indented(wrapped), ")"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _train_pipeline(plan: Plan) -> list[str]:
    views = plan.views
    extra = {"backend": backend} if (backend := _backend(plan)) else {}
    steps: list[str] = []
    if views.crop:
        crop: dict[str, Any] = dict(
            type="RandomCrop", crop_size=views.crop, crop_type="absolute_range"
        )
        if plan.facts.num_negatives:
            crop["allow_negative_crop"] = True
        steps += _line(_call(crop) + ",", views.why, 4)
        resize = dict(type="Resize", scale=views.scales[0], keep_ratio=True, **extra)
        steps += _line(_call(resize) + ",", "", 4)
    else:
        long = views.scales[0][0]
        shorts = ", ".join(str(short) for _, short in views.scales)
        comma = "," if len(views.scales) == 1 else ""
        scales = f"[({long}, short) for short in ({shorts}{comma})]"
        backend = "".join(f", {key}={_value(value)}" for key, value in extra.items())
        code = f'dict(type="RandomChoiceResize", scales={scales}, keep_ratio=True{backend}),'
        steps += _line(code, views.why, 4)
    return [
        "train_pipeline = [",
        *_line("*_base_.train_pipeline[:2],", "reads the picture and its annotations", 4),
        *steps,
        *_line(
            'dict(type="RandomFlip", prob=0.5),', "not where mirrored objects are other ones", 4
        ),
        *_targets(plan),
        '    dict(type="PackDetInputs"),',
        "]",
    ]


def _backend(plan: Plan) -> str | None:
    steps = [step for step in plan.base.train_pipeline if "Resize" in step["type"]]
    return steps[0].get("backend") if steps else None


def _targets(plan: Plan) -> list[str]:
    """The step that makes the mask targets, as the base has it but for what depends on the data."""
    step = dict(plan.base.train_pipeline[-2])
    step["stride"] = plan.views.mask_stride
    why = "equals mask_head.mask_out_stride"
    if plan.recipe.boxes:
        step["bottom_pixels_removed"] = 0  # for COCO's pictures only
    return _line(_call(step) + ",", why, 4)


def _test_pipeline(plan: Plan) -> list[str]:
    views = plan.views
    resize: dict[str, Any] = dict(type="Resize")
    if views.test_scale:
        resize |= dict(scale=views.test_scale, keep_ratio=True)
    else:
        resize |= dict(scale_factor=views.test_factor)
    if backend := _backend(plan):
        resize["backend"] = backend
    why = ""
    if views.tiles:
        why = f"more is too large for {_by(plan.facts.largest)}; better by tiles of {views.tiles}"
    lines = [
        "test_pipeline = [",
        "    _base_.test_pipeline[0],",
        *_line(_call(resize) + ",", why, 4),
    ]
    if plan.facts.masks[1]:
        lines += ["    *_base_.test_pipeline[2:],"]
    else:
        lines += _line(
            'dict(type="LoadAnnotations", with_bbox=True),',
            "no masks to validate on",
            4,
        )
        lines += ["    _base_.test_pipeline[-1],"]
    return [*lines, "]"]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _loaders(plan: Plan) -> list[str]:
    facts, s = plan.facts, plan.schedule
    lines = ["common = dict(data_root=data_root, metainfo=dict(classes=classes))"]
    train = _files(plan, 0) | dict(pipeline="train_pipeline")
    filters: dict[str, Any] = {}
    if facts.num_negatives:
        filters["filter_empty_gt"] = False
    if facts.smallest_side < 32:
        filters["min_size"] = 1
    if plan.balance:
        train["type"] = '"CocoDataset"'
        filters = dict(filter_empty_gt=not facts.num_negatives, min_size=1)
    if filters:
        train["filter_cfg"] = _call(filters)
    why = f"{facts.num_negatives} pictures without objects are learnt from, too"
    lines += _dict("train_set", train, "**common", why=why if facts.num_negatives else "")
    if b := plan.balance:
        why = f"{b.rarest!r} is in {b.pictures} pictures: they come {b.repeats} times in a pass"
        wrapper = dict(
            _delete_="True",
            type='"ClassBalancedDataset"',
            oversample_thr=repr(b.threshold),
            dataset="train_set",
        )
        lines += _dict("train_set", wrapper, why=why)
    loader = dict(batch_size=str(s.batch_size), dataset="train_set")
    lines += _dict("train_dataloader", loader, why=s.why_batch)
    lines += _dict("val_set", _files(plan, 1) | dict(pipeline="test_pipeline"), "**common")
    lines += ["val_dataloader = test_dataloader = dict(dataset=val_set)"]
    return lines + _evaluator(plan)


def _files(plan: Plan, index: int) -> dict[str, str]:
    prefix = dict(img=plan.places.img_dirs[index])
    return dict(ann_file=_value(plan.places.ann_files[index]), data_prefix=_call(prefix))


def _dict(name: str, values: dict[str, str], *more: str, why: str = "") -> list[str]:
    """An assignment; its values are code, one a line where they do not fit in one."""
    items = [f"{key}={value}" for key, value in values.items()] + list(more)
    whole = f"{name} = dict({', '.join(items)})"
    if len(whole) <= _WIDTH:
        return _line(whole, why)
    inner = ", ".join(items)
    if len(inner) + 4 <= _WIDTH:
        return [*_line(f"{name} = dict(", why), f"    {inner}", ")"]
    return [*_line(f"{name} = dict(", why), *(f"    {item}," for item in items), ")"]


def _evaluator(plan: Plan) -> list[str]:
    path = _value(plan.places.ann_files[1])
    beside = plan.places.ann_files[1].startswith("{{") or plan.places.ann_files[1].startswith("/")
    values = dict(ann_file=path if beside else f"data_root + {path}")
    reasons = []
    if plan.max_per_img > 100:
        values["proposal_nums"] = f"(1, 10, {plan.max_per_img})"
        reasons.append(f"AP counts {plan.max_per_img} detections of a picture")
    if not plan.facts.masks[1]:
        values["metric"] = '["bbox"]'
        reasons.append("no masks to measure with")
    return _dict("val_evaluator = test_evaluator", values, why="; ".join(reasons))


def _model(plan: Plan) -> list[str]:
    views, facts = plan.views, plan.facts
    mask_head: dict[str, Any] = dict(mask_out_stride=views.mask_stride)
    lines = ["model = dict("]
    lines += _backbone(plan)
    lines += [f"    bbox_head=dict(num_classes={len(facts.classes)}),"]
    why = "small objects: their outlines need finer masks than 4" if views.mask_stride == 2 else ""
    if plan.recipe.boxes:
        mask_head["warmup_iters"] = plan.schedule.max_iters // 10
        why = "the pairwise loss grows for a tenth of the training" + (f"; {why}" if why else "")
    if why:
        lines += _line(f"mask_head={_call(mask_head)},", why, 4)
    if plan.max_per_img > 100:
        test_cfg = dict(max_per_img=plan.max_per_img, nms_pre=max(1000, 4 * plan.max_per_img))
        why = f"the busiest picture, {facts.busiest_file}, has {facts.busiest} objects"
        lines += _line(f"test_cfg={_call(test_cfg)},", why, 4)
    return [*lines, ")", *_weights(plan)]


def _backbone(plan: Plan) -> list[str]:
    timm = plan.base.model.backbone.type.endswith("TimmBackbone")
    if plan.start == "coco":
        return _line("backbone=dict(init_cfg=None),", "comes with load_from", 4)
    if plan.start == "imagenet":
        return []
    values: dict[str, Any] = dict(frozen_stages=-1, norm_eval=False)
    values = (dict(pretrained=False) if timm else dict(init_cfg=None)) | values
    return _line(f"backbone={_call(values)},", "from scratch: nothing is frozen", 4)


def _weights(plan: Plan) -> list[str]:
    if plan.start != "coco":
        return []
    return _line(
        f'load_from = "{plan.recipe.zoo}"', "COCO's weights; the layer of class scores starts anew"
    )


def _schedule(plan: Plan) -> list[str]:
    s = plan.schedule
    n = plan.facts.num_train
    lines = _line(
        f"max_iters = {s.max_iters}", f"each of the {n} pictures is seen {s.views:.0f} times"
    )
    lines += [f"train_cfg = dict(max_iters=max_iters, val_interval={s.val_interval})"]
    rule = f"{s.base_lr:g} for {s.base_batch_size} pictures an iteration; the linear rule"
    lines += _line(f"optim_wrapper = dict(optimizer=dict(lr={_number(s.lr)}))", rule)
    lines += _line(
        f"auto_scale_lr = dict(base_batch_size={s.batch_size})", "for --auto-scale-lr on more GPUs"
    )
    start = 0.01 if s.adam else 0.001
    lines += [
        "param_scheduler = [",
        f'    dict(type="LinearLR", start_factor={start}, by_epoch=False, begin=0, '
        f"end={s.warmup}),",
    ]
    if s.adam:
        lines += [
            f'    dict(type="CosineAnnealingLR", by_epoch=False, begin={s.warmup}, end=max_iters),'
        ]
    else:
        steps = [round(s.max_iters * 2 / 3), round(s.max_iters * 8 / 9)]
        lines += [
            f'    dict(type="MultiStepLR", by_epoch=False, milestones={steps}, gamma=0.1),',
        ]
    lines += ["]"]
    save: dict[str, Any] = dict(interval=s.val_interval)
    if not plan.facts.masks[1]:
        save["save_best"] = "coco/bbox_mAP"
    return [*lines, f"default_hooks = dict(checkpoint={_call(save)})"]


def _number(value: float) -> str:
    return f"{value:.10f}".rstrip("0")
