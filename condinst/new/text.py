"""Write a plan as the text of a config file, with a reason for each value."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from condinst.new.lines import codes, dict_lines, line, value, wrapped
from condinst.new.plan import Plan
from condinst.new.text_training import model_lines, schedule_lines
from condinst.version import __version__

_AUGMENTED = 0.85  # part of the training in which colors change


def config_text(plan: Plan) -> str:
    """Return the content of the config file."""
    blocks = [
        _head(plan),
        _data(plan),
        _train_pipeline(plan) + _test_pipeline(plan),
        _sets(plan) + _loaders(plan) + _evaluator(plan),
        model_lines(plan),
        schedule_lines(plan),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _head(plan: Plan) -> list[str]:
    facts = plan.facts
    return [
        f"# {plan.name}: {facts.num_train} images to train on, {facts.num_val} to validate on. "
        f'Written by "condinst new", {__version__}.',
        *line(f'_base_ = "condinst::{plan.recipe.base}"', plan.recipe.why or "as asked for"),
    ]


def _data(plan: Plan) -> list[str]:
    names = value(plan.facts.classes)
    lines = [f"data_root = {value(plan.places.root)}"]
    why = "in the annotation file's order"
    if len(names) <= 80:
        return [*lines, *line(f"classes = {names}", why)]
    return [*lines, f"classes = (  # {why}", *wrapped([value(n) for n in plan.facts.classes]), ")"]


def _train_pipeline(plan: Plan) -> list[str]:
    views = plan.views
    lines = ["train_pipeline = [", *_load(plan, "train")]
    extra = codes(_backend(plan))
    if views.crop:
        crop: dict[str, Any] = dict(type="RandomCrop", crop_size=views.crop)
        crop |= dict(crop_type="absolute_range")
        if plan.facts.num_negatives:
            crop["allow_negative_crop"] = True
        lines += _step(codes(crop), views.why)
        resize = codes(dict(type="Resize", scale=views.scales[0], keep_ratio=True))
        lines += _step(resize | extra)
    else:
        shorts = value(tuple(short for _, short in views.scales))
        scales = f"[({views.scales[0][0]}, short) for short in {shorts}]"
        resize = codes(dict(type="RandomChoiceResize", keep_ratio=True)) | extra
        lines += _step(resize | dict(scales=scales), views.why)
    flip = codes(dict(type="RandomFlip", prob=0.5))
    lines += _step(flip, "leave out if mirrored objects are of another class")
    return [*lines, *_colors(plan), *_targets(plan), "]"]


def _colors(plan: Plan) -> list[str]:
    """Return the step that changes colors, which knows 8-bit color images only."""
    if not plan.recipe.rtmdet or not plan.facts.inputs.pixels.is_rgb8:
        return []
    last = round(plan.schedule.max_iters * _AUGMENTED)
    items: dict[str, Any] = dict(type="UntilIteration", iteration=last)
    why = "colors change a little, but not at the end: the last images are as those of the test"
    return _step(codes(items | dict(transforms=[dict(type="YOLOXHSVRandomAug")])), why)


def _step(items: dict[str, str], why: str = "") -> list[str]:
    return dict_lines("", items, why=why, indent=4, tail=",")


def _load(plan: Plan, split: str) -> list[str]:
    """Return the steps that load an image, and in training its annotations."""
    pixels = plan.facts.inputs.pixels
    base = f"_base_.{split}_pipeline"
    training = split == "train"
    if pixels.is_rgb8:
        if training:
            return line(f"*{base}[:2],", "reads the image and its annotations", 4)
        return [f"    {base}[0],"]
    step = dict(plan.base[f"{split}_pipeline"][0]) | dict(channels=pixels.channels)
    step.pop("backend_args", None)
    if pixels.dtype != "uint8":
        step["dtype"] = pixels.dtype
    lines = _step(codes(step), f"the images have {pixels}" if training else "")
    return lines + ([f"    {base}[1],"] if training else [])


def _backend(plan: Plan) -> dict[str, str]:
    steps = [step for step in plan.base.train_pipeline if "Resize" in step["type"]]
    return {key: step[key] for step in steps for key in ("backend",) if key in step}


def _targets(plan: Plan) -> list[str]:
    """Return the steps that make mask targets and pack: the base's, with changes for the data."""
    own = plan.base.train_pipeline[-2]
    if plan.mixed:
        return _mixed_targets(plan)
    changed: dict[str, Any] = {}
    if plan.views.mask_stride != own.stride:
        changed["stride"] = plan.views.mask_stride
    if plan.recipe.boxes and own.get("bottom_pixels_removed") != 0:
        changed["bottom_pixels_removed"] = 0
    inputs = plan.facts.inputs
    if plan.recipe.boxes and inputs.pixels.dtype == "uint16" and inputs.largest < 4096:
        changed["value_range"] = 4095
    if not changed:
        return line(
            "*_base_.train_pipeline[-2:],", "makes the mask targets and packs the inputs", 4
        )
    inner = ", ".join(f"{key}={code}" for key, code in codes(changed).items())
    owner = "bbox_head.mask_loss_stride" if plan.recipe.rtmdet else "mask_head.mask_out_stride"
    reasons = [f"stride: that of {owner}"] if "stride" in changed else []
    reasons += ["only COCO's images end in a bad strip"] * ("bottom_pixels_removed" in changed)
    reasons += ["the pixels have 12 bits"] * ("value_range" in changed)
    code = f"dict(_base_.train_pipeline[-2], {inner}),"
    return [*line(code, "; ".join(reasons), 4), "    _base_.train_pipeline[-1],"]


