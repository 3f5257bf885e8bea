"""Compare the same training with mmdet's modules and with ours: AP over iterations and over time.

Both runs have the same initial weights, seed, data, schedule and metric. mmdet's run has mmdet's
transforms, detector, heads and assigner. If a config names a module that mmdet does not have, such
as a timm backbone, both runs use ours.
"""

from __future__ import annotations

import copy
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pycocotools.coco import COCO

from condinst import registry
from condinst.registry import MODELS
from condinst.report.curves import read_records
from condinst.utils.files import replacing, write_whole

__all__ = [
    "LearningCurve",
    "Spread",
    "as_lines",
    "draw_learning",
    "mmdet_config",
    "read_learning",
    "save_start",
    "spreads",
    "summary",
    "write",
]

# transforms that compute targets in our data workers; mmdet computes targets in its losses
_OURS_ONLY = ("PrepareMaskTargets", "PrepareBoxTargets", "PrepareMixedTargets")


def save_start(cfg: Config, path: Path, seed: int) -> None:
    """Write the initial weights of both runs."""
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("condinst"):
        model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    with replacing(path) as partial:
        torch.save({"state_dict": model.state_dict()}, partial)


def mmdet_config(cfg: Config) -> Config:
    """Replace our modules in a config by mmdet's, if mmdet has them."""
    cfg = copy.deepcopy(cfg)
    cfg.default_scope = "mmdet"
    dataset = cfg.train_dataloader.dataset
    dataset.pipeline = [step for step in dataset.pipeline if step.type not in _OURS_ONLY]
    if _has_rle(cfg):  # with poly2mask=False mmdet ignores RLE instances
        for step in dataset.pipeline:
            if step.type == "LoadAnnotations":
                step.poly2mask = True
    for name in ("val_evaluator", "test_evaluator"):
        # mmdet's metric gives -1 with another number of detections than 100
        cfg[name].type = "condinst.CocoMetric"
    _prefix(cfg.model)
    for hooks in (cfg.get("custom_hooks") or [], (cfg.get("default_hooks") or {}).values()):
        for hook in hooks:
            _prefix(hook)
    return cfg


def _has_rle(cfg: Config) -> bool:
    dataset = cfg.train_dataloader.dataset
    path = Path(dataset.get("data_root") or "", dataset.ann_file)
    anns = COCO(path).anns.values()
    return any(isinstance(a.get("segmentation"), dict) for a in anns if not a.get("iscrowd"))


