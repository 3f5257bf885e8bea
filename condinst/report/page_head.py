"""Write the summary at the head of the page: model, data, duration, scores, machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from condinst.report.curves import TrainingCurves
from condinst.report.run import Run
from condinst.utils.html_page import HtmlPage

__all__ = ["summary", "test_summary"]

_METRICS = {"mask AP": "coco/segm_mAP", "box AP": "coco/bbox_mAP"}


def summary(page: HtmlPage, run: Run, cfg: Mapping[str, Any], which: str | None) -> dict[str, Any]:
    """Add the facts on a run as a table.

    Args:
        page: the page.
        run: the files of the run.
        cfg: its config.
        which: the validation whose predictions the page shows, "last" or "best"; None for none.

    Returns:
        The content of report.json on these facts.
    """
    page.heading("Summary")
    facts = {
        "work folder": str(run.work_dir),
        "config": str(run.config),
        **_model_and_data(cfg, "val"),
        "iterations": _iterations(run, cfg),
        "time": _duration(run.info.get("seconds")),
        **_scores(run.curves),
        "checkpoints": ", ".join(f"{n} ({w})" for w, n in run.checkpoints.items()) or None,
        "shown below": _predictions(run, which),
        "machine": _machine(run.info.get("machine")),
    }
    _show(page, facts)
    return {"summary": facts, "machine": run.info.get("machine")}


def test_summary(page: HtmlPage, cfg: Mapping[str, Any], checkpoint: str) -> dict[str, Any]:
    """Add the facts on a test as a table, and return their content of report.json."""
    page.heading("Summary")
    facts = {
        "checkpoint": checkpoint,
        "config": str(getattr(cfg, "filename", None) or ""),
        **_model_and_data(cfg, "test"),
    }
    _show(page, facts)
    return {"summary": facts}


def _show(page: HtmlPage, facts: Mapping[str, str | None]) -> None:
    page.facts({name: value for name, value in facts.items() if value is not None})


def _model_and_data(cfg: Mapping[str, Any], split: str) -> dict[str, str | None]:
    model = cfg.get("model") or {}
    backbone = model.get("backbone") or {}
    name = backbone.get("model_name") or backbone.get("type")
    depth = f"-{backbone['depth']}" if "depth" in backbone else ""
    evaluator = cfg.get(f"{split}_evaluator")
    nodes = evaluator if isinstance(evaluator, list | tuple) else [evaluator or {}]
    ann_file = next((node["ann_file"] for node in nodes if node.get("ann_file")), None)
    return {
        "model": f"{model.get('type')}, {name}{depth}" if name else str(model.get("type")),
        "validated on" if split == "val" else "tested on": ann_file,
    }


def _iterations(run: Run, cfg: Mapping[str, Any]) -> str | None:
    curves = run.curves
    if curves is None:
        return None
    done = max((line[-1][0] for line in curves.losses.values() if line), default=0)
    planned = run.info.get("max_iters")
    if type(planned) is not int:
        planned = (cfg.get("train_cfg") or {}).get("max_iters")
    times = len(curves.resumed_at)
    resumed = f", resumed {'once' if times == 1 else f'{times} times'}" if times else ""
    if planned and done < planned:
        return f"{done:,} of {planned:,} logged{resumed}"
    return f"{done:,}{resumed}"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _scores(curves: TrainingCurves | None) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for label, key in _METRICS.items():
        line = [point for point in (curves.metrics.get(key, []) if curves else []) if point[1] >= 0]
        if not line:
            found[label] = None
            continue
        best = max(line, key=lambda point: point[1])
        last = f"{line[-1][1]:.3f} at iteration {line[-1][0]:,}"
        found[label] = last + (
            "" if best[1] <= line[-1][1] else f"; best {best[1]:.3f} at {best[0]:,}"
        )
    return found


def _predictions(run: Run, which: str | None) -> str | None:
    if which is None:
        return None
    noted = (run.info.get("validations") or {}).get(which) or {}
    at = f", iteration {noted['iteration']:,}" if "iteration" in noted else ""
    return f"predictions of the {which} validation{at}"


def _machine(machine: Mapping[str, Any] | None) -> str | None:
    if not machine:
        return None
    where = machine.get("gpu") or f"{machine.get('processor')}, {machine.get('cores')} cores"
    processes = machine.get("processes", 1)
    many = f" x {processes} processes" if processes > 1 else ""
    names = ("condinst", "torch", "mmdet", "mmengine", "numpy", "python")
    versions = ", ".join(f"{name} {machine[name]}" for name in names if machine.get(name))
    return f"{where}{many}; {versions}; {machine.get('date')}"
