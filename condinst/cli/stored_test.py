"""Make the config of a test from a checkpoint alone.

The checkpoint holds the text of its training's config, which may come from anybody: nothing of it
is run. The model and the test pipeline are read as for prediction. Of the dataset and the metric,
plain settings are taken one by one; their classes, the hooks and the rest are ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.config.nodes import METRIC_KEYS, type_name

if TYPE_CHECKING:
    from mmengine.config import Config

_ANN_FILE = "test_dataloader.dataset.ann_file"
_METRIC_ANN_FILE = "test_evaluator.ann_file"
_MAX_BATCH = 64


def read_stored_config(
    checkpoint: str, options: Mapping[str, Any] | None = None, parts: Sequence[str] | None = None
) -> Config:
    """Return the config that tests a checkpoint as its training's config would.

    Args:
        checkpoint: path or URL of a checkpoint that training wrote.
        options: settings from ``--cfg-options``; data_root moves the dataset.
        parts: the top-level keys to check; None for all.

    Raises:
        FileNotFoundError: the checkpoint or the annotation file does not exist.
        ValueError: the checkpoint holds no config that can be tested, or an option does not fit.
    """
    from mmengine.runner.checkpoint import CheckpointLoader

    from condinst.compat.base_configs import shipped_config
    from condinst.compat.stored_config import stored_config
    from condinst.config.overrides import override
    from condinst.config.read import read_config_file

    options = dict(options or {})
    moved = "data_root" in options
    content = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu", logger="silent")
    stored = stored_config(content, checkpoint, more=("test_evaluator",))
    cfg = read_config_file(shipped_config("_base_/default_runtime.py"))
    object.__setattr__(cfg, "_filename", checkpoint)  # for messages; Config's own would add a key
    cfg.default_scope = stored.get("default_scope") or "mmdet"
    try:
        cfg.model = stored["model"]
        loader = _dict(stored.get("test_dataloader"), "test_dataloader")
        dataset = _dataset(_dict(loader.get("dataset"), "test_dataloader.dataset"), options)
        metric = _metric(stored.get("test_evaluator"))
    except (KeyError, ValueError) as error:
        what = f"has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"checkpoint {checkpoint}: its config {what}; name the config before the checkpoint"
        ) from error
    cfg.data_root = dataset["data_root"]
    cfg.test_pipeline = dataset["pipeline"]
    cfg.test_dataloader = dict(
        batch_size=_batch_size(loader.get("batch_size")),
        num_workers=2 if loader.get("num_workers") else 0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=dataset,
    )
    cfg.test_evaluator = metric
    cfg.test_cfg = dict(type="TestLoop")
    cfg.work_dir = _work_dir(checkpoint)
    if moved and not cfg.data_root:  # the paths of the annotations are relative to nothing
        cfg.test_dataloader.dataset.data_root = options.pop("data_root")
    override(cfg, options, parts)
    # mmengine writes the config into the work folder under this name: never over the checkpoint
    object.__setattr__(cfg, "_filename", str(Path(checkpoint).with_suffix(".py")))
    if _METRIC_ANN_FILE not in options:
        cfg.test_evaluator.ann_file = _annotations(cfg, checkpoint)
    return cfg


def _dataset(stored: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dataset with the settings that are plain values."""
    if type_name(stored) != "CocoDataset":
        raise ValueError(
            f"has test_dataloader.dataset.type={str(stored.get('type'))[:60]!r}, "
            "and only CocoDataset is tested without the config"
        )
    if "pipeline" not in stored:
        raise KeyError("test_dataloader.dataset.pipeline")
    prefix = _dict(stored.get("data_prefix") or {}, "test_dataloader.dataset.data_prefix")
    return dict(
        type="condinst.CocoDataset",
        data_root=_path(stored, "data_root"),
        ann_file=_path(stored, "ann_file"),
        data_prefix=dict(img=_path(prefix, "img")),
        metainfo=_metainfo(stored.get("metainfo")),
        test_mode=True,
        pipeline=_local(stored["pipeline"]),
    )


def _metric(stored: Any) -> dict[str, Any]:
    """Return the metric with the plain settings of the stored CocoMetric, if there is one."""
    metric: dict[str, Any] = dict(type="condinst.CocoMetric", metric=["bbox", "segm"])
    entries = stored if isinstance(stored, list | tuple) else [stored]
    for entry in entries:
        if isinstance(entry, dict) and type_name(entry) == "CocoMetric":
            return metric | {key: entry[key] for key in METRIC_KEYS if key in entry}
    return metric


def _metainfo(stored: Any) -> dict[str, Any]:
    if not stored:
        return {}
    classes = _dict(stored, "test_dataloader.dataset.metainfo").get("classes")
    if classes is None:
        return {}
    # a text would name a file of names
    if not isinstance(classes, list | tuple) or not all(isinstance(n, str) for n in classes):
        raise ValueError("has test_dataloader.dataset.metainfo.classes that are no list of names")
    return dict(classes=tuple(classes))


def _path(node: Mapping[str, Any], key: str) -> str:
    """Return the path at a key; "" if there is none."""
    value = node.get(key) or ""
    if not isinstance(value, str) or "://" in value or "\0" in value:
        raise ValueError(f"has {key}={str(value)[:60]!r} in test_dataloader.dataset, not a path")
    return value


def _local(node: Any) -> Any:
    """Return a pipeline whose steps read from the disk only."""
    if isinstance(node, dict):
        return {key: _local(value) for key, value in node.items() if key != "backend_args"}
    return type(node)(map(_local, node)) if isinstance(node, list | tuple) else node


def _dict(value: Any, key: str) -> Mapping[str, Any]:
    if value is None:
        raise KeyError(key)
    if not isinstance(value, Mapping):
        raise ValueError(f"has {key}={str(value)[:60]!r}, expected a dict")
    return value


def _batch_size(stored: Any) -> int:
    return stored if type(stored) is int and 1 <= stored <= _MAX_BATCH else 1


def _annotations(cfg: Config, checkpoint: str) -> str:
    """Return the path of the annotation file, after checking that it is there."""
    dataset = cfg.test_dataloader.dataset
    if not dataset.ann_file:
        raise ValueError(
            f"checkpoint {checkpoint}: its config names no annotations to test on; --cfg-options "
            f"{_ANN_FILE}=FILE test_dataloader.dataset.data_prefix.img=FOLDER names them"
        )
    path = os.path.join(dataset.data_root or "", dataset.ann_file)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"checkpoint {checkpoint}: the annotations of its config are not here ({path}); "
            "--data-root FOLDER names the dataset's folder, "
            f"--cfg-options {_ANN_FILE}=FILE the file"
        )
    return path


def _work_dir(checkpoint: str) -> str:
    """Return the work folder, of the same name as the folder that the checkpoint lies in."""
    path = Path(checkpoint)
    return str(Path("work_dirs") / (path.parent.name or path.stem))