def _prefix(node: Any) -> None:
    """Add our scope to the names that only our registries have, as in a config of mmdet's scope."""
    if isinstance(node, Mapping):
        kind = node.get("type")
        if isinstance(kind, str) and "." not in kind:
            ours = [getattr(registry, name) for name in ("MODELS", "HOOKS", "TASK_UTILS")]
            for table in ours:
                table.import_from_location()  # a registry fills when it is asked for a class
            if any(kind in r.module_dict and r.parent.get(kind) is None for r in ours):
                node["type"] = f"condinst.{kind}"  # type: ignore[index]
        for value in node.values():
            _prefix(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            _prefix(value)


@dataclass(frozen=True)
class LearningCurve:
    """The AP of one training run at its validations.

    Attributes:
        name: name of the run.
        iterations: iteration of each validation.
        seconds: seconds of training until each validation, without validations.
        mask_ap, box_ap: COCO's AP at each validation.
        mask_ap50, mask_ap75: mask AP at IoU 0.5 and 0.75.
        seconds_per_iteration: mean over the run.
    """

    name: str
    iterations: list[int]
    seconds: list[float]
    mask_ap: list[float]
    box_ap: list[float]
    mask_ap50: list[float]
    mask_ap75: list[float]
    seconds_per_iteration: float

    def seconds_to(self, mask_ap: float) -> float | None:
        """Return the seconds of training to the first validation with this mask AP, or None."""
        reached = [s for s, ap in zip(self.seconds, self.mask_ap, strict=True) if ap >= mask_ap]
        return reached[0] if reached else None


def read_learning(work_dir: Path, name: str) -> LearningCurve:
    """Read a run's log.

    Raises:
        FileNotFoundError: there is no log, or the log has no validation.
    """
    logs = sorted(work_dir.glob("*/vis_data/scalars.json"))
    records = read_records(logs[-1]) if logs else []
    # A record's time is the mean over the log's window. It is used as the mean since the previous
    # record, which is exact if the window equals the interval, and close otherwise.
    seconds, last = 0.0, 0
    steps: list[int] = []
    ends: list[float] = []
    validations: list[dict[str, Any]] = []
    for record in records:
        if "iter" in record:
            seconds += (int(record["iter"]) - last) * float(record["time"])
            last = int(record["iter"])
        elif "coco/segm_mAP" in record:
            # the record's own step is not the iteration: mmengine counts epochs there, or nothing
            validations.append(record)
            steps.append(last)
            ends.append(seconds)
    if not validations or not last:
        raise FileNotFoundError(f"{work_dir}: expected */vis_data/scalars.json with validations")

    def values(key: str) -> list[float]:
        return [float(record[f"coco/{key}"]) for record in validations]

    return LearningCurve(
        name=name,
        iterations=steps,
        seconds=ends,
        mask_ap=values("segm_mAP"),
        box_ap=values("bbox_mAP"),
        mask_ap50=values("segm_mAP_50"),
        mask_ap75=values("segm_mAP_75"),
        seconds_per_iteration=seconds / last,
    )


def summary(theirs: LearningCurve, ours: LearningCurve) -> dict[str, Any]:
    """Summarize both runs, and the time of each to mmdet's final AP."""
    target = theirs.mask_ap[-1]
    reached = ours.seconds_to(target)
    return {
        "runs": [asdict(theirs), asdict(ours)],
        "mask_ap": target,
        "seconds_to_it": {
            theirs.name: theirs.seconds_to(target),
            ours.name: reached,
        },
        "times_as_fast_per_iteration": theirs.seconds_per_iteration / ours.seconds_per_iteration,
    }


@dataclass(frozen=True)
class Spread:
    """One number of several trainings that differ in their seed.

    Attributes:
        values: the number of each training.
        mean: their mean.
        std: their sample standard deviation, None for one training.
    """

    values: list[float]
    mean: float
    std: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Compute mean and standard deviation."""
        std = statistics.stdev(values) if len(values) > 1 else None
        return cls(list(values), statistics.fmean(values), std)

    def __str__(self) -> str:
        if self.std is None:
            return f"{self.mean:.3f}"
        low, high = min(self.values), max(self.values)
        return f"{self.mean:.3f} +- {self.std:.3f} ({low:.3f} to {high:.3f})"


def spreads(
    theirs: Sequence[LearningCurve], ours: Sequence[LearningCurve]
) -> dict[str, dict[str, Spread]]:
    """Return mean and spread of the last validation's AP: of mmdet, of ours, and of ours - mmdet.

    The difference is taken seed by seed: both trainings of a seed have the same initial weights.

    Args:
        theirs, ours: one run for each seed, in the same order.
    """
    found = {}
    for key in ("mask_ap", "box_ap", "mask_ap50", "mask_ap75"):
        values = [[getattr(run, key)[-1] for run in runs] for runs in (theirs, ours)]
        gaps = [b - a for a, b in zip(*values, strict=True)]
        triple = map(Spread.of, (*values, gaps))
        found[key] = dict(zip(("mmdet", "ours", "ours - mmdet"), triple, strict=True))
    return found


def as_lines(found: Mapping[str, Mapping[str, Spread]]) -> list[str]:
    """Return the spreads as lines to print."""
    return [
        f"{key:9}  {name:12}  {spread}"
        for key, columns in found.items()
        for name, spread in columns.items()
    ]


def draw_learning(
    theirs: Sequence[LearningCurve], ours: Sequence[LearningCurve], path: Path
) -> None:
    """Draw mask AP over iterations and over minutes of training, side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_iteration, by_time = figure.subplots(1, 2, sharey=True)
    for color, runs in (("C0", theirs), ("C1", ours)):
        mean = statistics.fmean(run.mask_ap[-1] for run in runs)
        for i, run in enumerate(runs):
            style = dict(marker="o", color=color, label=None if i else f"{run.name}  {mean:.3f}")
            by_iteration.plot(run.iterations, run.mask_ap, **style)
            by_time.plot([s / 60 for s in run.seconds], run.mask_ap, **style)
    by_iteration.set(xlabel="iteration", ylabel="mask AP")
    by_time.set(xlabel="minutes of training")
    for axes in (by_iteration, by_time):
        axes.grid(alpha=0.3)
        axes.legend()
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(buffer, dpi=110)
    write_whole(path, buffer.getvalue())


def write(
    folder: Path,
    about: Mapping[str, Any],
    seeds: Sequence[int],
    theirs: Sequence[LearningCurve],
    ours: Sequence[LearningCurve],
) -> list[Path]:
    """Write learning.json and learning.png of one run for each seed; return their paths."""
    paths = [folder / "learning.json", folder / "learning.png"]
    found = spreads(theirs, ours)
    content = {
        "machine": dict(about),
        "spread": {k: {n: asdict(s) for n, s in row.items()} for k, row in found.items()},
        "seeds": [
            {"seed": seed, **summary(*pair)}
            for seed, *pair in zip(seeds, theirs, ours, strict=True)
        ],
    }
    write_whole(paths[0], json.dumps(content, indent=1) + "\n")
    draw_learning(theirs, ours, paths[1])
    return paths
