"""Write the sections of a config on the model and its training."""

from __future__ import annotations

from typing import Any

from condinst.new.lines import codes, dict_lines, line, value
from condinst.new.plan import Plan


def model_lines(plan: Plan) -> list[str]:
    """Return the changes to the base's model, and the weights to start from."""
    facts = plan.facts
    lines = [*_preprocessor(plan), *_backbone(plan)]
    if plan.recipe.rtmdet:
        lines += _rtmdet_head(plan)
    else:
        lines += line(f"bbox_head=dict(num_classes={len(facts.classes)}),", "", 4)
        lines += _mask_head(plan)
    if plan.max_per_img > 100:
        test_cfg = dict(max_per_img=plan.max_per_img, nms_pre=max(1000, 4 * plan.max_per_img))
        why = f"the busiest image, {facts.busiest_file}, has {facts.busiest} objects"
        lines += _part("test_cfg", test_cfg, why)
    if len(lines) == 1:
        return [f"model = dict({lines[0].strip().rstrip(',')})", *_weights(plan)]
    return ["model = dict(", *lines, ")", *_weights(plan)]


def _part(name: str, values: dict[str, Any], why: str) -> list[str]:
    return dict_lines(f"{name}=", codes(values), why=why, indent=4, tail=",")


def _preprocessor(plan: Plan) -> list[str]:
    if plan.statistics is None:
        return []
    mean, std = ([float(f"{x:.5g}") for x in values] for values in plan.statistics)
    color = plan.facts.inputs.pixels.channels == 3
    to_rgb = color and bool(plan.base.model.data_preprocessor.get("bgr_to_rgb", False))
    if color and not to_rgb:  # the weights know BGR
        mean, std = mean[::-1], std[::-1]
    values = dict(mean=mean, std=std, bgr_to_rgb=to_rgb)
    return _part("data_preprocessor", values, "of the training images")


def _backbone(plan: Plan) -> list[str]:
    timm = plan.base.model.backbone.type.endswith("TimmBackbone")
    none: dict[str, Any] = dict(pretrained=False) if timm else dict(init_cfg=None)
    values: dict[str, Any] = {}
    reasons = []
    if plan.start == "coco" and not plan.recipe.rtmdet:  # whose base has none
        values = none
        reasons.append("load_from has these weights")
    elif plan.start == "scratch":
        values = none | dict(frozen_stages=-1, norm_eval=False)
        reasons.append("from scratch: nothing is frozen")
    if plan.recipe.rtmdet and plan.start == "coco" and plan.schedule.batch_size < 8:
        values = values | dict(norm_eval=True)
        reasons.append("batches are too small for batch statistics: those of COCO stay")
    channels = plan.facts.inputs.pixels.channels
    if channels != 3:
        values = values | dict(in_channels=channels)
        if plan.start != "scratch":
            reasons.append("the first layer's weights are adapted")
    return _part("backbone", values, "; ".join(reasons)) if values else []


def _rtmdet_head(plan: Plan) -> list[str]:
    values: dict[str, Any] = dict(num_classes=len(plan.facts.classes))
    changes, reasons = _mask_changes(plan, "mask_loss_stride", 4)
    if "box_supervision" in changes:  # loss_mask has the weight 2, see docs/variants.md
        changes["box_supervision"]["pairwise_weight"] = 2.0
    return _part("bbox_head", values | changes, "; ".join(reasons))


