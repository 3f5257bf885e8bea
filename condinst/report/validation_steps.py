"""Find the iterations of validations in a log.

By default mmengine's LoggerHook logs a validation with the epoch as its step, which is 0 throughout
a training that counts iterations. Its place between two training records says when it was, to the
logger's interval; the config's ``val_interval`` says the rest.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condinst.compat.stored_config import assigned_name, literal_value
from condinst.utils.files import read_regular

__all__ = ["ValidationSchedule", "place_records", "read_logging_interval", "read_schedule"]

_MAX_BYTES = 1_000_000  # of a config; ours have 10,000
_LOGGING_INTERVAL = 10  # the default of mmengine's LoggerHook


@dataclass(frozen=True)
class ValidationSchedule:
    """The iterations at which a training validates.

    Attributes:
        interval: it validates at the multiples of this, and at the end.
        end: the last iteration.
    """

    interval: int
    end: int

    def between(self, low: int, high: float, number: int, *, last: bool) -> list[int]:
        """Return the first or last ``number`` validations from ``low`` to below ``high``."""
        stop = min(high, self.end + 1)
        first, final = max(1, -(-low // self.interval)), math.ceil(stop / self.interval) - 1
        if last:
            first = max(first, final - number)
        steps = [i * self.interval for i in range(first, min(final, first + number) + 1)]
        if self.end % self.interval and low <= self.end < high:
            steps.append(self.end)
        return steps[-number:] if last else steps[:number]


def read_schedule(config: Path) -> ValidationSchedule | None:
    """Read ``train_cfg`` of a dumped config without running it.

    Returns:
        None if the training counts epochs, changes its interval, or cannot be read.
    """
    return _schedule(_setting(config, "train_cfg"))


def read_logging_interval(config: Path) -> int:
    """Read how many iterations lie between two lines of LoggerHook, from a dumped config."""
    hooks = _setting(config, "default_hooks")
    logger = hooks.get("logger") if isinstance(hooks, dict) else None
    interval = logger.get("interval") if isinstance(logger, dict) else None
    return interval if type(interval) is int else _LOGGING_INTERVAL


def _setting(config: Path, name: str) -> Any:
    """Return the value of a setting of a dumped config without running it; None without it."""
    try:
        if config.stat().st_size > _MAX_BYTES:
            return None
        for node in ast.parse(read_regular(config).decode()).body:
            if assigned_name(node) == name:
                return literal_value(node.value)  # type: ignore[attr-defined]
    except (OSError, ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    return None


def _schedule(train_cfg: Any) -> ValidationSchedule | None:
    if not isinstance(train_cfg, dict) or train_cfg.get("dynamic_intervals"):
        return None
    interval, end = train_cfg.get("val_interval", 1000), train_cfg.get("max_iters")
    if type(interval) is not int or type(end) is not int or min(interval, end) < 1:
        return None
    return ValidationSchedule(interval, end)


def place_records(
    records: Sequence[dict[str, Any]], schedule: ValidationSchedule | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each record with its iteration: as logged, or found out for validations.

    Args:
        records: the records of one start of a training, in the order of the log.
        schedule: its validations; None gives them the iteration of the training record before.
    """
    low, waiting = None, []  # the training record before, and validations since
    for record in records:
        if "iter" not in record:
            waiting.append(record)
            continue
        yield from _place(waiting, low, int(record["iter"]), schedule)
        low, waiting = int(record["iter"]), []
        yield low, record
    yield from _place(waiting, low, math.inf, schedule)


def _place(
    validations: Sequence[dict[str, Any]],
    low: int | None,
    high: float,
    schedule: ValidationSchedule | None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    after = low or 0
    steps = []
    if schedule is not None and validations:
        # a resumed training has no record before its first validations
        steps = schedule.between(
            after, high, len(validations), last=low is None and math.isfinite(high)
        )
    for index, record in enumerate(validations):
        step = int(record.get("step", 0))
        if schedule is not None and step:
            yield max(after, step), record  # log_metric_by_epoch=False
        elif len(steps) == len(validations):
            yield steps[index], record
        else:
            # the step counts iterations or epochs; epochs are never more than the iterations before
            yield max(after, step), record
