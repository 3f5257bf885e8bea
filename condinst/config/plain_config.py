"""Read the config that a run has dumped into its work folder, without running it.

A config is a program, and a work folder may come from somebody else. A training dumps only names
that are set to plain values, so only these are read. Types must be names of registered classes,
because mmengine imports and calls any other type.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import Registry

from condinst.compat.stored_config import assigned_name, literal_value
from condinst.config.arguments import registries
from condinst.config.problem import ConfigError
from condinst.utils.files import read_regular

_MAX_BYTES = 1_000_000  # ours have 10,000
# the parts of a run's config that are built: their types are checked
_SCOPES = ("", "condinst", "mmdet", "mmcv", "mmengine")
_BUILT = ("val_dataloader", "val_evaluator", "test_dataloader", "test_evaluator")


def read_plain_config(path: Path) -> Config:
    """Read a config that holds only plain values.

    Raises:
        ConfigError: the config holds more than plain values, or cannot be read.
        OSError: the file cannot be opened.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(
                f"it has {path.stat().st_size:,} bytes, expected {_MAX_BYTES:,} at most"
            )
        tree = ast.parse(read_regular(path).decode())
        values = {assigned_name(node): literal_value(node.value) for node in tree.body}  # type: ignore[attr-defined]
        for key in _BUILT:
            _check_types(values.get(key), key)
        cfg = Config(values)
    except OSError:
        raise
    except (
        ValueError,
        TypeError,
        AttributeError,
        SyntaxError,
        RecursionError,
        MemoryError,
    ) as error:
        text = " ".join(str(error).split())[:300] or "it is nested too deep"
        raise ConfigError(
            f"config {path}: expected the plain values that a training dumps, and none of it is "
            f"run ({text}); --run-config runs it, if you trust it"
        ) from error
    # a field that mmengine sets from the file's name
    object.__setattr__(cfg, "_filename", str(path))
    return cfg


def _check_types(node: object, path: str) -> None:
    """Refuse types that are not registered; a report builds no transforms and no samplers."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "type" and not _is_registered(value):
                raise ValueError(f"{path}.type={value!r}: no such class is registered")
            if key not in ("pipeline", "sampler", "batch_sampler", "collate_fn"):
                _check_types(value, f"{path}.{key}")
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            _check_types(item, f"{path}[{index}]")


def _is_registered(name: object) -> bool:
    scope, _, bare = str(name).rpartition(".")
    return isinstance(name, str) and scope in _SCOPES and bare in _registered()


@functools.cache
def _registered() -> frozenset[str]:
    names: set[str] = set()
    for first in (registries()["DATASETS"], registries()["METRICS"], registries()["EVALUATOR"]):
        table: Registry | None = first
        while table is not None:
            table.import_from_location()
            names.update(table.module_dict)
            table = table.parent
    return frozenset(names)
