"""Read the dicts of a config: the name of a type, the dataset inside its wrappers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["METRIC_KEYS", "dataset_layers", "inner_dataset", "leaf_datasets", "type_name"]

METRIC_KEYS = ("metric", "classwise", "proposal_nums", "iou_thrs", "metric_items")
"""The keys of CocoMetric that are plain values and name no file."""


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


def leaf_datasets(
    node: Any, key: str, outer: Sequence[Any] = ()
) -> Iterator[tuple[str, Any, list[Any]]]:
    """Yield (config key, config, pipeline) of each innermost dataset of a dataset's config.

    The transforms of a wrapper's own pipeline come after those of the dataset inside it.

    Args:
        node: the dataset's config.
        key: its config key.
        outer: the transforms that follow those of ``node``.
    """
    own = node.get("pipeline") if isinstance(node, dict) else None
    steps = [*(own if isinstance(own, list | tuple) else ()), *outer]
    if isinstance(node, dict) and "dataset" in node:
        yield from leaf_datasets(node["dataset"], f"{key}.dataset", steps)
    elif isinstance(node, dict) and isinstance(node.get("datasets"), list | tuple):
        for index, child in enumerate(node["datasets"]):
            yield from leaf_datasets(child, f"{key}.datasets[{index}]", steps)
    else:
        yield key, node, steps


def inner_dataset(node: Any) -> Any:
    """Return the config of the dataset inside wrappers such as ``RepeatDataset``.

    The argument is that of :func:`dataset_layers`, and the result is the last of its dicts.
    """
    return list(dataset_layers(node))[-1]
