"""Check a config before anything is built.

Every ``type`` is looked up in the registries, and its arguments are compared with those of the
class. The keys of plain dicts are compared with the keys that are read, and values with the
possible ones. A problem is reported with the key's path. What cannot be judged, such as the
arguments of a class that accepts any keyword, passes.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from condinst.config import known
from condinst.config.arguments import arguments_of, find_class, registries, similar_class
from condinst.config.model_section import check_model
from condinst.config.nodes import type_name
from condinst.config.problem import ConfigError, is_typo, join, near, near_misses, unknown, wrong
from condinst.config.sections import (
    check_complete,
    check_default_hooks,
    check_loader,
    check_optimizer,
    check_packed,
    check_save_best,
    entries,
)
from condinst.config.semi_supervised import check_semi_supervised
from condinst.config.top_level import check_top_level, check_values
from condinst.config.values import check_value

PREDICTION = ("model", "test_dataloader", "test_pipeline")
TEST = (
    *PREDICTION,
    *("data_preprocessor", "tta_model", "tta_pipeline", "test_cfg", "test_evaluator"),
    *("default_hooks", "custom_hooks", "visualizer", "log_processor", "env_cfg"),
    *("randomness", "custom_imports"),
)


def check_config(cfg: Config, parts: Sequence[str] | None = None) -> None:
    """Refuse a config that cannot be built, or that has a key that nothing reads.

    Args:
        cfg: the config.
        parts: the top-level keys to check; None for all.

    Raises:
        ConfigError: one line with the first problems, and the number of the others.
    """
    problems = list(dict.fromkeys(find_problems(cfg, parts)))
    if problems:
        name = f"config {cfg.filename}: " if cfg.filename else "config: "
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ConfigError(name + "; ".join(problems[:3]) + more)


def find_problems(cfg: Config, parts: Sequence[str] | None = None) -> Iterator[str]:
    """Yield a message for every problem of a config."""
    yield from check_top_level(cfg)
    if parts is None and "model" not in cfg:
        yield "has no model"
    if parts is None:
        yield from check_complete(cfg)
    scope = cfg.get("default_scope")
    if scope is not None and not isinstance(scope, str):
        return
    meant = near(scope, _SCOPES, 0.75) if scope and scope not in _SCOPES else None
    if scope and meant and not (scope.isidentifier() and importlib.util.find_spec(scope)):
        yield f"default_scope={scope!r}: there is no such package; did you mean {meant!r}?"
        return
    level = logging.getLogger("mmengine").level
    with warnings.catch_warnings(), DefaultScope.overwrite_default_scope(scope or "mmdet"):
        warnings.simplefilter("ignore")
        logging.getLogger("mmengine").setLevel(logging.ERROR)
        try:
            for part, registry in known.PARTS.items():
                if part == "test_pipeline" and cfg.get("test_dataloader"):
                    continue  # the dataset refers to it; nothing else reads it
                if part in cfg and (parts is None or part in parts):
                    yield from _part(cfg, part, registry)
        finally:
            logging.getLogger("mmengine").setLevel(level)


def _kind(part: str, value: object) -> str | None:
    """Return what is wrong with the type of a part, before its content is checked."""
    if part == "model" and not isinstance(value, dict):
        return wrong(part, value, "a dict with type")
    if value is None:
        return None
    if part in known.DICTS and not isinstance(value, dict):
        return wrong(part, value, "a dict")
    if part in known.LISTS and not isinstance(value, list | tuple):
        return wrong(part, value, "a list of dicts")
    is_empty = part.endswith("_evaluator") and not value
    if is_empty or not isinstance(value, dict | list | tuple):
        return wrong(part, value, "a dict, or a list of them")
    return None


def _part(cfg: Config, part: str, registry: str) -> Iterator[str]:
    value: Any = cfg[part]
    problem = _kind(part, value)
    if problem:
        yield problem
    if problem or value is None:
        return
    if part == "model":
        yield from check_semi_supervised(cfg, value)
        yield from check_model(cfg, value)
    elif part.endswith("_dataloader"):
        yield from check_loader(part, value)
    elif part == "optim_wrapper":
        yield from check_optimizer(part, value)
    elif part == "default_hooks":
        yield from check_default_hooks(part, value)
        yield from check_save_best(cfg)
    names = _all_keys(part, value)
    if names:
        found = ((key, item) for key, item in value.items() if key not in names)
        yield from (unknown(join(part, key), item, part, names) for key, item in found)
    if not registry or part in known.LISTS | {"param_scheduler", "val_evaluator", "test_evaluator"}:
        yield from entries(part, value)
    yield from _walk(part, value, registry or None)


def _all_keys(part: str, value: Any) -> Sequence[str]:
    """Return all allowed keys of a dict without a type; empty where others are allowed too."""
    if part in ("train_cfg", "val_cfg", "test_cfg") and "type" not in value:
        return known.TRAIN_LOOP if part == "train_cfg" else known.TEST_LOOP
    return known.STRICT.get(part, ())


def _walk(path: str, node: Any, registry: str | None) -> Iterator[str]:
    """Check every value below a node."""
    if isinstance(node, dict):
        if "type" in node:
            yield from _typed(path, node, registry)
            if type_name(node) in known.OPAQUE_TYPES:
                return
        names = known.PLAIN.get(path) or known.IN_DATASETS.get(path.rpartition(".")[2])
        if names and "type" not in node:
            yield from near_misses(path, node, names)
        for key, value in node.items():
            where = join(path, key)
            if key in known.OPAQUE:
                if isinstance(value, dict) and key in known.IN_DATASETS:
                    yield from near_misses(where, value, known.IN_DATASETS[key])
                yield from check_values(where, value)
                continue
            if key in ("pipeline",) and registry in ("DATASETS", "DATA_SAMPLERS"):
                if value is not None and not isinstance(value, list | tuple):
                    yield wrong(where, value, "a list of dicts")
                    continue
                yield from entries(where, value)
                if _OF_LOADER.fullmatch(where) and value:
                    yield from check_packed(where, value)
            if key in ("filter_cfg",) and value is not None and not isinstance(value, dict):
                yield wrong(where, value, "a dict, or None")
                continue
            yield from _walk(where, value, known.INSIDE.get(str(key), registry))
    elif path in known.PLAIN and node is not None:
        yield wrong(path, node, "a dict")
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _walk(f"{path}[{index}]", item, registry)
    yield from (problem for problem in [check_value(path, node)] if problem)


def _typed(path: str, node: dict, registry: str | None) -> Iterator[str]:
    """Check that the class of a dict exists and accepts these arguments."""
    kind = node["type"]
    if isinstance(kind, list | tuple) and registry == "LOOPS":
        return
    if kind == "" or not isinstance(kind, str) and not callable(kind):
        yield wrong(f"{path}.type", kind, "the name of a class")
        return
    with DefaultScope.overwrite_default_scope(node.get("_scope_")):
        called = _lookup(kind, registry)
    if called is None:
        if not _is_ours_to_judge(path, str(kind), registry):
            return
        meant = similar_class(str(kind), registry)
        hint = f"; did you mean {meant!r}?" if meant else ""
        which = f" ({registries()[registry].name})" if registry else ""
        yield f"{path}.type={kind!r}: no such class is registered{which}{hint}"
        return
    arguments = arguments_of(called)
    taken = {"type", "_scope_", *known.REMOVED_KEYS.get(registry or "", ())}
    name = getattr(called, "__name__", str(kind))
    for key, value in node.items():
        if key in taken or key in arguments.names:
            continue
        # a model may remove keys before it builds a part, which is not known here; a key that is
        # not removed fails when the part is built
        lenient = arguments.is_open or (registry == "MODELS" and path != "model")
        meant = near(str(key), arguments.names, 0.75)
        if not lenient or (meant and is_typo(str(key), meant)):
            yield unknown(join(path, key), value, name, _settable(arguments.names))
    if registry in known.COMPLETE:
        lacking = [k for k in arguments.required if k not in node]
        if lacking:
            yield f"{path} ({name}): {', '.join(lacking)} is missing"


_OF_LOADER = re.compile(r"(?:train|val|test)_dataloader\.dataset\.pipeline")
_SCOPES = ("condinst", "mmdet", "mmcv", "mmengine")
_ROLE = re.compile(
    r"model|backbone|neck|(?:\w+_)?head|loss\w*|data_preprocessor|(?:\w+_)?assigner|bbox_coder"
    r"|anchor_generator|(?:norm|conv|act)_cfg|detector|module|init_cfg"
)


def _is_ours_to_judge(path: str, kind: str, registry: str | None) -> bool:
    """Tell whether an unknown type is a mistake; it may be a word that another class interprets."""
    scope = kind.rpartition(".")[0]
    if scope and scope not in _SCOPES and near(scope, _SCOPES, 0.75) is None:
        return False  # another package, whose absence mmengine reports
    if registry not in ("MODELS", "WEIGHT_INITIALIZERS", None):
        return True
    return _ROLE.fullmatch(path.rpartition(".")[2].partition("[")[0]) is not None


def _settable(names: Sequence[str]) -> list[str]:
    return [name for name in names if name not in ("self", "args", "kwargs")]


def _lookup(kind: Any, registry: str | None) -> Callable | None:
    return find_class(kind, registry) if isinstance(kind, str) else kind
