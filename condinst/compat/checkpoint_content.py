"""Check that a loaded checkpoint holds plain data of bounded size.

The reader builds nothing that can run code. This module refuses what would later end in a
traceback, an endless loop or a full memory: containers that hold themselves or are nested without
bound, numbers of thousands of digits, weights that are not tensors.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from condinst.compat.checkpoint_list import History, stored_functions

_MAX_DEPTH = 64
_MAX_VALUES = 1_000_000
_MAX_BITS = 256  # numpy's random state has integers of 128
_MAX_NAME = 1000  # characters
_ATOMS = (bool, float, complex, bytes, bytearray, type(None), HistoryBuffer, torch.dtype,
          torch.device, np.generic)  # fmt: skip
_MAPPINGS = (dict, OrderedDict, Counter)
_SEQUENCES = (list, tuple, set, frozenset, torch.Size)


def check_content(content: Any) -> None:
    """Check that everything in a checkpoint is plain data.

    Raises:
        ValueError: something else is in it; the message says what, without the file's name.
    """
    left, seen = [(content, 0)], 0
    while left:
        value, depth = left.pop()
        seen += 1
        if depth > _MAX_DEPTH or seen > _MAX_VALUES:
            raise ValueError(
                f"its content is nested more than {_MAX_DEPTH} deep or has more than "
                f"{_MAX_VALUES:,} values"
            )
        left += [(child, depth + 1) for child in _children(value)]


def check_layout(content: Mapping[Any, Any]) -> None:
    """Check that the known entries of a checkpoint have mmengine's form.

    Raises:
        ValueError: an entry has another form; the message names both forms.
    """
    for key in ("state_dict", "ema_state_dict"):
        _check_weights(key, content.get(key, {}))
    for key in ("message_hub", "optimizer"):
        _demand(isinstance(content.get(key), dict | None), key, "a dict", content.get(key))
    schedulers = content.get("param_schedulers")
    _demand(isinstance(schedulers, list | dict | None), "param_schedulers", "a list", schedulers)
    meta = content.get("meta")
    _demand(isinstance(meta, dict | None), "meta", "a dict", meta)
    seed = (meta or {}).get("seed")
    _demand(type(seed) in (int, type(None)), "meta.seed", "a whole number", seed)
    stored = (meta or {}).get("dataset_meta")
    _demand(isinstance(stored, dict | None), "meta.dataset_meta", "a dict", stored)
    for source, key in ((stored, "classes"), (stored, "CLASSES"), (meta, "CLASSES")):
        names = (source or {}).get(key)
        known = isinstance(names, str | None) or (
            isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        )
        _demand(known, f"meta: {key}", "a list of names", names)


def _check_weights(key: str, weights: Any) -> None:
    _demand(isinstance(weights, Mapping), key, "a dict of tensors", weights)
    for name, value in weights.items():
        _demand(isinstance(name, str), key, "names as keys", name)
        _demand(len(name) <= _MAX_NAME, key, f"names of at most {_MAX_NAME} characters", name)
        # torch lets a module store any state under this name
        known = isinstance(value, Tensor) or name.endswith("_extra_state")
        _demand(known, f"{key}[{name[:200]!r}]", "a tensor", value)


def _demand(condition: bool, key: str, expected: str, found: Any) -> None:
    if not condition:
        raise ValueError(f"{key}: expected {expected}, found a {type(found).__name__}")


def _children(value: Any) -> Iterable[Any]:
    kind = type(value)
    if kind in _MAPPINGS:
        attributes = vars(value).values() if kind is OrderedDict else ()
        return [*value.keys(), *value.values(), *attributes]
    if kind is History:
        raise ValueError("a HistoryBuffer without content")
    if kind in _SEQUENCES:
        return value
    if kind is Namespace:
        return vars(value).values()
    if kind is int:
        if value.bit_length() > _MAX_BITS:
            raise ValueError(f"an integer of {value.bit_length():,} bits")
    elif kind is str:
        if not value.isascii():
            value.encode()  # UnicodeEncodeError, which is a ValueError, for half characters
    elif kind in (Tensor, nn.Parameter):
        _check_truth(value)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufcSU":
            raise ValueError(f"an array of {value.dtype}")
    elif not isinstance(value, _ATOMS) and not any(value is f for f in stored_functions()):
        raise ValueError(f"a {kind.__name__} among its content, which no checkpoint has")
    return ()


def _check_truth(tensor: Tensor) -> None:
    if tensor.dtype is torch.bool and tensor.numel() and tensor.view(torch.uint8).max() > 1:
        raise ValueError("a tensor of truth values that are neither 0 nor 1")
