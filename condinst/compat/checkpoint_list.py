"""List what a checkpoint may build, for torch's weights-only reader and for ours.

A pickle calls what it names with any arguments, and sets the state of the result. The list
therefore holds no function of numpy, torch or mmengine itself, but a function of ours for each
name, which accepts only what checkpoints hold: numbers, text, containers, plain numeric arrays, and
mmengine's history buffers. None of them can import, open or call anything.

- An array is made of a numeric type and its bytes, see ``checkpoint_arrays``.
- A tensor is made of a storage and lies within it. torch's function enlarges the storage instead.
- A history buffer takes arrays. mmengine's takes functions, for all buffers of the process.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from condinst.compat.checkpoint_arrays import ARRAYS, as_bytes
from condinst.compat.checkpoint_refusal import are_sizes, demand, expect, show

_BUFFER_METHODS = ("current", "max", "mean", "min")
_ANNEALING = ("_annealing_cos", "_annealing_linear")
_KEYS = (str, int, float, bool, bytes, type(None))
_MAX_IN_TUPLE = 1 << 20
_MAX_KEY = 1 << 63  # of larger integers, any number have the same hash


class _Name:
    """Stand-in for a class that a pickle names without building an object of it."""

    def __init__(self, name: str) -> None:
        self.name = name


ONE_CYCLE = _Name("OneCycleParamScheduler")


class History(HistoryBuffer):
    """Stand-in for ``HistoryBuffer``; it becomes one when its state is set."""

    def __init__(self, *args: object) -> None:
        demand(not args, "HistoryBuffer with arguments")
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        expect(isinstance(state, dict), "HistoryBuffer with a strange state")
        log, count = state.get("_log_history"), state.get("_count_history")
        maximum = state.get("_max_length", state.get("max_length"))
        expect(
            all(
                isinstance(a, np.ndarray) and a.ndim == 1 and a.dtype.kind in "biuf"
                for a in (log, count)
            )
            and len(log) == len(count),
            "HistoryBuffer of other than numbers",
        )
        expect(type(maximum) is int and 0 < maximum <= 1 << 40, "HistoryBuffer of strange length")
        self.__class__ = HistoryBuffer  # type: ignore[assignment]
        HistoryBuffer.__init__(self, max_length=maximum)
        self._log_history, self._count_history = np.asarray(log), np.asarray(count)


class Settings(Namespace):
    """Stand-in for ``argparse.Namespace``, which timm's checkpoints hold."""

    def __init__(self, *args: object) -> None:
        demand(not args, "argparse.Namespace with arguments")

    def __setstate__(self, state: Any) -> None:
        known = isinstance(state, dict) and all(type(name) is str for name in state)
        expect(known, "argparse.Namespace with a strange state")
        self.__class__ = Namespace  # type: ignore[assignment]
        vars(self).update(state)


def check_key(key: Any) -> Any:
    """Check a key of a dict or member of a set.

    Nested tuples would be hashed without bound. Numbers whose hashes are equal by design would take
    time by the square of their count.
    """
    parts = key if type(key) is tuple else (key,)
    for part in parts:
        text = isinstance(part, str | bytes)
        number = part is None or (isinstance(part, np.generic) and part.dtype.kind in "biufSU")
        if not isinstance(part, _KEYS) and not number:
            raise UnpicklingError(f"a {type(part).__name__} as a key of a dict or set")
        if type(key) is tuple and not text:  # large numbers in a tuple can be chosen to collide
            small = type(part) is int and abs(part) < _MAX_IN_TUPLE
            if not small or len(key) > 2:
                raise UnpicklingError(f"a tuple with {part!r:.40} as a key of a dict or set")
        if isinstance(part, int) and not -_MAX_KEY <= part < _MAX_KEY:
            raise UnpicklingError(f"an integer of {part.bit_length():,} bits as a key")
    return key


def _encode(text: object, encoding: object = None) -> bytes:
    demand(isinstance(text, str) and encoding in ("latin1", "latin-1"), "_codecs.encode")
    return str(text).encode("latin1")


def _bytearray(data: Any = b"", encoding: object = None) -> bytearray:
    return bytearray(_encode(data, encoding) if isinstance(data, str) else as_bytes(data))


def _no_bytes() -> bytes:
    """Return no bytes: protocol 2 writes those of an empty array by a call of ``bytes``."""
    return b""


def _complex(real: Any, imag: Any = 0.0) -> complex:
    expect(isinstance(real, int | float) and isinstance(imag, int | float), "complex of no numbers")
    return complex(real, imag)


