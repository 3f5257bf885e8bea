"""Reading the dicts of a config: the name of a type, the dataset inside its wrappers."""

from __future__ import annotations

from typing import Any

__all__ = ["inner_dataset", "type_name"]


def type_name(node: Any) -> str:
    """Return the name of a dict's type without its scope.

    Args:
        node: a dict with ``type``, which is a string (``"mmdet.Resize"``) or a class, or that type.

    Returns:
        ``"Resize"``; an empty string where there is no type.
    """
    kind = node.get("type") if isinstance(node, dict) else node
    if kind is None:
        return ""
    return str(getattr(kind, "__name__", kind)).rpartition(".")[2]


def inner_dataset(node: Any) -> Any:
    """Return the config of the dataset inside wrappers such as ``RepeatDataset``.

    Args:
        node: a dataset's config, or None.

    Returns:
        The innermost dict, the first one of several; an empty dict for None.
    """
    node = node or {}
    while isinstance(node, dict) and ("dataset" in node or node.get("datasets")):
        node = node["dataset"] if "dataset" in node else node["datasets"][0]
    return node
