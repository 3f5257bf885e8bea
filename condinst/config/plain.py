"""A config that a run has dumped into its work folder, read without running anything of it.

A config is a program, and a work folder may be somebody else's. What a training dumps is names set
to plain values, so that is all that is read; types must be names of registered classes, because
mmengine imports and calls what else stands there.
"""

from __future__ import annotations

import ast
from pathlib import Path

from mmengine.config import Config

from condinst.stored_config import _check_types, _target, _value

from .problem import ConfigError

_LARGEST = 1_000_000  # characters; ours have 10,000
# what is looked up or built from a run's config: their types are checked
_BUILT = ("val_dataloader", "val_evaluator", "test_dataloader", "test_evaluator")


def read_plain_config(path: Path) -> Config:
    """The config of a file that holds plain values alone.

    Raises:
        ConfigError: it holds more, or cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has {path.stat().st_size:,} bytes, expected {_LARGEST:,} at most")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        values = {_target(node): _value(node.value) for node in tree.body}  # type: ignore[attr-defined]
        for key in _BUILT:
            _check_types({"dataset": _without_pipeline(values.get(key))}, key)
        cfg = Config(values)
    except OSError:
        raise
    except (ValueError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError) as error:
        text = " ".join(str(error).split())[:300] or "it is nested too deep"
        raise ConfigError(
            f"config {path}: expected the plain values that a training dumps, and none of it is "
            f"run ({text}); --run-config runs it, if you trust it"
        ) from error
    # a field that mmengine sets from the file's name
    object.__setattr__(cfg, "_filename", str(path))
    return cfg


def _without_pipeline(node: object) -> object:
    """The same without the steps that pictures go through: a report builds none of them."""
    if isinstance(node, dict):
        return {k: _without_pipeline(v) for k, v in node.items() if k not in ("pipeline", "sampler", "batch_sampler", "collate_fn")}
    if isinstance(node, list | tuple):
        return [_without_pipeline(item) for item in node]
    return node
