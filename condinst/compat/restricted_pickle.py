"""A pickle module for ``torch.load`` that builds only what is on :mod:`checkpoint_list`.

Upstream bug: torch's weights-only reader takes tensors that reach beyond their storage and
storages that reach beyond their record, and before torch 2.6 it has no list to add to. Delete when
it bounds both, and the oldest torch we support is 2.6.

The base is Python's unpickler in Python: the one in C sets the state of any object on its stack,
and allocates as much memory as the file asks for.
"""

from __future__ import annotations

import pickle
import pickletools
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from condinst.compat.checkpoint_arrays import Dtype, PlainArray
from condinst.compat.checkpoint_list import ALLOWED, History, Settings, check_key
from condinst.compat.checkpoint_refusal import demand, expect

_MAX_STEPS = 1_000_000  # a step takes 250 bytes at most, and a checkpoint 50,000 steps
_SPARE = 64 << 20  # bytes
_REFUSED = {
    ord(code.code): code.name
    for code in pickletools.opcodes
    if re.match("EXT|INST|OBJ|NEWOBJ_EX|PERSID|NEXT_BUFFER|READONLY_BUFFER", code.name)
}
_LOCATION = re.compile(r"(?!meta)[a-z]+(:\d+)?", re.ASCII)


@dataclass
class Limits:
    """Bounds on what a file may unpack to.

    Attributes:
        size: size of the file in bytes.
        members: the sizes of a zip archive's members by name; None in torch's older format.
        names: the functions that may be called, by the names that pickles have for them.
        used: bytes of the arrays, tensors and text that were built; 4 times the file's size and
            64 MB are allowed.
        steps: steps that the pickles of the file have taken.
        storages: keys of the storages that were seen; used for torch's older format only.
        declared: the sum of the bytes that these storages declare.
    """

    size: int
    members: dict[str, int] | None = None
    names: Mapping[str, Any] = field(default_factory=lambda: ALLOWED)
    used: int = 0
    steps: int = 0
    storages: set[str] = field(default_factory=set)
    declared: int = 0

    def take(self, value: Any) -> None:
        """Count the bytes of a value that was built; raise UnpicklingError if they are too many."""
        if isinstance(value, Tensor):
            self.used += value.numel() * value.element_size()
        elif isinstance(value, np.ndarray):
            self.used += value.nbytes
        elif isinstance(value, bytes | bytearray | OrderedDict | Counter | set | frozenset):
            self.used += len(value)
        if self.used > 4 * self.size + _SPARE:
            raise UnpicklingError(
                f"it unpacks to more than {self.used:,} bytes, the file has {self.size:,}"
            )


