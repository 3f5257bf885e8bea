"""Print on the terminal what belongs beside the progress of a run: settings and tables of AP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from condinst.cli.ap_table import ap_table
from condinst.cli.matching_table import matching_table
from condinst.cli.terminal import tell

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner


class TerminalHook(Hook):
    """Print a table after every validation and test, and say when a resumed run is complete.

    The commands register it.
    """

    priority = "VERY_LOW"  # after the lines about checkpoints

    def before_train(self, runner: Runner) -> None:
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        done, total = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
        if 0 < total <= done:
            unit, key = ("epochs", "max_epochs") if by_epoch else ("iterations", "max_iters")
            tell(
                runner.logger,
                f"complete: {done} of {total} {unit} were trained before, so nothing is trained "
                f"now; a larger train_cfg.{key} goes on",
            )

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        table = _tables(metrics, runner.val_evaluator)
        tell(runner.logger, f"validation after {runner.iter} iterations\n{table}")

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        tell(runner.logger, _tables(metrics, runner.test_evaluator))


def _tables(metrics: dict[str, float] | None, evaluator: Any) -> str:
    matching, others = matching_table(metrics or {})
    return "\n".join(filter(None, (ap_table(others, _by_class(evaluator)), matching)))


def _by_class(evaluator: Any) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    for metric in getattr(evaluator, "metrics", ()):
        found |= getattr(metric, "by_class", {})
    return found


def describe_run(cfg: Config, split: str) -> str:
    """Return the device and the settings that speed and memory depend on, in one line.

    Args:
        cfg: the config, with every option applied.
        split: "train" or "test".
    """
    loader = cfg.get(f"{split}_dataloader") or {}
    device = get_device()
    if device.startswith("cuda"):
        device = f"{device} ({torch.cuda.get_device_name()})"
    parts = [device, _count(torch.get_num_threads(), "thread")]
    if (processes := get_world_size()) > 1:
        parts.append(f"{processes} processes")
    if "batch_size" in loader:
        parts.append(f"batch size {loader['batch_size']}" + " each" * (processes > 1))
    parts.append(_count(loader.get("num_workers", 0), "data worker"))
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def log_file(runner: Runner) -> Path:
    """Return the file that holds what the terminal does not show."""
    return Path(runner.log_dir) / f"{runner.timestamp}.log"