def _mixed_targets(plan: Plan) -> list[str]:
    """Return the steps that make the targets of masks and of boxes, and pack."""
    step: dict[str, Any] = dict(type="PrepareMixedTargets", stride=plan.views.mask_stride)
    step["bottom_pixels_removed"] = 0
    inputs = plan.facts.inputs
    if inputs.pixels.dtype == "uint16" and inputs.largest < 4096:
        step["value_range"] = 4095
    why = "samples masks; compares colors for the objects with only a box"
    return [*_step(codes(step), why), "    _base_.train_pipeline[-1],"]


def _test_pipeline(plan: Plan) -> list[str]:
    views = plan.views
    resize: dict[str, Any] = dict(type="Resize")
    if views.test_scale:
        resize |= dict(scale=views.test_scale, keep_ratio=True)
    else:
        resize |= dict(scale_factor=views.test_factor)
    width, height = plan.facts.largest
    why = f"more is too large for {width} x {height}; tiles are better" if views.tiles else ""
    lines = ["test_pipeline = [", *_load(plan, "test"), *_step(codes(resize | _backend(plan)), why)]
    if plan.facts.masks[1]:
        return [*lines, "    *_base_.test_pipeline[2:],", "]"]
    boxes = codes(dict(type="LoadAnnotations", with_bbox=True))
    lines += _step(boxes, "the validation data have no masks")
    return [*lines, "    _base_.test_pipeline[-1],", "]"]


def _sets(plan: Plan) -> list[str]:
    lines = ["common = dict(data_root=data_root, metainfo=dict(classes=classes))"]
    filters: dict[str, Any] = {}
    negatives = plan.facts.num_negatives
    if negatives:
        filters["filter_empty_gt"] = False
    if plan.facts.smallest_side < 32:
        filters["min_size"] = 1
    train: dict[str, Any] = _files(plan, 0)
    if plan.balance:  # the wrapper replaces the base's dataset
        train = dict(type="CocoDataset") | train
        filters = dict(filter_empty_gt=not negatives, min_size=1)
    if filters:
        train["filter_cfg"] = filters
    reasons = []
    if negatives:
        reasons.append(f"{_many(negatives, 'image')} without objects: training uses them too")
    facts = plan.facts
    if plan.mixed:
        train["allow_box_only"] = True
        reasons.append(f"{facts.box_only[0]} of {facts.num_objects} objects have a box and no mask")
    lines += dict_lines("train_set = ", codes(train), why="; ".join(reasons))
    val = _files(plan, 1) | (dict(allow_box_only=True) if facts.mixed[1] else {})
    lines += dict_lines("val_set = ", codes(val))
    if _has_test(plan):
        lines += dict_lines("test_set = ", codes(_files(plan, 2)), why="the data's own test split")
    return lines


def _has_test(plan: Plan) -> bool:
    return len(plan.places.ann_files) > 2


def _files(plan: Plan, index: int) -> dict[str, Any]:
    places = plan.places
    return dict(ann_file=places.ann_files[index], data_prefix=dict(img=places.img_dirs[index]))


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _loaders(plan: Plan) -> list[str]:
    schedule = plan.schedule
    items = dict(batch_size=str(schedule.batch_size))
    if plan.num_workers:
        items["num_workers"] = str(plan.num_workers)
    inner = "dict(pipeline=train_pipeline, **common, **train_set)"
    items["dataset"] = inner
    lines = dict_lines("train_dataloader = ", items, why=schedule.why_batch)
    if b := plan.balance:
        why = (
            f"{b.rarest!r} is in {_many(b.images, 'image')}, repeated {b.repeats} times in each "
            "epoch"
        )
        wrapper = dict(_delete_=True, type="ClassBalancedDataset", oversample_thr=b.threshold)
        del items["dataset"]
        lines = [
            *line("train_dataloader = dict(", schedule.why_batch),
            f"    {', '.join(f'{key}={code}' for key, code in items.items())},",
            *_part("dataset", codes(wrapper) | dict(dataset=inner), why),
            ")",
        ]
    val = "dict(pipeline=test_pipeline, **common, **val_set)"
    if not _has_test(plan):
        return [*lines, f"val_dataloader = test_dataloader = dict(dataset={val})"]
    return [
        *lines,
        f"val_dataloader = dict(dataset={val})",
        f"test_dataloader = dict(dataset={val.replace('val_set', 'test_set')})",
    ]


def _part(name: str, items: dict[str, str], why: str) -> list[str]:
    return dict_lines(f"{name}=", items, why=why, indent=4, tail=",")


def _evaluator(plan: Plan) -> list[str]:
    extra = {}
    reasons = []
    if plan.max_per_img > 100:
        extra["proposal_nums"] = value((1, 10, plan.max_per_img))
        reasons.append(f"AP counts {plan.max_per_img} detections per image")
    if not plan.facts.masks[1]:
        extra["metric"] = value(["bbox"])
        reasons.append("no masks to measure with")
    elif plan.facts.mixed[1]:
        extra["allow_box_only"] = value(True)
        count = _many(plan.facts.box_only[1], "object")
        reasons.append(f"{count} without a mask: box AP counts them, mask AP leaves them out")
    why = "; ".join(reasons)
    if not _has_test(plan):
        return _measure("val_evaluator = test_evaluator = ", plan.places.ann_files[1], extra, why)
    return [
        *_measure("val_evaluator = ", plan.places.ann_files[1], extra, why),
        *_measure("test_evaluator = ", plan.places.ann_files[2], extra, ""),
    ]


def _measure(head: str, path: str, extra: dict[str, str], why: str) -> list[str]:
    elsewhere = path.startswith("{{") or PurePath(path).is_absolute()
    ann_file = value(path) if elsewhere else f"data_root + {value(path)}"
    return dict_lines(head, dict(ann_file=ann_file, **extra), why=why)