def _members(values: Any) -> list[Any]:
    expect(isinstance(values, list | tuple | set), "a set of other than a list")
    return [check_key(value) for value in values]


def _pairs(values: Any) -> Any:
    if isinstance(values, Mapping):
        return values
    expect(
        isinstance(values, list | tuple)
        and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in values),
        "a dict of other than pairs",
    )
    return [(check_key(key), value) for key, value in values]


def _getattr(owner: Any, name: str) -> Callable[..., Any]:
    """Return a function that history buffers or one-cycle schedules keep as a member."""
    if owner is History and name in _BUFFER_METHODS:
        return getattr(HistoryBuffer, name)
    demand(owner is ONE_CYCLE and name in _ANNEALING, f"getattr:{show(name)}")
    return getattr(_one_cycle(), name)


def stored_functions() -> Iterable[Callable[..., Any]]:
    """Return the functions of :func:`_getattr` that the content of a checkpoint may hold."""
    return [getattr(_one_cycle(), name) for name in _ANNEALING]


def _one_cycle() -> Any:
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    return OneCycleParamScheduler


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, *rest: Any
) -> Tensor:
    """Stand in for ``torch._utils._rebuild_tensor`` and ``_v2``; see the module's docstring."""
    expect(isinstance(storage, torch.storage.TypedStorage), "a tensor of other than a storage")
    expect(not any(rest), "a tensor with hooks or metadata")
    expect(
        are_sizes(size)
        and are_sizes(stride)
        and are_sizes([offset])
        and len(size) == len(stride) <= 64,
        "a tensor of a strange shape",
    )
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if all(size) else -1
    room = storage._untyped_storage.nbytes() // storage._element_size()
    expect(offset + last < room or (last < 0 and offset <= room), "a tensor beyond its storage")
    expect(prod(n for n in size if n) < 1 << 48, "a tensor of a strange shape")
    tensor = torch._utils._rebuild_tensor(storage, offset, tuple(size), tuple(stride))
    tensor.requires_grad = bool(requires_grad) and tensor.is_floating_point()
    return tensor


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """Stand in for ``torch._utils._rebuild_tensor_v3``, for dtypes without a storage class."""
    expect(isinstance(dtype, torch.dtype), "a tensor of other than a type")
    expect(isinstance(storage, torch.storage.TypedStorage), "a tensor of other than a storage")
    typed = torch.storage.TypedStorage(
        wrap_storage=storage._untyped_storage, dtype=dtype, _internal=True
    )
    return _tensor(typed, offset, size, stride, grad, hooks, metadata)


def _parameter(data: Any, requires_grad: Any = True, hooks: Any = None, *state: Any) -> Any:
    expect(isinstance(data, Tensor) and not hooks, "a parameter with hooks, or of no tensor")
    return torch.nn.Parameter(data, requires_grad=bool(requires_grad) and data.is_floating_point())


def _size(values: Any) -> torch.Size:
    expect(are_sizes(values), "torch.Size of a strange shape")
    return torch.Size(values)


def _device(kind: Any, index: Any = None) -> torch.device:
    demand(isinstance(kind, str) and (index is None or type(index) is int), "a strange device")
    return torch.device(kind) if index is None else torch.device(kind, index)


def _torch() -> dict[str, Any]:
    names: dict[str, Any] = {
        f"torch.{value}".replace("torch.torch.", "torch."): value
        for value in vars(torch).values()
        if isinstance(value, torch.dtype)
    }
    for module in ("torch", "torch.storage"):
        names[f"{module}.UntypedStorage"] = torch.UntypedStorage
    return names | {
        "torch.Size": _size,
        "torch.device": _device,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor_v3": _tensor_v3,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
    }


EXTRAS: dict[str, Any] = ARRAYS | {
    "mmengine.logging.history_buffer.HistoryBuffer": History,
    "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler": ONE_CYCLE,
    "builtins.getattr": _getattr,
    "builtins.bytes": _no_bytes,
}
"""The functions that checkpoints name beyond torch's own list, which torch's reader also gets."""

ALLOWED: dict[str, Any] = (
    EXTRAS
    | _torch()
    | {
        "_codecs.encode": _encode,
        "argparse.Namespace": Settings,
        "builtins.bytearray": _bytearray,
        "builtins.complex": _complex,
        "builtins.frozenset": lambda values=(): frozenset(_members(values)),
        "builtins.set": lambda values=(): set(_members(values)),
        "collections.Counter": lambda values=(): Counter(dict(_pairs(values))),
        "collections.OrderedDict": lambda values=(): OrderedDict(_pairs(values)),
    }
)
"""Everything that our reader builds, by its name in the pickle."""
