"""Parts of pickles as instructions, which Python's own pickler would not write."""

from __future__ import annotations

import pickle
import struct


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def plain(value: object) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def items(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + items(*arguments) + b"R"


def state(value: bytes, *members: bytes) -> bytes:
    return value + items(*members) + b"b"


def storage(
    count: int = 4, kind: str = "FloatStorage", key: str = "0", place: str = "cpu"
) -> bytes:
    """A storage; that under the key 0 has 16 bytes, and there is no other."""
    parts = text("storage"), name("torch", kind), text(key), text(place), number(count)
    return items(*parts) + b"Q"


def tensor(size: tuple, stride: tuple, offset: int = 0, **kwargs: object) -> bytes:
    parts = storage(**kwargs), number(offset), plain(size), plain(stride), b"\x89"  # type: ignore
    return call("torch._utils", "_rebuild_tensor_v2", *parts, call("collections", "OrderedDict"))


def dtype(code: str) -> bytes:
    return call("numpy", "dtype", text(code), b"\x89", b"\x88")


def array(shape: bytes, kind: bytes, data: bytes) -> bytes:
    make = call(
        "numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), plain((0,)), text("b")
    )
    return state(make, number(1), shape, kind, b"\x89", data)


def raw(data: bytes) -> bytes:
    return call("_codecs", "encode", text(data.decode("latin1")), text("latin1"))
