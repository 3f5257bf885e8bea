"""Read the datasets of a config for a report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condinst.data_report.fix import FixedFile
from condinst.data_report.report_source import ReportSource, read_source
from condinst.datasets.checks.checks import coco_sets

__all__ = ["ConfigSources", "read_config_sources"]


@dataclass(frozen=True)
class ConfigSources:
    """The datasets of a config, each annotation file once.

    Attributes:
        sources: the datasets.
        training: for each, whether the config trains on it.
        keys: for each, the config keys that name its annotation file.
    """

    sources: list[ReportSource]
    training: list[bool]
    keys: list[list[str]]

    def options(self, fixed: Sequence[FixedFile]) -> str:
        """Return the ``--cfg-options`` that make the config use the fixed files."""
        return " ".join(
            shlex.quote(f"{key}={r.path.absolute()}")
            for keys, r in zip(self.keys, fixed, strict=True)
            for key in keys
        )


def read_config_sources(cfg: Any) -> ConfigSources:
    """Read the COCO files that ``cfg`` trains and validates on.

    Raises:
        ValueError: a file cannot be read, an image folder does not exist, or no dataset is in
            local files.
    """
    by_file: dict[str, list[str]] = {}
    sources: list[ReportSource] = []
    training: list[bool] = []
    for found in coco_sets(cfg, ("train", "val")):
        if found.ann_file not in by_file:
            by_file[found.ann_file] = []
            same = sum(source.name.split()[0] == found.split for source in sources)
            name = f"{found.split} {same + 1}" if same else found.split
            sources.append(
                read_source(found.ann_file, found.images, name, allow_box_only=found.allow_box_only)
            )
            training.append(found.split == "train")
    if not sources:
        raise ValueError(
            "the config's train_dataloader and val_dataloader: expected datasets in COCO's format "
            "in local files, found none"
        )
    for found in coco_sets(cfg):
        if found.ann_file in by_file:
            by_file[found.ann_file].append(f"{found.key}.ann_file")
    for split in ("val", "test"):
        evaluator = cfg.get(f"{split}_evaluator")
        several = isinstance(evaluator, list | tuple)
        for index, node in enumerate(evaluator if several else [evaluator] if evaluator else []):
            key = f"{split}_evaluator.{index}" if several else f"{split}_evaluator"
            for path, keys in by_file.items():
                if node.get("ann_file") and Path(node["ann_file"]) == Path(path):
                    keys.append(f"{key}.ann_file")
    return ConfigSources(sources, training, list(by_file.values()))
