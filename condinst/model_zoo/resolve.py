"""Accept a model's name in place of the path of a config or a checkpoint."""

from __future__ import annotations

from pathlib import Path

from condinst.model_zoo.index import get, list_models, unknown
from condinst.model_zoo.weights import fetch


def resolve_config(name_or_path: str) -> str:
    """Return the config file of a model's name; a path is returned unchanged.

    Raises:
        FileNotFoundError: it looks like a path, and there is no such file.
        ValueError: it is neither a file nor a model's name.
    """
    if Path(name_or_path).is_file():
        return name_or_path
    if name_or_path in list_models():
        return str(get(name_or_path).config)
    if _looks_like_path(name_or_path):
        raise FileNotFoundError(f"config {name_or_path} is not a file")
    raise ValueError(unknown(name_or_path, "a config file or a model's name"))


def resolve_checkpoint(name_or_path: str) -> str:
    """Return the weights of a model's name, fetched if needed; a path or URL is returned unchanged.

    Raises:
        ValueError: it is neither a path nor a model's name, or the model has no weights.
        OSError: the weights cannot be fetched.
    """
    if _looks_like_path(name_or_path) or Path(name_or_path).is_file():
        return name_or_path
    if name_or_path in list_models():
        return str(fetch(name_or_path))
    raise ValueError(unknown(name_or_path, "a checkpoint file, a URL or a model's name"))


def _looks_like_path(text: str) -> bool:
    # a colon: a URL, one of mmengine's prefixes, or a drive
    return any(mark in text for mark in ("/", "\\", ":")) or Path(text).suffix != ""
