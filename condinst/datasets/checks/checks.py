"""Check the data of a config before the first iteration.

One error lists every problem, and one report counts everything that training skips or fixes. Paths,
classes and filters come from mmengine's and mmdet's own dataset objects.
"""

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmdet.datasets import CocoDataset as MmdetCocoDataset
from mmengine.config import Config

from condinst.config.nodes import leaf_datasets, type_name
from condinst.config.problem import wrong
from condinst.datasets.checks.coco_checks import (
    check_classes,
    check_contents,
    check_images,
    describe,
)
from condinst.datasets.checks.input_checks import check_input
from condinst.datasets.checks.metric_checks import (
    check_for_metric,
    check_without_file,
    compares_masks,
    compares_with,
    metric_nodes,
)
from condinst.datasets.checks.mmdet_limits import check_for_mmdet
from condinst.datasets.checks.pixel_checks import check_pixels
from condinst.datasets.checks.split_file import SplitFile
from condinst.datasets.checks.target_checks import check_targets
from condinst.datasets.checks.transform_checks import check_transforms
from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.file_cache import keep_file, mark_of, take_file
from condinst.datasets.coco_dataset import CocoDataset
from condinst.registry import DATASETS

__all__ = ["CocoSet", "DatasetReport", "check_datasets", "coco_sets"]


@dataclass
class DatasetReport:
    """Notes of ``check_datasets`` on usable data; ``str()`` joins them to one message.

    Attributes:
        notes: one line for each dataset and for each kind of fixed value.
        seconds: duration of the check.
    """

    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = "".join(f"\n  {note}" for note in self.notes)
        return f"data checked in {self.seconds:.1f} s{lines}"


@dataclass(frozen=True)
class CocoSet:
    """The place of a dataset of a config.

    Attributes:
        split: train, val or test.
        key: the config key, such as "train_dataloader.dataset".
        ann_file: the annotation file.
        images: the image folder; None if the images are not local files.
        allow_box_only: whether objects without a mask are learned from their boxes.
    """

    split: str
    key: str
    ann_file: str
    images: str | None
    allow_box_only: bool = False


class _FileCache:
    """Read each annotation file once and list its problems once."""

    def __init__(self) -> None:
        self._files: dict[str, CocoFile | None] = {}
        self.problems: list[str] = []

    def get(self, path: str, key: str) -> CocoFile | None:
        if path not in self._files:
            self._files[path] = None
            mark = mark_of(path)
            try:
                self._files[path] = file = take_file(path)
                self.problems += [f"{path}: {problem}" for problem in file.problems]
                keep_file(file, mark)
            except ValueError as error:
                self.problems.append(f"{key}: {path}: {error}")
        return self._files[path]


def check_datasets(
    cfg: Config,
    splits: Sequence[str] = ("train", "val", "test"),
    *,
    header_sample: int = 200,
) -> DatasetReport:
    """Check every COCO dataset and COCO metric of ``cfg``, including wrapped and nested ones.

    Datasets of other types and remote datasets are not checked, and the report names them.

    Args:
        cfg: the config.
        splits: the splits to check.
        header_sample: number of images per dataset whose file header is compared with the size
            in the annotations.

    Returns:
        Notes on what training skips or fixes.

    Raises:
        ValueError: the data cannot be used; one message lists all problems.
    """
    start = time.perf_counter()
    cache, report = _FileCache(), DatasetReport()
    problems: list[str] = []
    opened: dict[str, SplitFile | None] = {}
    compared: set[str] = set()
    for split in splits:
        loader, evaluator = cfg.get(f"{split}_dataloader"), cfg.get(f"{split}_evaluator")
        if not loader:
            continue
        node = loader.get("dataset")
        files = []
        for key, leaf, steps in leaf_datasets(node, f"{split}_dataloader.dataset"):
            model = cfg.get("model", {})
            problems += check_targets(key, steps, model, leaf) + check_input(key, steps, model)
            own = leaf.get("pipeline") if isinstance(leaf, dict) else None
            scope = cfg.get("default_scope")
            boxes = isinstance(leaf, dict) and bool(leaf.get("allow_box_only"))
            problems += check_transforms(key, own, steps, scope, boxes)
            problems += check_pixels(key, steps, scope)
            name = repr(leaf)
            if name not in opened:  # test is often the same dataset as val
                opened[name] = file = _open(key, leaf, cfg, split, cache, problems, report)
                if file is not None:
                    found = [*check_classes(file), *check_contents(file)]
                    found += check_images(file, header_sample)
                    found += check_for_mmdet(file, leaf, cfg)
                    problems += [f"{key}: {file.path}: {problem}" for problem in found]
                    report.notes.append(f"{key}: {describe(file, header_sample)}")
                    report.notes += [f"{key}: {file.path}: {r}" for r in file.file.fixes]
            files += [file for file in [opened[name]] if file is not None]
        if evaluator and files and repr((node, evaluator)) not in compared:
            compared.add(repr((node, evaluator)))
            _check_metrics(split, evaluator, files, cache, problems)
    problems = list(dict.fromkeys(cache.problems + problems))
    if problems:
        listed = "".join(f"\n  {n}. {problem}" for n, problem in enumerate(problems, 1))
        raise ValueError(f"the data of this config cannot be used as it is:{listed}")
    report.seconds = time.perf_counter() - start
    return report


