"""The steps of a pipeline in a config, and whose classes they are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from condinst.config.nodes import type_name
from condinst.registry import TRANSFORMS
from condinst.registry import mmdet_registry as theirs

__all__ = ["flat_steps", "is_upstream", "registered_class"]

_NESTED = ("transforms", "aug_space", "policies")


def flat_steps(steps: Any) -> Iterator[dict]:
    """Yield the steps, and the nested steps that they choose from."""
    for step in steps or ():
        if isinstance(step, list | tuple):
            yield from flat_steps(step)
        elif isinstance(step, dict) and "type" in step:
            yield step
            if type_name(step) != "Albu":  # its transforms are those of albumentations
                for key in _NESTED:
                    yield from flat_steps(step.get(key))


def registered_class(kind: Any, scope: str | None) -> Any:
    """Return the class that a step's ``type`` names in a config; None for an unknown name."""
    registry = TRANSFORMS if scope in (None, "condinst") else theirs.TRANSFORMS
    return registry.get(kind) if isinstance(kind, str) else kind


def is_upstream(step: dict, scope: str | None) -> bool:
    """Tell whether a step is mmdet's class of a name that we have too."""
    found = registered_class(step["type"], scope)
    return inspect.isclass(found) and found is theirs.TRANSFORMS.module_dict.get(type_name(step))
