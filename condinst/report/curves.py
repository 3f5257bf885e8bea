"""Read and draw training curves from the scalars that mmengine's LocalVisBackend writes.

A work folder holds one folder for each start of the run, named by its time. A resumed run repeats
the iterations after its checkpoint, and their earlier records are dropped. A run that started again
from iteration 0 in the same folder replaces all earlier records.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condinst.report.validation_steps import (
    place_records,
    read_logging_interval,
    read_schedule,
)
from condinst.utils.files import read_regular, write_whole

__all__ = ["TrainingCurves", "draw_curves", "read_curves", "read_records", "read_resumed_iteration"]

Line = list[tuple[int, float]]  # (iteration, value)

_RESUMED = re.compile(rb"resumed epoch: \d+, iter: (\d+)")  # a line of mmengine's Runner
_MAX_HEAD = 4_000_000  # bytes of a log, in which the machine and the config come before this line
_NOT_METRICS = {"step", "iter", "epoch", "time", "data_time", "memory"}
_DETAIL_METRICS = ("_75", "_s", "_m", "_l")  # these would be too many lines in one image


@dataclass
class TrainingCurves:
    """The values that one training logged, as lists of (iteration, value) by name."""

    losses: dict[str, Line] = field(default_factory=dict)
    metrics: dict[str, Line] = field(default_factory=dict)
    learning_rate: Line = field(default_factory=list)
    resumed_at: list[int] = field(default_factory=list)  # iterations of the checkpoints


def read_curves(work_dir: str | os.PathLike[str]) -> TrainingCurves:
    """Collect the scalars of all starts of a run.

    Raises:
        FileNotFoundError: no start has logged a training iteration yet.
    """
    starts = []
    for path in sorted(filter(Path.is_file, Path(work_dir).glob("*/vis_data/scalars.json"))):
        records = read_records(path)
        if any(_is_training(record) for record in records):  # else it only evaluated
            schedule = read_schedule(path.with_name("config.py"))
            placed = list(place_records(records, schedule))
            starts.append((placed, read_resumed_iteration(path.parent.parent)))
    if not starts:
        raise FileNotFoundError(_why_nothing(Path(work_dir)))
    lines: dict[str, dict[str, Line]] = {"train": defaultdict(list), "val": defaultdict(list)}
    resumed_at = []
    for placed, resumed in starts:
        first = _first_iteration(placed)
        # a log of warnings only does not say where the run resumed
        at = first if resumed is None else min(resumed, first)
        for line in (line for group in lines.values() for line in group.values()):
            line[:] = [point for point in line if point[0] <= min(at, first - 1)]
        if any(lines["train"].values()):  # otherwise the run started again
            resumed_at.append(at)
        else:
            resumed_at.clear()
        _append(lines, placed)
    return TrainingCurves(
        losses={k: v for k, v in lines["train"].items() if "loss" in k and v},
        metrics={k: v for k, v in lines["val"].items() if not k.endswith(_DETAIL_METRICS) and v},
        learning_rate=lines["train"]["lr"],
        resumed_at=resumed_at,
    )


def _why_nothing(work_dir: Path) -> str:
    """Return why there are no curves; LocalVisBackend writes the config even if nothing else."""
    configs = sorted(work_dir.glob("*/vis_data/config.py"))
    if not configs:
        return (
            f"no curves: {work_dir} has no */vis_data/scalars.json, which LocalVisBackend writes "
            "(vis_backends of the config)"
        )
    interval = read_logging_interval(configs[-1])
    return f"no curves: fewer iterations than the logging interval ({interval})"


def _first_iteration(records: Sequence[tuple[int, dict[str, Any]]]) -> int:
    """Return the first iteration of a start; a validation may come before the first loss."""
    trained = next(iteration for iteration, record in records if _is_training(record))
    return min((i for i, _ in records if 0 < i < trained), default=trained)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a scalars.json."""
    records = []
    for text in read_regular(path).decode(errors="replace").splitlines():
        try:
            record = json.loads(text)
        except ValueError:  # a killed run leaves half a line
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def read_resumed_iteration(start: Path) -> int | None:
    """Return the iteration of the checkpoint that a start of a run resumed, from its log.

    Args:
        start: folder of the start, in the run's folder.

    Returns:
        None if the start resumed nothing, or its log does not say so.
    """
    for path in sorted(filter(Path.is_file, start.glob("*.log"))):
        with path.open("rb") as file:
            found = _RESUMED.search(file.read(_MAX_HEAD))
        if found:
            return int(found[1])
    return None


def _is_training(record: dict[str, Any]) -> bool:
    return "iter" in record


def _append(
    lines: dict[str, dict[str, Line]], records: Iterable[tuple[int, dict[str, Any]]]
) -> None:
    for iteration, record in records:
        training = _is_training(record)
        for name, value in record.items():
            if name not in _NOT_METRICS and isinstance(value, (int, float)):
                lines["train" if training else "val"][name].append((iteration, float(value)))


def draw_curves(
    work_dir: str | os.PathLike[str], out: str | os.PathLike[str] | None = None
) -> Path:
    """Draw losses, validation metrics and learning rate over the iterations.

    Args:
        work_dir: the run's folder.
        out: the PNG to write, replacing an existing file; None writes ``curves.png`` in
            ``work_dir``.

    Returns:
        The path of the PNG.

    Raises:
        FileNotFoundError: nothing has been logged yet.
    """
    # imported here because training has no other use for matplotlib; without pyplot there is no
    # window, no global state and nothing to close
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from condinst.report.figures import mark_iterations

    curves = read_curves(work_dir)
    figure = Figure(figsize=(9, 10), layout="constrained")
    figure.suptitle(Path(work_dir).resolve().name)
    loss_axes, metric_axes, rate_axes = figure.subplots(3, sharex=True, height_ratios=(4, 4, 2))
    _plot(loss_axes, curves.losses, "training losses", log=True)
    _plot(metric_axes, curves.metrics, "validation", marker="o", markersize=4)
    _plot(rate_axes, {"lr": curves.learning_rate}, "learning rate")
    rate_axes.set_xlabel("iteration")
    for axes in (loss_axes, metric_axes, rate_axes):
        mark_iterations(axes, curves.resumed_at)
    if curves.resumed_at:
        loss_axes.set_title("dotted: resumed", fontsize="small", loc="right", color="gray")

    path = Path(out) if out is not None else Path(work_dir) / "curves.png"
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=110)
    write_whole(path, buffer.getvalue())
    return path


def _plot(
    axes: Any, lines: dict[str, Line], title: str, *, log: bool = False, **style: Any
) -> None:
    from condinst.report.figures import use_log_scale

    num_lines = 0
    for name, points in lines.items():
        # -1 is pycocotools' value without ground truth of this kind
        points = [p for p in points if math.isfinite(p[1]) and p[1] >= 0]
        if not points:
            continue
        main = name == "loss" or name.endswith("mAP")
        final = f"{name}  {points[-1][1]:.3g}"
        axes.plot(*zip(*points, strict=True), label=final, linewidth=2 if main else 1, **style)
        num_lines += 1
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    if num_lines:
        axes.legend(fontsize="small", ncols=2)
        if log:
            use_log_scale(axes, lines)
