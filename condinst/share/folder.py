"""Collect the files of a model repository: weights, config, card and image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condinst.checkpoints.release import release
from condinst.checkpoints.weight_files import read
from condinst.config.nodes import type_name
from condinst.config.plain_config import read_plain_config
from condinst.report.run import Run, read_run
from condinst.share.model_card import CardFacts, model_card
from condinst.utils.files import read_regular, write_whole
from condinst.version import __version__

__all__ = ["ModelFolder", "choose_checkpoint", "write_folder"]

_CARD, _CONFIG, _IMAGE = "README.md", "config.py", "example.jpg"


@dataclass(frozen=True)
class ModelFolder:
    """A written folder.

    Attributes:
        files: names of the files.
        weights: name of that with the weights.
        notes: sentences for the user on what the card lacks.
    """

    files: list[str]
    weights: str
    notes: list[str]


def choose_checkpoint(source: Path) -> tuple[Path, Run | None]:
    """Return the checkpoint to hand on, and the training that it comes from, if that is known.

    Args:
        source: the work folder of a training, whose best checkpoint is taken, or the last one if
            none is marked as the best; or a checkpoint.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: the folder is none of a training, or has no checkpoint.
    """
    if not source.is_dir():
        if not source.is_file():
            raise FileNotFoundError(f"{source}: no such file or folder")
        try:
            return source, read_run(source.parent)
        except ValueError:  # not the work folder of a training
            return source, None
    run = read_run(source)
    found = run.checkpoints
    if not found:
        raise ValueError(f"{source}: has no checkpoint; expected one that training has written")
    return source / (found.get("best") or found["last"]), run


def write_folder(
    folder: Path,
    checkpoint: Path,
    repo: str,
    *,
    license: str,
    run: Run | None = None,
    half: bool = False,
    score_thr: float | None = None,
    data: str | None = None,
    image: str | None = None,
) -> ModelFolder:
    """Write the files of a repository.

    Args:
        folder: is made if needed; files of the same names are replaced.
        checkpoint: a checkpoint with its config.
        repo: "owner/repo".
        license: license of the weights.
        run: the training of the checkpoint.
        half: whether to store the weights in float16.
        score_thr: the score from which on a detection is worth showing; None for the one of the
            report with the best F1.
        data: words on the training data.
        image: an image to draw the model's detections on.

    Raises:
        FileNotFoundError, ValueError: the checkpoint or the image cannot be used.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = read(checkpoint)
    iteration = content.meta.get("iter")
    iteration = iteration if type(iteration) is int else None
    measured = _measured(run, iteration)
    if score_thr is None:
        score_thr = content.meta.get("score_thr") or measured.get("score_thr")
    name = repo.partition("/")[2]
    done = release(
        checkpoint,
        folder / f"{name}.safetensors",
        half=half,
        score_thr=score_thr,
        license=license,
    )
    released = read(done.path)
    text = released.meta["cfg"]
    write_whole(folder / _CONFIG, text)
    if image is not None:
        _draw(done.path, image, folder / _IMAGE)
    facts = CardFacts(
        name=name,
        repo=repo,
        weights=done.path.name,
        license=license,
        cfg=read_plain_config(folder / _CONFIG),
        classes=released.meta["dataset_meta"]["classes"],
        num_parameters=sum(
            tensor.numel()
            for key, tensor in released.weights.items()
            if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        ),
        version=__version__,
        data=data,
        is_half=half,
        iteration=iteration,
        score_thr=score_thr,
        image=_IMAGE if image is not None else None,
        **{key: value for key, value in measured.items() if key != "score_thr"},
    )
    write_whole(folder / _CARD, model_card(facts))
    notes = [] if measured else ["no accuracy: no validation of exactly these weights was found"]
    if image is None:
        notes.append("no image: --image FILE draws the detections on one that may be published")
    if data is None:
        notes.append('nothing about the training data: --data "..." describes them')
    files = [_CARD, done.path.name, _CONFIG, *([_IMAGE] if image is not None else [])]
    return ModelFolder(files, done.path.name, notes)


def _measured(run: Run | None, iteration: int | None) -> dict[str, Any]:
    """Return the accuracy of the weights of an iteration, empty if they were not validated."""
    validations = run.info.get("validations") if run else None
    if run is None or iteration is None or not isinstance(validations, dict):
        return {}
    for noted in validations.values():
        if isinstance(noted, dict) and noted.get("iteration") == iteration:
            metrics = noted.get("metrics")
            ap = _by_kind(metrics if isinstance(metrics, dict) else {})
            if ap:
                return {"ap": ap, "validated_on": _dataset(run), **_of_report(run, ap)}
    return {}


def _by_kind(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return AP by kind of COCO's names such as ``coco/segm_mAP_50``."""
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        kind, _, item = name.rpartition("/")[2].partition("_")
        if kind in ("segm", "bbox") and item.startswith("mAP") and isinstance(value, int | float):
            found.setdefault(kind, {})[item] = float(value)
    return found


def _dataset(run: Run) -> str:
    """Return the name of the annotation file of the validation, without its folders."""
    cfg = read_plain_config(run.config)
    evaluators = cfg.get("val_evaluator")
    for node in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if type_name(node) == "CocoMetric" and isinstance(node.get("ann_file"), str):
            return Path(node["ann_file"]).stem
    return "the validation images"


def _of_report(run: Run, ap: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return what report.json adds, if it is on the same validation."""
    try:
        report = json.loads(read_regular(run.work_dir / "report.json").decode())
        kind = report["iou_type"]
        # the log has three digits
        if abs(report["ap"][kind]["mAP"] - ap[kind]["mAP"]) > 0.0006:
            return {}
        return {
            "ap_by_class": {
                str(name): values["mAP"] for name, values in report["ap_by_class"][kind].items()
            },
            "num_images": len(report["images"]),
            "score_thr": report["score_threshold"]["all"]["threshold"],
        }
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _draw(weights: Path, image: str, out: Path) -> None:
    from condinst.inference import Predictor

    results = Predictor(weights)(image)
    if isinstance(results, list):
        raise ValueError(f"{image}: expected one image")
    results.save(out)
