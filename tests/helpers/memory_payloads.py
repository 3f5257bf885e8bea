"""Pickles that would read or write memory that is not theirs, or take all of it, by name."""

from __future__ import annotations

import struct

from pickle_words import (
    array,
    call,
    dtype,
    items,
    name,
    number,
    plain,
    raw,
    state,
    storage,
    tensor,
    text,
)

NEST = 200_000
_OBJECT_STATE = (number(3), text("|"), b"N", b"N", b"N", number(-1), number(-1), number(63))
_FIELDS = plain(("a",)), b"}" + text("a") + items(dtype("O8"), number(0)) + b"s"


def arrays() -> dict[str, bytes]:
    """Would read or write memory that is not theirs, through numpy."""
    eight = raw(b"\x41" * 8)
    integers = dtype("i8")
    return {
        "an array over a buffer": call("numpy", "ndarray", plain((1,)), integers, eight),
        "objects over a buffer": call("numpy", "ndarray", plain((1,)), dtype("O8"), eight),
        "objects by letter": call("numpy", "ndarray", plain((1,)), text("O"), eight),
        "an array with strides": call(
            "numpy", "ndarray", plain((9,)), integers, eight, number(0), plain((1 << 40,))
        ),
        "objects from bytes": array(plain((1,)), dtype("O8"), eight),
        "objects from a list": array(plain((1,)), dtype("O8"), plain([1])),
        "objects as fields": array(plain((1,)), call("numpy", "dtype", plain([("a", "O")])), eight),
        "objects as fields by state": array(
            plain((1,)),
            state(
                dtype("V8"), number(3), text("|"), b"N", *_FIELDS, number(8), number(1), number(0)
            ),
            eight,
        ),
        "objects as fields of integers": array(
            plain((1,)),
            state(integers, number(3), text("<"), b"N", *_FIELDS, number(8), number(8), number(0)),
            eight,
        ),
        "objects as a sub-array": array(
            plain((1,)),
            state(
                dtype("V8"),
                *(number(3), text("|"), items(dtype("O8"), plain((1,))), b"N", b"N"),
                *(number(8), number(1), number(0)),
            ),
            eight,
        ),
        "a type with metadata": array(
            plain((1,)),
            state(
                integers,
                *(number(4), text("<"), b"N", b"N", b"N", number(-1), number(-1), number(0)),
                b"}" + text("a") + number(1) + b"s",
            ),
            eight,
        ),
        "a type with another size": array(
            plain((1,)),
            state(
                integers,
                *(number(3), text("<"), b"N", b"N", b"N", number(1 << 20), number(8), number(0)),
            ),
            eight,
        ),
        "a scalar of an object": call("numpy.core.multiarray", "scalar", dtype("O8"), eight),
        "a scalar of numpy's object": call(
            "numpy.core.multiarray", "scalar", state(dtype("O8"), *_OBJECT_STATE), number(1)
        ),
        "a scalar of too few bytes": call("numpy.core.multiarray", "scalar", integers, raw(b"1")),
        "a shape beyond the bytes": array(plain((1 << 30,)), integers, eight),
        "a shape that overflows": array(plain((1 << 33, 1 << 33)), integers, eight),
        "a negative shape": array(plain((-1,)), integers, eight),
        "a shape of text": array(plain(("1",)), integers, eight),
        "text beyond Unicode": array(plain((1,)), dtype("U1"), raw(b"\xff\xff\xff\x7f")),
        "truth values of 7": array(plain((1,)), dtype("b1"), raw(b"\x07")),
        "the state of an array twice": state(
            array(plain((1,)), integers, eight),
            *(number(1), plain((1 << 30,)), integers, b"\x89", eight),
        ),
        "frombuffer of objects": call(
            "numpy.core.numeric", "_frombuffer", eight, dtype("O8"), plain((1,)), text("C")
        ),
    }


