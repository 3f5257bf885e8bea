"""Read the images that a config validates on, their objects, and the metric's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condinst.config.nodes import dataset_layers, type_name
from condinst.datasets.coco.coco_file import read_unnamed
from condinst.datasets.coco.entry_issues import first_few
from condinst.evaluation.matches import Truth, read_truth
from condinst.registry import DATASETS

__all__ = ["EvaluatedSplit", "read_split"]

_IOU_THRS = np.linspace(0.5, 0.95, 10)
_DEFAULT_NUMS = [100, 300, 1000]


@dataclass(frozen=True)
class EvaluatedSplit:
    """A dataset with its ground truth, and the settings of the metric.

    Attributes:
        ann_file: the annotation file.
        folder: the folder of the images.
        file_names: P file names, in the order of ``truth.image_ids``.
        truth: objects of the evaluated classes.
        class_names: K names, in the order of ``truth.category_ids``.
        iou_types: "segm" and "bbox", as far as the metric measures them, in this order.
        iou_thrs: (T,) IoU thresholds, ascending.
        max_dets: caps on the detections per image and class, ascending (``proposal_nums``).
        cap_of_map: the cap of "mAP".
        matching: the arguments of the evaluator's MatchingMetric; None without one.
        box_truth: the objects for box AP, where ``truth`` leaves out objects without a mask; None
            where both are the same.
    """

    ann_file: str
    folder: str
    file_names: list[str]
    truth: Truth
    class_names: list[str]
    iou_types: list[str]
    iou_thrs: np.ndarray
    max_dets: list[int]
    cap_of_map: int
    matching: Mapping[str, Any] | None = None
    box_truth: Truth | None = None


def read_split(cfg: Mapping[str, Any], name: str, folders: Sequence[Path] = ()) -> EvaluatedSplit:
    """Read the images of ``NAME_dataloader`` and the settings of ``NAME_evaluator``.

    Args:
        cfg: the config of a run.
        name: "val" or "test".
        folders: where relative paths are looked for, the first one that has the annotation file;
            empty for the current folder.

    Raises:
        ValueError: the config lacks the split or a COCO metric for it, or the annotation file is
            missing or not COCO's.
    """
    metric = _coco_metric(cfg.get(f"{name}_evaluator"), name)
    layers = list(dataset_layers((cfg.get(f"{name}_dataloader") or {}).get("dataset")))
    node = layers[-1]
    if not isinstance(node, Mapping) or not node or any("datasets" in layer for layer in layers):
        raise ValueError(f"the config's {name}_dataloader.dataset is not a single dataset")
    dataset = DATASETS.build({**node, "pipeline": [], "lazy_init": True})
    path, folders = _locate(str(metric.get("ann_file") or dataset.ann_file), folders)
    content = _read(path, f"{name}_evaluator.ann_file")
    categories = _categories(content, dataset.metainfo.get("classes"), path)
    truth = read_truth(content, list(categories), path)
    names = {image["id"]: str(image["file_name"]) for image in content["images"]}
    kinds = metric.get("metric", "bbox")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    nums = sorted({int(num) for num in metric.get("proposal_nums") or _DEFAULT_NUMS})
    thrs = metric.get("iou_thrs")
    leaves_out = bool(metric.get("allow_box_only")) and "segm" in kinds
    return EvaluatedSplit(
        ann_file=path,
        folder=_locate(str(dataset.data_prefix.get("img") or ""), folders)[0],
        file_names=[names[image_id] for image_id in truth.image_ids],
        truth=truth.for_masks() if leaves_out else truth,
        class_names=[categories[category_id] for category_id in truth.category_ids],
        iou_types=[kind for kind in ("segm", "bbox") if kind in kinds],
        iou_thrs=_IOU_THRS if thrs is None else np.array(thrs, float, ndmin=1),
        max_dets=nums,
        cap_of_map=100 if nums == _DEFAULT_NUMS else nums[-1],
        matching=_metric(cfg.get(f"{name}_evaluator"), "MatchingMetric"),
        box_truth=truth if leaves_out else None,
    )


def _locate(path: str, folders: Sequence[Path]) -> tuple[str, Sequence[Path]]:
    """Return the path as seen from here, and the folders with the one that has it first."""
    if path and not Path(path).is_absolute():
        for folder in folders:
            if (folder / path).exists():
                here = folder == Path.cwd()
                return path if here else str(folder / path), [folder, *folders]
    return path, folders


def _coco_metric(evaluator: Any, name: str) -> Mapping[str, Any]:
    metric = _metric(evaluator, "CocoMetric")
    if metric is None:
        raise ValueError(
            f"the config's {name}_evaluator: expected a CocoMetric, which measures the AP"
        )
    return metric


def _metric(evaluator: Any, kind: str) -> Mapping[str, Any] | None:
    nodes = evaluator if isinstance(evaluator, list | tuple) else [evaluator]
    found = (n for n in nodes if isinstance(n, Mapping) and type_name(n) == kind)
    return next(found, None)


def _read(path: str, key: str) -> dict[str, Any]:
    try:
        file = read_unnamed(path)
        if file.problems:
            raise ValueError("; ".join(file.problems))
        if not file.has_annotations:
            raise ValueError("not COCO's layout: expected a list under the key annotations")
    except ValueError as error:
        moved = "" if Path(path).is_absolute() else f", seen from {Path.cwd()}"
        raise ValueError(
            f"{key} {path}: {error}{moved}; if the data have moved, give "
            "--cfg-options data_root=FOLDER"
        ) from None
    return file.to_coco()


def _categories(
    content: dict[str, Any], classes: Sequence[str] | None, path: str
) -> dict[Any, str]:
    """Return id -> name of the evaluated categories."""
    everything = {c["id"]: str(c["name"]) for c in content["categories"]}
    if classes is None:
        return everything
    chosen = {i: name for i, name in everything.items() if name in classes}
    if not chosen:
        raise ValueError(
            f"{path}: has none of the config's classes {first_few(classes)}; its categories are "
            f"{first_few(everything.values())}"
        )
    return chosen
