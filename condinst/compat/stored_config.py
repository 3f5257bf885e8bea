"""Read the config in a checkpoint without running it.

Its text is a program, so only names that are set to plain values are read. Values can run code too:
mmengine imports and calls what a type names, even ``type="os.system"``, and mmcv evaluates the type
of non-maximum suppression. A type must therefore be the name of a registered class; for other
models, the user gives the config along with the checkpoint.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Collection, Iterator
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


def stored_config(content: dict[str, Any], file: str, more: Collection[str] = ()) -> Config:
    """Return the config in a checkpoint's ``meta``.

    Args:
        content: what the checkpoint holds.
        file: the checkpoint's name, for messages.
        more: further top-level keys. Their types are not looked up, so the caller must not build
            them.

    Raises:
        ValueError: ``meta`` has no config, or the config has more than plain values and registered
            names.
    """
    text = (content.get("meta") or {}).get("cfg")
    if not isinstance(text, str):
        raise ValueError(f"checkpoint {file}: it holds no config; name the config as well")
    try:
        if len(text) > _MAX_TEXT:
            raise ValueError(f"it has {len(text):,} characters")
        values = {assigned_name(node): literal_value(node.value) for node in ast.parse(text).body}  # type: ignore
        kept = {key: values[key] for key in _KEPT if key in values}
        _check_scope(kept.get("default_scope"))
        _check_types(kept, "")
        others = {key: values[key] for key in more if key in values}
        return Config({**kept, **others})
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
    """Refuse types that mmengine or mmcv would look up outside of their registries."""
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
    tables = [table for root in _ROOTS for table in _family(root)]
    for table in tables:
        table.import_from_location()
    for table in tables:  # after all imports: those of a child register names in its root too
        names.update(table.module_dict)
    return frozenset(names - _EVALUATES)


def _family(table: Registry) -> Iterator[Registry]:
    """Yield the registry and its descendants in the trusted scopes."""
    if table.scope in _SCOPES:
        yield table
        for child in table.children.values():
            yield from _family(child)


def assigned_name(node: ast.stmt) -> str:
    """Return the name that a statement ``name = value`` sets; raise ValueError for others."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    raise ValueError(f"line {node.lineno} is more than a value")


def literal_value(node: ast.expr) -> Any:
    """Return a plain value, with ``dict(...)`` besides Python's literals; else raise ValueError."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        if node.args or any(word.arg is None for word in node.keywords):
            raise ValueError(f"line {node.lineno} is more than a value")
        return {str(word.arg): literal_value(word.value) for word in node.keywords}
    if isinstance(node, ast.List | ast.Tuple):
        return type(ast.literal_eval("[]" if isinstance(node, ast.List) else "()"))(
            literal_value(item) for item in node.elts
        )
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [literal_value(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(literal_value, node.values), strict=True))
    if isinstance(node, ast.Name) and node.id in ("inf", "nan"):  # repr of a float
        return float(node.id)
    try:
        return ast.literal_eval(node)
    except ValueError:  # its text shows an object of Python's parser
        raise ValueError(f"line {node.lineno} is more than a value") from None