def _mask_changes(plan: Plan, key: str, default: int) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments that the data change, and the reasons.

    Args:
        plan: the plan.
        key: the head's name for the stride of the learned masks.
        default: its value in the base.
    """
    values: dict[str, Any] = {}
    reasons = []
    stride = plan.views.mask_stride
    if stride != default:
        values[key] = stride
        size = "small" if stride == 2 else "large"
        reasons.append(f"objects are {size}: masks at every {_ORDINALS[stride]} pixel")
    if plan.recipe.boxes:
        values["warmup_iters"] = plan.schedule.max_iters // 10
        reasons.append("the pairwise loss grows for a tenth of the training")
    if plan.mixed:
        values["box_supervision"] = dict(warmup_iters=plan.schedule.max_iters // 10)
        reasons.append("objects without masks learn from boxes, slowly for a tenth of the training")
    return values, reasons


def _mask_head(plan: Plan) -> list[str]:
    default = plan.base.model.mask_head.mask_out_stride
    values, reasons = _mask_changes(plan, "mask_out_stride", default)
    if norm := _norm(plan):
        values["mask_feature_head"] = norm
        reasons.append("batches are too small for batch statistics")
    return _part("mask_head", values, "; ".join(reasons)) if values else []


_BACKBONE_RATE = 0.1
_ORDINALS = {2: "second", 4: "fourth"}


def _norm(plan: Plan) -> dict[str, Any]:
    """Replace the batch norm of the mask branch if batches are too small for its statistics."""
    branch = plan.base.model.mask_head.mask_feature_head
    if plan.schedule.batch_size >= 8 or (branch.get("norm_cfg") or {}).get("type") != "BN":
        return {}
    if plan.start == "coco":
        return dict(norm_cfg=dict(type="BN", requires_grad=False), norm_eval=True)
    return dict(norm_cfg=dict(type="GN", num_groups=32))


def _weights(plan: Plan) -> list[str]:
    if plan.start != "coco":
        return ["load_from = None"] if plan.base.get("load_from") else []
    why = "trained on COCO"
    if len(plan.facts.classes) != 80:
        why += "; the classification layer starts from scratch"
    return line(f"load_from = {value(plan.recipe.zoo)}", why)


def schedule_lines(plan: Plan) -> list[str]:
    """Return the lines on length, learning rate and validation interval."""
    s = plan.schedule
    why = f"each of the {plan.facts.num_train} images is seen {s.views:.0f} times"
    lines = line(f"max_iters = {s.max_iters}", why)
    lines += [f"train_cfg = dict(max_iters=max_iters, val_interval={s.val_interval})"]
    rule = f"{s.base_lr:g} for {s.base_batch_size} images at a time, by the linear rule"
    lines += _optimizer(plan, rule)
    why = "the rate is for this batch size; --auto-scale-lr adapts it to more GPUs"
    lines += line(f"auto_scale_lr = dict(base_batch_size={s.batch_size})", why)
    warmup = dict(type="LinearLR", start_factor=0.01 if s.adam else 0.001, by_epoch=False)
    lines += ["param_scheduler = [", f"    {value(warmup | dict(begin=0, end=s.warmup))},"]
    if s.adam:
        decay = dict(type="CosineAnnealingLR", by_epoch=False, begin=s.warmup)
        code = value(decay)[:-1] + ", end=max_iters)"
    else:
        steps = [round(s.max_iters * 2 / 3), round(s.max_iters * 8 / 9)]
        code = value(dict(type="MultiStepLR", by_epoch=False, milestones=steps, gamma=0.1))
    save: dict[str, Any] = dict(interval=s.val_interval)
    if not plan.facts.masks[1]:
        save["save_best"] = "coco/bbox_mAP"
    lines += [f"    {code},", "]", f"default_hooks = dict(checkpoint={value(save)})"]
    return [*lines, *_average(plan)]


def _optimizer(plan: Plan, rule: str) -> list[str]:
    rate = f"optimizer=dict(lr={_decimal(plan.schedule.lr)})"
    if not (plan.recipe.rtmdet and plan.start == "coco" and plan.facts.inputs.pixels.is_rgb8):
        return line(f"optim_wrapper = dict({rate})", rule)
    why = "COCO's features are good for most images: the backbone learns at a tenth of the rate"
    keys = f"paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult={_BACKBONE_RATE:g}))),"
    return [
        "optim_wrapper = dict(",
        *line(f"{rate},", rule, 4),
        *line(keys, why, 4),
        ")",
    ]


def _average(plan: Plan) -> list[str]:
    """Return the length of the moving average of the weights, which follows that of the training.

    mmdet's average forgets as fast as ``gamma`` says at the start, and as ``momentum`` says later.
    """
    if not plan.recipe.rtmdet:
        return []
    length = plan.schedule.max_iters // 10
    why = f"EMA: validated and saved are the weights averaged over some {length} iterations"
    values = f"momentum={1 / length:.2g}, gamma={length // 2}"
    return [
        "custom_hooks = _base_.custom_hooks",
        *line(f"custom_hooks[-1].update({values})", why),
    ]


def _decimal(number: float) -> str:
    return f"{number:.10f}".rstrip("0")