def _open(
    key: str,
    node: Any,
    cfg: Config,
    split: str,
    cache: _FileCache,
    problems: list[str],
    report: DatasetReport,
) -> SplitFile | None:
    """Read the dataset of a config node; None if it is not to be checked or unusable."""
    kind = node.get("type") if isinstance(node, dict) else type(node)
    if not _reads_coco(node):
        report.notes.append(f"{key}: not checked (type {getattr(kind, '__name__', kind)})")
        return None
    try:
        dataset = _build(node)
    except Exception as error:  # a constructor may raise anything for a wrong argument
        problems.append(f"{key}: {type(error).__name__}: {error}")
        return None
    if not dataset.ann_file:
        problems.append(wrong(f"{key}.ann_file", dataset.ann_file, "a COCO file, below data_root"))
        return None
    if not _is_local(dataset.ann_file, dataset.backend_args):
        report.notes.append(f"{key}: not checked ({dataset.ann_file} is not a local file)")
        return None
    file = cache.get(dataset.ann_file, key)
    prefix = dataset.data_prefix.get("img")
    if prefix is None:
        problems.append(f"{key}: data_prefix: expected the key img, got {dataset.data_prefix}")
    if file is None or prefix is None:
        return None
    loads_masks = any(
        type_name(step) == "LoadAnnotations" and step.get("with_mask")
        for step in node.get("pipeline", [])
    )
    return SplitFile(
        file=file,
        classes=dataset.metainfo.get("classes"),
        own_classes="classes" not in (node.get("metainfo") or {}),
        num_classes=cfg.get("model", {}).get("bbox_head", {}).get("num_classes"),
        prefix=prefix if _is_local(prefix, dataset.backend_args) else None,
        filter_cfg=dict(dataset.filter_cfg or {}),
        test_mode=dataset.test_mode,
        training=split == "train",
        needs_masks=loads_masks and split == "train",
        hands_out=_hands_out_instances(node.get("pipeline")),
        allow_box_only=getattr(dataset, "allow_box_only", False),
    )


def _hands_out_instances(pipeline: Any) -> bool:
    """Tell whether a pipeline packs the annotations for a metric without an annotation file."""
    packed = [s for s in pipeline or () if type_name(s) == "PackDetInputs" and isinstance(s, dict)]
    return any("instances" in (step.get("meta_keys") or ()) for step in packed)


def coco_sets(cfg: Config, splits: Sequence[str] = ("train", "val", "test")) -> list[CocoSet]:
    """Return the COCO datasets of ``cfg`` whose annotations are local files.

    Wrapped and nested datasets are included.

    Raises:
        ValueError: a dataset cannot be built; the message names the config key.
    """
    found = []
    for split in splits:
        node = (cfg.get(f"{split}_dataloader") or {}).get("dataset")
        for key, leaf, _ in leaf_datasets(node, f"{split}_dataloader.dataset"):
            if not _reads_coco(leaf):
                continue
            try:
                dataset = _build(leaf)
            except Exception as error:  # a constructor may raise anything for a wrong argument
                raise ValueError(f"{key}: {type(error).__name__}: {error}") from error
            if _is_local(dataset.ann_file, dataset.backend_args):
                prefix = dataset.data_prefix.get("img")
                there = prefix is not None and _is_local(prefix, dataset.backend_args)
                allowed = getattr(dataset, "allow_box_only", False)
                folder = prefix if there else None
                found.append(CocoSet(split, key, dataset.ann_file, folder, allowed))
    return found


def _build(node: dict) -> Any:
    return DATASETS.build({**node, "pipeline": [], "lazy_init": True})


def _reads_coco(node: Any) -> bool:
    """Tell whether the class of a dataset config reads its file as ``CocoDataset`` does."""
    if not isinstance(node, dict):
        return False
    kind = node.get("type")
    cls: Any = DATASETS.get(kind) if isinstance(kind, str) else kind
    methods = ("load_data_list", "parse_data_info")
    return inspect.isclass(cls) and any(
        issubclass(cls, kind) and all(getattr(cls, m) is getattr(kind, m) for m in methods)
        for kind in (CocoDataset, MmdetCocoDataset)
    )


def _check_metrics(
    split: str, evaluator: Any, files: list[SplitFile], cache: _FileCache, problems: list[str]
) -> None:
    """Check the annotation files of the metrics of a split that compare with a COCO file."""
    for key, node in metric_nodes(evaluator, f"{split}_evaluator"):
        kind = compares_with(node)
        if kind is None:
            continue
        path = node.get("ann_file")
        if not path:
            problems += check_without_file(key, node, kind, split, files)
            continue
        if not isinstance(path, str) or not _is_local(path, node.get("backend_args")):
            continue
        truth = cache.get(path, key)
        if truth is None or node.get("format_only"):
            continue
        segm = compares_masks(node, kind)
        found = check_for_metric(truth, files, segm, bool(node.get("allow_box_only")))
        problems += [f"{key}: {path}: {problem}" for problem in found]


def _is_local(path: str, backend_args: dict | None) -> bool:
    return "://" not in path and (backend_args or {}).get("backend", "local") in (None, "local")
