"""Override settings of a config from the command line."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from condinst.config.check import check_config
from condinst.config.data_root import set_data_root
from condinst.config.problem import show
from condinst.config.read import import_custom, one_line

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["override"]


def override(cfg: Config, options: dict[str, Any], parts: Sequence[str] | None = None) -> None:
    """Merge ``--cfg-options`` into a config, and check the result.

    Args:
        cfg: changed in place.
        options: values by dotted key.
        parts: the top-level keys to check; None for all.

    Raises:
        ValueError: an option does not fit, or the config cannot be built.
    """
    _override(cfg, options)
    if any(option.split(".")[0] == "custom_imports" for option in options):
        import_custom(cfg, "--cfg-options")
    check_config(cfg, parts)
    _drop_worker_settings(cfg)


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
    """Refuse an unknown top-level key that is close to a known one: it would change nothing."""
    from mmengine.runner import Runner

    known = {*cfg.keys(), *inspect.signature(Runner.__init__).parameters}
    for option in options:
        name = option.split(".")[0]
        if name not in known and (close := difflib.get_close_matches(name, known, 1, 0.75)):
            raise ValueError(
                f"--cfg-options {option}: the config has no {name!r}; did you mean {close[0]!r}?"
            )
