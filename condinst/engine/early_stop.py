"""End a training when its validations no longer get better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner

from condinst.config.nodes import type_name
from condinst.engine.save_checkpoint import find_checkpoint_hook, save_now
from condinst.registry import HOOKS

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["EarlyStopHook", "set_early_stop"]

_KEY = "early_stop"  # in the message hub, and so in checkpoints
_STATE = ("best", "waited", "best_at", "switched_at")
_LEAST_GAIN = 0.001


def set_early_stop(cfg: Config, patience: int) -> None:
    """Make a config's training stop after validations without a gain, and keep the best checkpoint.

    The metric is that of ``default_hooks.checkpoint.save_best``, the first one if there are
    several; without one, COCO's mask AP, or box AP where masks are not evaluated.

    Args:
        cfg: changed in place.
        patience: number of validations in a row without a gain.

    Raises:
        ValueError: the config has no validation, or no checkpoints.
    """
    if cfg.get("val_cfg") is None or cfg.get("val_dataloader") is None:
        raise ValueError("--early-stop: the config has no val_dataloader to measure a gain on")
    hooks = cfg.setdefault("default_hooks", {})
    saver = hooks.get("checkpoint")
    if not isinstance(saver, dict):
        raise ValueError(
            "--early-stop: the config has no default_hooks.checkpoint, expected CheckpointHook"
        )
    best = saver.get("save_best")
    metric = best[0] if isinstance(best, list | tuple) and best else best
    if metric in (None, "auto", []):
        metric = _coco_metric(cfg)
        if metric is None:
            raise ValueError(
                "--early-stop: default_hooks.checkpoint.save_best is missing, expected the key of "
                "a metric of val_evaluator"
            )
        saver.update(save_best=metric, rule="greater")
    rule = saver.get("rule")
    rule = rule[0] if isinstance(rule, list | tuple) and rule else rule
    hook = dict(type="condinst.EarlyStopHook", monitor=metric, rule=rule, patience=patience)
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def _coco_metric(cfg: Config) -> str | None:
    """Return the key of mask AP, or of box AP where masks are not evaluated."""
    evaluators = cfg.get("val_evaluator")
    for node in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if isinstance(node, dict) and type_name(node) == "CocoMetric":
            metric = node.get("metric", "bbox")
            masks = "segm" in (metric if isinstance(metric, list | tuple) else [metric])
            return f"{node.get('prefix') or 'coco'}/{'segm' if masks else 'bbox'}_mAP"
    return None


@HOOKS.register_module()
class EarlyStopHook(EarlyStoppingHook):
    """mmengine's EarlyStoppingHook for AP, which goes on where a resumed run stopped.

    It differs in four points. A gain is 0.001 or more, where mmengine's default, 0.1, is more than
    AP gains. Validations count from the first one with an AP above 0. The count is kept in
    checkpoints. Where a hook switches to another pipeline in a later epoch (mmdet's
    ``PipelineSwitchHook``), the pipeline is switched at the first stop, and training goes on until
    the second, so that the recipe keeps its last stage, with weak augmentation.

    Args:
        monitor: key of the metric.
        patience: number of validations in a row without a gain.
        rule: "greater" or "less"; None to know it by the metric.
        min_delta: the least gain.
    """

    def __init__(
        self,
        monitor: str,
        patience: int = 5,
        rule: str | None = None,
        min_delta: float = _LEAST_GAIN,
    ) -> None:
        super().__init__(monitor, rule, min_delta, strict=True, patience=patience)
        self.best_at = 0  # iterations
        self.switched_at = 0  # epochs; 0 for not

    def before_train(self, runner: Runner) -> None:
        stored = runner.message_hub.runtime_info.get(_KEY)
        if not runner.iter or stored is None:
            return
        values = {key: _number(stored, key, runner) for key in _STATE}
        self.best_score = values["best"]
        if not values["best_at"]:
            self.best_score = -math.inf if self.rule == "greater" else math.inf
        self.wait_count, self.best_at = int(values["waited"]), int(values["best_at"])
        self.switched_at = int(values["switched_at"])
        if self.switched_at:
            self._switch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        score = metrics.get(self.monitor)
        if score is None:
            raise ValueError(
                f"--early-stop: the validation has no {self.monitor}; it has "
                f"{', '.join(map(str, metrics))}: set default_hooks.checkpoint.save_best"
            )
        before = self.best_score
        nothing_learned = self.rule == "greater" and score <= 0 and before <= 0
        if math.isfinite(score) and not nothing_learned:
            stops, _ = self._check_stop_condition(score)
        else:
            stops = False
        if self.best_score != before:
            self.best_at = runner.iter
        if stops:
            self._stop(runner)
        best = float(self.best_score) if math.isfinite(self.best_score) else 0.0
        state = best, self.wait_count, self.best_at, self.switched_at
        runner.message_hub.update_info(_KEY, dict(zip(_STATE, state, strict=True)))
        self._save(runner, runner.train_loop.stop_training)

    def _stop(self, runner: Runner) -> None:
        what = f"no better {self.monitor} in {self.wait_count} validations"
        found = f"the best was {self.best_score:.3f} after {self.best_at} iterations"
        if any(hook.switch_epoch > runner.epoch for hook in _switches(runner)):
            self.switched_at, self.wait_count = runner.epoch, 0
            self._switch(runner)
            text = f"switch   {what}: the last stage of the augmentation begins; {found}"
        else:
            runner.train_loop.stop_training = True
            text = f"stop     {what}; {found}"
        runner.logger.info(text, extra={"terminal": True})

    def _switch(self, runner: Runner) -> None:
        """Begin the last stage, with its validations."""
        loop = runner.train_loop
        for hook in _switches(runner):
            hook.switch_epoch = min(hook.switch_epoch, self.switched_at)
        loop.dynamic_milestones, loop.dynamic_intervals = [0], loop.dynamic_intervals[-1:]

    def _save(self, runner: Runner, stops: bool) -> None:
        """Write the count into the checkpoint of this iteration, which is older than it."""
        hook = find_checkpoint_hook(runner)
        if hook is None:
            return
        step = runner.epoch if hook.by_epoch else runner.iter
        name = str(hook.last_ckpt or "").replace("\\", "/").rpartition("/")[2]
        if name == hook.filename_tmpl.format(step):
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            hook._save_checkpoint_with_step(runner, step, meta)
        elif stops:
            save_now(runner, "no better validations", together=True)


def _switches(runner: Runner) -> list[Any]:
    return [hook for hook in runner.hooks if type(getattr(hook, "switch_epoch", None)) is int]


def _number(stored: Any, key: str, runner: Runner) -> float:
    value = stored.get(key) if isinstance(stored, Mapping) else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) < 1e12:  # type: ignore[arg-type]
        source = runner._load_from or "the checkpoint"
        raise ValueError(
            f"{source}: its count for --early-stop: {key} is {value!r:.40}, expected a number"
        )
    return value  # type: ignore[return-value]
