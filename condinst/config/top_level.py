"""Check the top-level keys of a config and its files, without PyTorch and mmdet.

Importing these takes seconds, in which a user would wait for a message on a typo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from condinst.config.known import RUNNER, TOP_LEVEL
from condinst.config.nodes import leaf_datasets, type_name
from condinst.config.problem import join, near, show
from condinst.config.values import check_value

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["check_top_level", "check_values", "missing_annotations"]


def check_top_level(cfg: Config) -> Iterator[str]:
    """Yield a message for every top-level key that is misspelt or has an impossible value."""
    read = {*RUNNER, *TOP_LEVEL}
    for name in cfg:
        value = cfg[name]
        if name in read:
            problem = check_value(name, value)
            if problem:
                yield problem
            continue
        meant = near(name, [k for k in read if len(k) > 4], cutoff=0.86)
        if meant and not _is_of_the_user(name, meant):
            yield f"{name}={show(value)}: nothing reads {name!r}; did you mean {meant!r}?"


def _is_of_the_user(name: str, meant: str) -> bool:
    """Tell whether a name is one that users choose: train_cfg2, model_a, a_model."""
    return (
        name.startswith((f"{meant}_", "_"))
        or name.rstrip("0123456789") == meant
        or name.endswith(f"_{meant}")
        or (name.startswith(meant) and len(meant) < 8)
        or meant.startswith(name)
        and len(name) < len(meant) - 1
    )


def check_values(path: str, node: Any) -> Iterator[str]:
    """Yield a message for every impossible value below a key, whatever the types there are."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from check_values(join(path, key), value)
    elif isinstance(node, list | tuple) and path == "param_scheduler":
        for index, item in enumerate(node):
            yield from check_values(f"{path}[{index}]", item)
    yield from (problem for problem in [check_value(path, node)] if problem)


def missing_annotations(cfg: Config, splits: Sequence[str]) -> Iterator[str]:
    """Yield a message for every annotation file that a COCO dataset names and that is not there.

    Datasets of other types, remote files and what cannot be read are left to later checks.
    """
    for split in splits:
        node = (cfg.get(f"{split}_dataloader") or {}).get("dataset")
        for key, dataset, _ in leaf_datasets(node, f"{split}_dataloader.dataset"):
            if not isinstance(dataset, dict) or type_name(dataset) != "CocoDataset":
                continue
            if dataset.get("backend_args"):
                continue
            file = dataset.get("ann_file")
            root = dataset.get("data_root") or ""
            if not (file and isinstance(file, str) and isinstance(root, str)):
                continue
            path = os.path.join(root, file)
            if ":" not in path.split("/")[0] and _is_missing(path):
                yield f"{key}: {path}: file not found{_unread_root(cfg, key, root)}"


def _unread_root(cfg: Config, key: str, root: str) -> str:
    """Say that a config's ``data_root`` did not reach a dataset that it inherits."""
    top = cfg.get("data_root")
    if not isinstance(top, str) or not top or root.startswith(top):
        return ""
    return (
        f"; data_root={top!r} does not change the datasets of a base config: set "
        f"{key}.data_root too, or use --cfg-options data_root=FOLDER"
    )


def _is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # a link to itself, an impossible name
        pass
    return False
