"""Override settings of a config from the command line."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from condinst.config.data_root import set_data_root
from condinst.config.known import RUNNER, TOP_LEVEL
from condinst.config.problem import ConfigError, join, near, show
from condinst.config.read import import_custom, one_line
from condinst.config.top_level import check_top_level, check_values, missing_annotations

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["check_ahead", "override"]

_SCOPES = ("condinst", "mmdet")
# variables that are read only where there is no data loader: it has a copy
_PIPELINES = ("train_pipeline", "test_pipeline")


def override(cfg: Config, options: dict[str, Any], parts: Sequence[str] | None = None) -> None:
    """Merge ``--cfg-options`` into a config, and check the result.

    Args:
        cfg: changed in place.
        options: values by dotted key.
        parts: the top-level keys to check; None for all.

    Raises:
        ValueError: an option does not fit, or the config cannot be built.
    """
    from condinst.config.check import check_config

    _override(cfg, options)
    if any(option.split(".")[0] == "custom_imports" for option in options):
        import_custom(cfg, "--cfg-options")
    check_config(cfg, parts)
    _drop_worker_settings(cfg)


def check_ahead(cfg: Config, options: Mapping[str, Any], splits: Sequence[str] = ()) -> Config:
    """Check what can be checked of a config and its overrides without PyTorch and mmdet.

    Args:
        cfg: not changed.
        options: values by dotted key.
        splits: those whose loaders are used, and whose annotation files have to be there.

    Returns:
        A copy of the config with its overrides.

    Raises:
        ValueError: an option does not fit, a top-level key is misspelt, a value is impossible, or a
            file is missing.
    """
    cfg = copy.deepcopy(cfg)
    _override(cfg, dict(options))
    loaders = [f"{split}_dataloader" for split in splits if f"{split}_dataloader" in cfg]
    problems = [
        *check_top_level(cfg),
        *(p for name in loaders for p in check_values(name, cfg[name])),
        *(p for name in _settings(splits) for p in check_values(name, cfg.get(name))),
    ]
    if "model" not in cfg and not problems:
        kind = "is an annotation file, expected a config; condinst new NAME --data FILE writes one"
        problems = [kind if {"images", "annotations"} <= set(cfg) else "has no model"]
    if problems:
        raise ConfigError(f"config {cfg.filename}: {'; '.join(problems[:3])}")
    if missing := list(dict.fromkeys(missing_annotations(cfg, splits))):
        listed = "".join(f"\n  {n}. {problem}" for n, problem in enumerate(missing, 1))
        raise ConfigError(f"the data of this config cannot be used as it is:{listed}")
    return cfg


def _settings(splits: Sequence[str]) -> tuple[str, ...]:
    """Return the parts without classes of others, whose values can be checked by their keys."""
    own = ("train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr")
    return (*(own if "train" in splits else ()), "randomness", "default_hooks")


def _override(cfg: Config, options: dict[str, Any]) -> None:
    _check_names(cfg, options)
    if "data_root" in options:
        set_data_root(cfg, options.pop("data_root"))
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # a value may fail in any way at a key of another type
        name = _first_that_fails(cfg, options)
        if blocked := _no_container(cfg, name):
            raise ValueError(f"--cfg-options {name}: {blocked}") from None
        raise ValueError(
            f"--cfg-options {name}: does not fit the config, which has another type of value there "
            f"({one_line(error)})"
        ) from error


def _first_that_fails(cfg: Config, options: Mapping[str, Any]) -> str:
    for key, value in options.items():
        try:
            cfg.merge_from_dict({key: value})
        except Exception:
            return f"{key}={value!r}"
    return " ".join(options)


def _no_container(cfg: Config, option: str) -> str:
    """Say which part of an option's dotted key is neither a dict nor a list in the config."""
    keys = option.partition("=")[0].split(".")
    node: Any = cfg
    for i, key in enumerate(keys):
        if isinstance(node, list | tuple) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        elif isinstance(node, list | tuple):
            return ""
        elif not isinstance(node, Mapping) and not hasattr(node, "keys"):
            value = show(node)
            return f"{'.'.join(keys[:i])} is {value} in the config, and has no {key!r} to set"
        elif key in node:
            node = node[key]
        else:
            return ""
    return ""


def _drop_worker_settings(cfg: Config) -> None:
    """Remove settings of workers where ``num_workers`` is 0: PyTorch refuses them together."""
    for split in ("train", "val", "test"):
        loader = cfg.get(f"{split}_dataloader")
        if loader and not loader.get("num_workers"):
            for name in ("persistent_workers", "prefetch_factor"):
                loader.pop(name, None)


def _check_names(cfg: Config, options: Iterable[str]) -> None:
    """Refuse an option that would change nothing, because nothing reads its top-level key.

    A variable of the config file is such a key: the file has been read, with the variable's old
    value in every place that it is for. Modules of the user may read any key.
    """
    read = {*RUNNER, *TOP_LEVEL}
    options = list(options)
    imports = (cfg.get("custom_imports") or {}).get("imports") or ()
    imports = [imports] if isinstance(imports, str) else imports
    own_code = any(str(name).partition(".")[0] not in _SCOPES for name in imports)
    own_code = own_code or any(option.startswith("custom_imports") for option in options)
    for option in options:
        name, _, rest = option.partition(".")
        loader = f"{name.partition('_')[0]}_dataloader" if name in _PIPELINES else None
        if name in read and (loader is None or not cfg.get(loader)):
            continue
        if loader is not None and name in read:
            meant = [join(f"{loader}.dataset.pipeline", rest)] if rest else []
            meant = meant or [f"{loader}.dataset.pipeline"]
        else:
            parts = (_places(name, cfg[part], part) for part in cfg if part in read)
            found = (path for part in parts for path in part)
            meant = sorted(found, key=lambda path: path.count("."))[:3]
        if meant:
            hint = f"; set {' or '.join(meant)}"
        else:
            close = near(name, [*read, *cfg.keys()], 0.75)
            hint = f"; did you mean {close!r}?" if close and close != name else ""
        if own_code and not hint:
            continue
        if name in cfg:
            why = f"{name!r} is a variable of the config file, and nothing reads it afterwards"
        else:
            why = f"the config has no {name!r}, and nothing reads it"
        raise ValueError(f"--cfg-options {option}: {why}{hint}")


def _places(name: str, node: Any, path: str) -> Iterator[str]:
    """Yield the dotted paths of the keys with this name, without those inside of another."""
    keys = node if isinstance(node, Mapping) else range(len(node)) if _is_list(node) else ()
    for key in keys:
        value = node[key]
        if key == name:
            yield f"{path}.{key}"
        else:
            yield from _places(name, value, f"{path}.{key}")


def _is_list(node: Any) -> bool:
    return isinstance(node, list | tuple)