def tensors() -> dict[str, bytes]:
    """Would read or write memory that is not theirs, or take all of it, through torch."""
    eight = raw(b"\x41" * 8)
    return {
        "a tensor beyond its storage": tensor((1 << 20,), (1,)),
        "a tensor far beyond its storage": tensor((1 << 45,), (1,)),
        "a stride beyond its storage": tensor((2, 2), (1 << 30, 1)),
        "an offset beyond its storage": tensor((1,), (1,), 1 << 30),
        "a negative offset": tensor((1,), (1,), -8),
        "a negative stride": tensor((2,), (-8,)),
        "a negative size": tensor((-1,), (1,)),
        "sizes that overflow": tensor((1 << 33, 1 << 33), (0, 0)),
        "more sizes than strides": tensor((2, 2), (1,)),
        "a thousand dimensions": tensor((1,) * 1000, (1,) * 1000),
        "an expanded tensor of a terabyte": tensor((1 << 38,), (0,)),
        "a storage beyond its record": tensor((4096,), (1,), count=4096),
        "a storage far beyond its record": tensor((1,), (1,), count=1 << 45),
        "a storage without a record": tensor((4,), (1,), key="1"),
        "a storage by a path": tensor((4,), (1,), key="../data.pkl"),
        "a storage of a strange type": tensor((4,), (1,), kind="Size"),
        "a negative storage": tensor((0,), (1,), count=-4),
        "a meta storage": tensor((4,), (1,), place="meta"),
        "a storage by itself": storage(),
        "a meta tensor": call(
            "torch._utils",
            "_rebuild_meta_tensor_no_storage",
            name("torch", "float32"),
            plain((1 << 40,)),
            plain((1,)),
            b"\x89",
        ),  # fmt: skip
        "a tensor of an array": call(
            "torch._utils",
            "_rebuild_device_tensor_from_numpy",
            eight,
            name("torch", "float32"),
            text("cpu"),
            b"\x89",
        ),  # fmt: skip
        "a wrapped tensor": call(
            "torch._utils",
            "_rebuild_wrapper_subclass",
            name("torch", "Tensor"),
            name("torch", "float32"),
            plain((1 << 40,)),
            plain((1,)),
            number(0),
            b"N",
            text("cpu"),
            b"\x89",
        ),  # fmt: skip
        "a sparse tensor": call(
            "torch._utils",
            "_rebuild_sparse_tensor",
            call("torch.serialization", "_get_layout", text("torch.sparse_coo")),
            items(tensor((1, 4), (4, 1)), tensor((4,), (1,)), plain((1 << 40,))),
        ),  # fmt: skip
        "a quantized tensor": call(
            "torch._utils",
            "_rebuild_qtensor",
            storage(),
            number(0),
            plain((1 << 40,)),
            plain((1,)),
            items(name("torch", "per_tensor_affine"), plain(0.1), number(0)),
            b"\x89",
            b"}",
        ),  # fmt: skip
        "a nested tensor": call(
            "torch._utils",
            "_rebuild_nested_tensor",
            tensor((4,), (1,)),
            tensor((4,), (1,)),
            tensor((4,), (1,)),
            tensor((4,), (1,)),
        ),  # fmt: skip
        "a tensor by its class": call("torch", "FloatTensor", number(1 << 40)),
        "an untyped storage": call("torch", "UntypedStorage", number(1 << 45)),
        "a typed storage": call("torch.storage", "TypedStorage", number(1 << 40)),
        "a tensor's state": call("torch", "Tensor")
        + items(storage(), number(0), plain((1 << 40,)), plain((1,)))
        + b"b",
        "hooks of a tensor": call(
            "torch._utils",
            "_rebuild_tensor_v2",
            storage(),
            number(0),
            plain((4,)),
            plain((1,)),
            b"\x88",
            b"}" + number(1) + name("torch._utils", "_rebuild_tensor") + b"s",
        ),  # fmt: skip
        "a dict with methods": call("collections", "OrderedDict")
        + (b"}" + text("items") + name("torch._utils", "_rebuild_tensor") + b"s")
        + b"b",
    }


def size() -> dict[str, bytes]:
    """Would take all memory, all time, or the stack of C."""
    ball = b"]q\x00" + b"".join(
        b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(60)
    )
    return {
        "nested lists": b"]" * NEST + b"a" * (NEST - 1),
        "nested tuples": b")" + b"\x85" * NEST,
        "nested tuples as a key": b"})" + b"\x85" * NEST + b"Ns",
        "nested tuples in a set": call("builtins", "set", b"])" + b"\x85" * NEST + b"a"),
        "keys of one hash": b"}("
        + b"".join(
            b"\x8a\x0c" + (i * ((1 << 61) - 1)).to_bytes(12, "little") + b"N"
            for i in range(120_000)
        )
        + b"u",
        "a tuple of large numbers as a key": b"}(K\x01J\x00\x00\x00\x40\x86Nu",
        "a complex number as a key": b"}(" + call("builtins", "complex", b"K\x01K\x02\x86") + b"Nu",
        "a list that holds itself": b"]q\x00h\x00a",
        "a dict that holds itself": b"}q\x00" + text("a") + b"h\x00s",
        "lists of lists of lists": b"(" + ball + b"l",
        "a name of lists of lists": b"(" + ball + b"l0" + call("numpy", "dtype", b"h\x3c"),
        "a million empty sets": b"](" + b"\x8f" * 1_100_000 + b"e",
        "many values": b"](" + b"N" * 1_100_000 + b"e",
        "a huge index of the memo": b"Nr\xff\xff\xff\xff",
        "a huge frame": b"\x95" + struct.pack("<Q", 1 << 50) + b"N",
        "a huge text": b"X" + struct.pack("<I", 0xFFFFFFFF) + b"a",
        "a huge text of 8 bytes": b"\x8d" + struct.pack("<Q", 1 << 50) + b"a",
        "huge bytes": b"\x8e" + struct.pack("<Q", 1 << 50) + b"a",
        "a huge byte array": b"\x96" + struct.pack("<Q", 1 << 50) + b"a",
        "a huge integer": b"\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"a",
        "an integer of many digits": b"\x8b" + struct.pack("<i", 5000) + b"\x01" * 5000,
        "digits": b"I" + b"9" * 100_000 + b"\n",
        "a byte array by number": call("builtins", "bytearray", number(1 << 45)),
        "copies of bytes": items(text("a" * 100_000), text("latin1"))
        + b"q\x010]("
        + (name("_codecs", "encode") + b"h\x01R") * 50_000
        + b"e",
        "half a character": text("\ud800"),
        "no stack": b"R",
        "no mark": b"e",
    }


HARMLESS = {"a huge index of the memo", "a huge frame"}  # these load, and take nothing
