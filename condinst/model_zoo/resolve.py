"""Accept a name in place of the path of a config or a checkpoint."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from condinst.compat.base_configs import (
    PREFIX,
    find_shipped,
    near_configs,
    shipped_config,
    shipped_configs,
)
from condinst.model_zoo.index import get, list_models, unknown
from condinst.model_zoo.weights import fetch
from condinst.utils.hub import PREFIX as HUB
from condinst.utils.hub import fetch_from_hub
from condinst.utils.near_files import did_you_mean


def resolve_config(name_or_path: str) -> str:
    """Return the config file that a name stands for; a path is returned unchanged.

    A name is that of a model, or that of a config of the package: its file name with or without
    ``.py`` and ``condinst::``. A path ``configs/...`` that leads to no file stands for the
    package's config of that name, and one line on standard error says so.

    Raises:
        FileNotFoundError: the word looks like a path, and there is no such file.
        ValueError: the word is neither a file nor a name.
    """
    if os.path.isfile(name_or_path):
        return name_or_path
    if name_or_path in list_models():
        return str(get(name_or_path).config)
    if name_or_path.startswith(PREFIX):
        return str(shipped_config(name_or_path))
    if shipped := _find_shipped(name_or_path):
        return str(shipped)
    near = near_configs(name_or_path)
    if _looks_like_path(name_or_path):
        # condinst new writes NAME/NAME.py
        own = os.path.join(os.path.splitext(name_or_path)[0], os.path.basename(name_or_path))
        near = [own, *near] if os.path.isfile(own) else near
        hint = (
            f"; did you mean {' or '.join(near)}?" if near else did_you_mean(name_or_path, "file")
        )
        raise FileNotFoundError(f"config {name_or_path} is not a file{hint}")
    raise ValueError(
        unknown(name_or_path, "a config file or a model's name", {*list_models(), *near})
    )


def _find_shipped(name_or_path: str) -> Path | None:
    folders, name = os.path.split(os.path.normpath(name_or_path))
    if folders.split(os.sep)[0] not in ("", "configs") or not name_or_path:
        return None
    if not folders:
        return find_shipped(name)
    below = "/".join([*folders.split(os.sep)[1:], name])
    # a config that has moved into a folder is found by its name
    path = find_shipped(below) or shipped_configs().get(name.removesuffix(".py"))
    if path is not None:
        _say(f"{name_or_path}: no such file here, taking the package's {path}")
    return path


@functools.cache  # a command resolves a name more than once
def _say(text: str) -> None:
    print(text, file=sys.stderr)


def resolve_checkpoint(name_or_path: str) -> str:
    """Return the weights of a model's name, fetched if needed; a path or URL is returned unchanged.

    What ``hf://`` names is fetched too, so that a mistake is found before anything is built.

    Raises:
        ImportError: the word is an address ``hf://``, and huggingface_hub is not installed.
        ValueError: the word is neither a path nor a model's name, or the model has no weights.
        OSError: the weights cannot be fetched.
    """
    if name_or_path.startswith(HUB):
        fetch_from_hub(name_or_path)
        return name_or_path
    if _looks_like_path(name_or_path) or os.path.isfile(name_or_path):
        return name_or_path
    if name_or_path in list_models():
        return str(fetch(name_or_path))
    raise ValueError(unknown(name_or_path, "a checkpoint file, a URL or a model's name"))


def _looks_like_path(text: str) -> bool:
    # a colon: a URL, one of mmengine's prefixes, or a drive
    return any(mark in text for mark in ("/", "\\", ":")) or Path(text).suffix != ""