class _Steps(dict[int, Callable[..., None]]):
    """The instructions of the pickle machine, counted as they run."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(_INSTRUCTIONS)
        self.limits = limits

    def __getitem__(self, code: int) -> Callable[..., None]:
        self.limits.steps += 1
        if self.limits.steps > _MAX_STEPS:
            raise UnpicklingError(f"it holds more than {_MAX_STEPS:,} values")
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[..., None]:
        demand(code not in _REFUSED, f"the instruction {_REFUSED.get(code)}")
        raise UnpicklingError(f"{bytes([code])!r} is no instruction")


class Unpickler(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """Unpickler that refuses every name that is not on the list; torch adds its storages."""

    # the machine's own
    stack: list[Any]
    memo: dict[int, Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(
        self, file: BinaryIO, *, encoding: str = "ASCII", limits: Limits | None = None
    ) -> None:
        super().__init__(file, encoding=encoding)
        self.limits = limits or Limits(0)
        self.dispatch = _Steps(self.limits)  # type: ignore[misc]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in NAME_MAPPING:  # as Python 2 called them
            module, name = NAME_MAPPING[module, name]
        path = f"{IMPORT_MAPPING.get(module, module)}.{name}"
        demand(path in self.limits.names, path)
        return self.limits.names[path]

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack[-1]
        self._check_callable(function)
        expect(type(arguments) is tuple, "arguments that are no tuple")
        self.stack[-1] = self._call(function, arguments)

    def new_object(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        demand(kind in (History, Settings) and not arguments, f"a new object of {_name(kind)}")
        self.append(kind.__new__(kind))

    def build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if type(value) is OrderedDict:
            _set_metadata(value, state)
            return
        demand(
            type(value) in (Dtype, History, PlainArray, Settings),
            f"a state of {type(value).__name__}",
        )
        value.__setstate__(state)
        if type(value) is PlainArray:
            self.limits.take(value)
            self._replace(value, np.array(value))  # subok=False: no subclass, memory of its own

    def storage(self) -> None:
        key = self.stack.pop()
        self._check_storage(key)
        self.append(self.persistent_load(key))

    def set_items(self) -> None:
        items = self.pop_mark()
        self._put(items[::2], items[1::2])

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key], [value])

    def append_items(self) -> None:
        items = self.pop_mark()
        expect(type(self.stack[-1]) is list, "append to other than a list")
        self.stack[-1].extend(items)

    def append_item(self) -> None:
        value = self.stack.pop()
        expect(type(self.stack[-1]) is list, "append to other than a list")
        self.stack[-1].append(value)

    def dict_of_items(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._put(items[::2], items[1::2])

    def byte_array(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))

    def add_items(self) -> None:
        items = self.pop_mark()
        expect(type(self.stack[-1]) is set, "add to other than a set")
        self.stack[-1].update(map(check_key, items))

    def frozen_set(self) -> None:
        self.append(frozenset(map(check_key, self.pop_mark())))

    def _check_callable(self, function: Any) -> None:
        known = any(function is value for value in self.limits.names.values())
        demand(known and not isinstance(function, torch.dtype), _name(function))
        demand(function is not torch.UntypedStorage, "torch.UntypedStorage as a function")

    def _call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        value = function(*arguments)
        self.limits.take(value)
        return value

    def _put(self, keys: list[Any], values: list[Any]) -> None:
        target = self.stack[-1]
        expect(type(target) in (dict, OrderedDict, Counter), "items of other than a dict")
        target.update(zip(map(check_key, keys), values, strict=True))

    def _replace(self, old: Any, new: Any) -> None:
        """Replace a value on top of the stack and, among the last entries, in the memo."""
        self.stack[-1] = new
        for index in reversed(self.memo):
            if self.memo[index] is old:
                self.memo[index] = new
                return

    def _check_storage(self, key: Any) -> None:
        """Refuse a storage that is larger than its record, or than the file."""
        expect(type(key) is tuple and len(key) in (5, 6), "an unknown kind of storage")
        word, kind, name, location, count, *view = key
        if isinstance(location, bytes):
            location = location.decode("ascii")
        expect(word in ("storage", b"storage") and not any(view), "an unknown kind of storage")
        expect(isinstance(name, str) and type(count) is int and count >= 0, "a strange storage")
        expect(isinstance(location, str) and _LOCATION.fullmatch(location), "a strange location")
        dtype = torch.uint8 if kind is torch.UntypedStorage else getattr(kind, "dtype", None)
        expect(isinstance(dtype, torch.dtype), "a storage of no type")
        size = count * torch._utils._element_size(dtype)
        if self.limits.members is not None:
            found = self.limits.members.get(f"data/{name}")
            if len(key) != 5 or found != size:
                raise UnpicklingError(f"storage {name[:40]} has {found} bytes, expected {size}")
            return
        self.limits.declared += 0 if name in self.limits.storages else size
        self.limits.storages.add(name)
        if self.limits.declared > self.limits.size:
            raise UnpicklingError(f"its tensors take more than the file's {self.limits.size} bytes")


def load(file: BinaryIO, **options: Any) -> Any:
    """Unpickle a file, as ``pickle.load`` does; ``torch.load`` calls this.

    Raises:
        UnpicklingError: the file names something, or needs more, than is allowed.
    """
    value = Unpickler(file, **options).load()
    limits = options.get("limits")
    if limits and limits.storages:  # the list of those that follow, in torch's older format
        known = isinstance(value, list) and limits.storages <= set(map(check_key, value))
        expect(known, "some of its tensors have no content")
    return value


def refused_name(error: Exception) -> str | None:
    """Return the name that torch's or our reader refused to build, None if it failed otherwise."""
    found = re.search(r"GLOBAL (.+?) (?:is not allowed|was not an allowed)", str(error))
    return found[1] if found and isinstance(error, UnpicklingError) else None


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", f"a {type(value).__name__} as a function")


def _set_metadata(weights: OrderedDict[str, Any], state: Any) -> None:
    """Set the versions of a network's layers, the only attribute that a dict of weights has."""
    expect(isinstance(state, dict) and set(state) <= {"_metadata"}, "a dict with attributes")
    for layer in state.get("_metadata", {}).values():
        known = isinstance(layer, dict) and all(type(v) is int for v in layer.values())
        expect(known, "a dict of weights with strange versions of layers")
    weights.__dict__.update(state)


def _instructions() -> dict[int, Callable[..., None]]:
    names = {code.name: ord(code.code) for code in pickletools.opcodes}
    machine: dict[int, Callable[..., None]] = pickle._Unpickler.dispatch  # type: ignore[attr-defined]
    ours: dict[str, Callable[..., None]] = {
        "REDUCE": Unpickler.reduce,
        "NEWOBJ": Unpickler.new_object,
        "BUILD": Unpickler.build,
        "BINPERSID": Unpickler.storage,
        "SETITEM": Unpickler.set_item,
        "SETITEMS": Unpickler.set_items,
        "APPEND": Unpickler.append_item,
        "APPENDS": Unpickler.append_items,
        "ADDITEMS": Unpickler.add_items,
        "FROZENSET": Unpickler.frozen_set,
        "BYTEARRAY8": Unpickler.byte_array,
        "DICT": Unpickler.dict_of_items,
    }
    kept = {code: machine[code] for code in names.values() if code not in _REFUSED}
    return kept | {names[name]: function for name, function in ours.items()}


_INSTRUCTIONS = _instructions()
