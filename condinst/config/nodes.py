"""Read the dicts of a config: the name of a type, the dataset inside its wrappers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["dataset_layers", "inner_dataset", "type_name"]


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


def dataset_layers(node: Any) -> Iterator[Any]:
    """Yield the config of a dataset, then that of the dataset inside it, and so on.

    Args:
        node: a dataset's config, or None. Of several datasets inside a wrapper, the first one is
            followed.

    Yields:
        The dicts from the outermost one to the innermost one; an empty dict for None.
    """
    node = node or {}
    yield node
    while isinstance(node, dict) and ("dataset" in node or node.get("datasets")):
        node = node["dataset"] if "dataset" in node else node["datasets"][0]
        yield node


def inner_dataset(node: Any) -> Any:
    """Return the config of the dataset inside wrappers such as ``RepeatDataset``.

    The argument is that of :func:`dataset_layers`, and the result is the last of its dicts.
    """
    return list(dataset_layers(node))[-1]
