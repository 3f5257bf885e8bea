"""Check a config by using its data, model and pipelines as a run would."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from condinst.compat.checkpoint import load_from_local
from condinst.config.build import build_model
from condinst.config.check import check_config
from condinst.datasets.checks.checks import check_datasets
from condinst.doctor.finding import ERROR, OK, WARNING, Finding
from condinst.doctor.machine import num_cpus
from condinst.model_zoo import list_models
from condinst.utils.hub import PREFIX as HUB
from condinst.utils.hub import parse_hub_address
from condinst.utils.words import counted, without_error_numbers

_GROUP = "config"


def check(cfg: Config) -> list[Finding]:
    """Check everything that a run reads before its first iteration."""
    found = [_tried("settings", partial(_settings, cfg)), _tried("model", partial(_model, cfg))]
    if cfg.get("load_from"):
        found.append(_tried("load_from", partial(_weights, cfg)))
    data = _tried("data", lambda: str(check_datasets(cfg)))
    found.append(data)
    for split in ("train", "val"):
        loader = cfg.get(f"{split}_dataloader")
        if not loader:
            found.append(Finding(_GROUP, split, OK, f"no {split}_dataloader"))
            continue
        if data.status == OK:  # without the data, the pipeline would fail with the same message
            found.append(_tried(f"{split} pipeline", partial(_sample, cfg, split)))
        found.append(_workers(split, loader))
    return found


def _tried(name: str, function: Callable[[], str]) -> Finding:
    try:
        return Finding(_GROUP, name, OK, function())
    except Exception as error:  # the classes of a config may raise anything
        text = str(error) if isinstance(error, ValueError | OSError) else _line(error)
        return Finding(_GROUP, name, ERROR, without_error_numbers(text))


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _settings(cfg: Config) -> str:
    check_config(cfg)
    return "every type and key is known"


def _model(cfg: Config) -> str:
    model = build_model(cfg)
    number = sum(p.numel() for p in model.parameters())
    return f"{cfg.model.type}, {number / 1e6:.1f} M parameters"


def _weights(cfg: Config) -> str:
    """Read the checkpoint that training starts from, unless the run downloads it."""
    name = str(cfg.load_from)
    if name.startswith(HUB):
        parse_hub_address(name)
    if "://" in name or name in list_models():
        return f"{name}, downloaded when a run starts"
    content = load_from_local(name)
    return f"{name}, {len(content.get('state_dict', content))} weights"


def _sample(cfg: Config, split: str) -> str:
    """Load the first image as a data worker does."""
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmdet")):
        node: Any = copy.deepcopy(cfg[f"{split}_dataloader"]["dataset"])
        dataset = DATASETS.build(node)
        start = time.perf_counter()
        packed = dataset[0]
    milliseconds = 1000 * (time.perf_counter() - start)
    shape = " x ".join(str(side) for side in packed["inputs"].shape)
    count = len(packed["data_samples"].get("gt_instances", ()))
    first = f"the first: {shape}, {counted(count, 'object')}, {milliseconds:.0f} ms"
    return f"{counted(len(dataset), 'image')}; {first}"


def _workers(split: str, loader: dict) -> Finding:
    name, number = f"{split} workers", loader.get("num_workers", 0)
    if number > num_cpus():
        advice = f"--cfg-options {split}_dataloader.num_workers={num_cpus()}"
        text = f"{number} per process, on {num_cpus()} processors"
        return Finding(_GROUP, name, WARNING, text, advice)
    return Finding(_GROUP, name, OK, f"{number} per process")
