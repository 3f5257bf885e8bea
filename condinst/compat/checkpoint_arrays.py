"""Build numpy arrays of a checkpoint from a numeric type and bytes, and from nothing else.

``numpy.ndarray`` itself accepts any type over any memory: an array of objects over bytes of the
file crashes the process or runs code. A type with fields or metadata is refused, because its state
can hide objects too.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np

from condinst.compat.checkpoint_refusal import are_sizes, demand, expect, show

_DTYPE = re.compile(r"b1|i[1248]|u[1248]|f[248]|c8|c16|[SU]\d{1,6}", re.ASCII)
_MAX_DIMS = 32  # numpy 1's


class Dtype:
    """Stand-in for ``numpy.dtype``: a type of numbers, or of text of fixed length."""

    def __init__(self, code: str, align: object = False, copy: object = False) -> None:
        demand(isinstance(code, str) and _DTYPE.fullmatch(code), f"numpy.dtype of {show(code)}")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        """Take the byte order; refuse fields, sub-arrays and metadata."""
        known = isinstance(state, tuple) and len(state) in (8, 9)
        expect(known and state[1] in ("<", ">", "|", "="), "numpy.dtype with a strange state")
        expect(not any(state[2:5]) and not any(state[8:]), "numpy.dtype with fields or metadata")
        expect(state[5] in (-1, self.dtype.itemsize), "numpy.dtype of another size")
        self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray(np.ndarray):
    """Stand-in for ``numpy.ndarray``; it is pickled as an ordinary array."""

    def __new__(cls, *args: object) -> PlainArray:
        demand(not args, "numpy.ndarray as a function")
        return super().__new__(cls, (0,), np.int8)

    def __setstate__(self, state: Any) -> None:  # type: ignore[override]
        expect(isinstance(state, tuple) and len(state) == 5, "numpy.ndarray with a strange state")
        _, shape, dtype, fortran, data = state
        set_state: Any = super().__setstate__
        set_state((1, *_checked(shape, dtype, as_bytes(data)), bool(fortran), as_bytes(data)))
        _check_values(self)

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return np.asarray(self).__reduce_ex__(protocol)


def _reconstruct(kind: object, shape: object, code: object) -> PlainArray:
    demand(kind is PlainArray, "numpy.core.multiarray._reconstruct of another class")
    return PlainArray()


def _scalar(dtype: object, data: object) -> Any:
    return _array((), dtype, False, data)[()]


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> np.ndarray:
    expect(order in ("C", "F"), "numpy._frombuffer in a strange order")
    return _array(shape, dtype, order == "F", data)


def _array(shape: object, dtype: object, fortran: bool, data: object) -> np.ndarray:
    array: Any = np.ndarray((0,), np.int8)
    array.__setstate__((1, *_checked(shape, dtype, as_bytes(data)), fortran, as_bytes(data)))
    _check_values(array)
    return array


def _checked(shape: Any, dtype: Any, data: bytes) -> tuple[tuple[int, ...], np.dtype]:
    expect(type(dtype) is Dtype, f"numpy.ndarray of a {type(dtype).__name__} as its type")
    expect(are_sizes(shape) and len(shape) <= _MAX_DIMS, "numpy.ndarray of a strange shape")
    size = prod(shape) * dtype.dtype.itemsize
    expect(size == len(data), f"numpy.ndarray of {len(data):,} bytes, expected {size:,}")
    return tuple(shape), dtype.dtype


def as_bytes(data: object) -> bytes:
    if isinstance(data, str):  # as Python 2 wrote them
        data = data.encode("latin1")
    expect(isinstance(data, bytes | bytearray), "numpy.ndarray of other than bytes")
    return bytes(data)  # type: ignore[call-overload]


def _check_values(array: np.ndarray) -> None:
    """Refuse bytes that are no valid bool or character: numpy accepts them and fails later."""
    if array.dtype.kind == "b" and array.size:
        expect(array.view(np.uint8).max() <= 1, "numpy.ndarray of strange truth values")
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        plain = np.ascontiguousarray(array).reshape(-1)
        points = plain.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        expect(points.max() <= 0x10FFFF, "numpy.ndarray of strange text")


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {"numpy.ndarray": PlainArray, "numpy.dtype": Dtype}
    for package in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
        names[f"{package}.multiarray._reconstruct"] = _reconstruct
        names[f"{package}.multiarray.scalar"] = _scalar
        names[f"{package}.numeric._frombuffer"] = _frombuffer
    return names


ARRAYS: dict[str, Any] = _names()
"""The functions that pickles of numpy's arrays name."""
