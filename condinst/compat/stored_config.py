"""The config that training wrote into a checkpoint, read without running anything of it.

Its text is a program, so only names set to plain values are read. Values can run code as well:
mmengine imports and calls what stands as a type, ``type="os.system"`` too, and mmcv evaluates the
type of non-maximum suppression. So a type must be the name of a registered class; who needs more
names the config beside the checkpoint.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator
from typing import Any

from mmengine import registry
from mmengine.config import Config
from mmengine.registry import Registry

_MAX_TEXT = 1_000_000  # characters; ours have 10,000
_MAX_DEPTH = 64
_SCOPES = ("condinst", "mmdet", "mmcv", "mmengine")
_KEPT = ("default_scope", "model", "test_dataloader", "test_pipeline")
_ROOTS: tuple[Registry, ...] = (
    registry.MODELS,
    registry.TASK_UTILS,
    registry.WEIGHT_INITIALIZERS,
    registry.TRANSFORMS,
    registry.DATASETS,
    registry.DATA_SAMPLERS,
    registry.FUNCTIONS,
)
_NMS = {"nms", "soft_nms"}  # functions of mmcv that no registry has
_EVALUATES = {"CameraMotionCompensation"}  # registered, and runs one of its arguments


def stored_config(content: dict[str, Any], file: str) -> Config:
    """The config of a checkpoint's ``meta``.

    Args:
        file: what to call the checkpoint in a message.

    Raises:
        ValueError: there is none, or it is more than plain values and registered names.
    """
    text = (content.get("meta") or {}).get("cfg")
    if not isinstance(text, str):
        raise ValueError(f"checkpoint {file}: it holds no config; name the config as well")
    try:
        if len(text) > _MAX_TEXT:
            raise ValueError(f"it has {len(text):,} characters")
        values = {_target(node): _value(node.value) for node in ast.parse(text).body}  # type: ignore
        kept = {key: values[key] for key in _KEPT if key in values}
        _check_scope(kept.get("default_scope"))
        _check_types(kept, "")
        return Config(kept)
    # the last two where it is nested too deep
    except (
        SyntaxError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ValueError(
            f"checkpoint {file}: its config cannot be read ({str(error)[:300] or 'too deep'}); "
            "name the config as well"
        ) from error


def _check_types(value: Any, place: str) -> None:
    """Refuse what mmengine or mmcv would look up beyond their registries."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{place}: expected names as keys, got {str(key)[:40]}")
            where = f"{place}.{key}".lstrip(".")
            if key == "type":
                _check_type(item, where)
            elif key == "_scope_":
                _check_scope(item)
            _check_types(item, where)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_types(item, f"{place}[{index}]")


def _check_type(name: Any, place: str) -> None:
    scope, _, bare = str(name).rpartition(".")
    known = isinstance(name, str) and bare in _known_names() and scope in ("", *_SCOPES)
    if not known:
        raise ValueError(f"{place}={str(name)[:100]!r}, expected the name of a registered class")


def _check_scope(scope: Any) -> None:
    if scope is not None and scope not in _SCOPES:
        raise ValueError(f"scope {str(scope)[:40]!r}, expected one of {', '.join(_SCOPES)}")


@functools.cache
def _known_names() -> frozenset[str]:
    names = set(_NMS)
    for scope in ("mmdet", "condinst"):  # as mmengine finds the registries of a scope
        importlib.import_module(f"{scope}.registry")
    for root in _ROOTS:
        for table in _family(root):
            table.import_from_location()
            names.update(table.module_dict)
    return frozenset(names - _EVALUATES)


def _family(table: Registry) -> Iterator[Registry]:
    """The registry and its descendants in the scopes that are trusted."""
    if table.scope in _SCOPES:
        yield table
        for child in table.children.values():
            yield from _family(child)


def _target(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    raise ValueError(f"line {node.lineno} is more than a value")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        if node.args or any(word.arg is None for word in node.keywords):
            raise ValueError(f"line {node.lineno} is more than a value")
        return {str(word.arg): _value(word.value) for word in node.keywords}
    if isinstance(node, ast.List | ast.Tuple):
        return type(ast.literal_eval("[]" if isinstance(node, ast.List) else "()"))(
            _value(item) for item in node.elts
        )
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.Name) and node.id in ("inf", "nan"):  # repr of a float
        return float(node.id)
    return ast.literal_eval(node)
