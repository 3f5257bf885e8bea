"""Hostile checkpoints: pickles that would run code, break memory or never end, by name.

Each is the value of a checkpoint's ``meta``, written instruction by instruction, since Python's own
pickler would not write them.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

MAGIC = 0x1950A86A20F9469CFC6C
MARK = "payload_was_here"  # a file that code payloads make in the current folder
NEST = 200_000


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


_TOUCH = f"open({MARK!r}, 'w')"
_SHELL = f"touch {MARK}"
_OBJECT_STATE = (number(3), text("|"), b"N", b"N", b"N", number(-1), number(-1), number(63))
_FIELDS = plain(("a",)), b"}" + text("a") + items(dtype("O8"), number(0)) + b"s"


def code() -> dict[str, bytes]:
    """Would run code, import modules, open or remove files."""
    calls: dict[str, tuple[str, str, tuple[bytes, ...]]] = {
        "os.system": ("os", "system", (text(_SHELL),)),
        "posix.system": ("posix", "system", (text(_SHELL),)),
        "subprocess": ("subprocess", "call", (plain(["touch", MARK]),)),
        "eval": ("builtins", "eval", (text(_TOUCH),)),
        "exec": ("builtins", "exec", (text(_TOUCH),)),
        "python 2's eval": ("__builtin__", "eval", (text(_TOUCH),)),
        "open": ("builtins", "open", (text(MARK), text("w"))),
        "io.open": ("io", "open", (text(MARK), text("w"))),
        "__import__": ("builtins", "__import__", (text("antigravity"),)),
        "import_module": ("importlib", "import_module", (text("antigravity"),)),
        "runpy": ("runpy", "run_path", (text("code.py"),)),
        "marshal": ("marshal", "loads", (raw(b"N"),)),
        "pickle.loads": ("pickle", "loads", (raw(b"cos\nsystem\n."),)),
        "_pickle.loads": ("_pickle", "loads", (raw(b"cos\nsystem\n."),)),
        "functools.partial": ("functools", "partial", (name("os", "system"), text(_SHELL))),
        "operator": ("operator", "methodcaller", (text("system"), text(_SHELL))),
        "rmtree": ("shutil", "rmtree", (text("victim"),)),
        "os.remove": ("os", "remove", (text("victim/file"),)),
        "sys.exit": ("sys", "exit", (number(0),)),
        "types.FunctionType": ("types", "FunctionType", (b"N", b"}")),
        "codecs.decode": ("_codecs", "decode", (raw(b""), text("zip_codec"))),
        "zip codec": ("_codecs", "encode", (text("a"), text("zip_codec"))),
        "getattr": ("builtins", "getattr", (name("os", "path"), text("os"))),
        "getattr of a class": (
            "builtins",
            "getattr",
            (name("mmengine.logging.history_buffer", "HistoryBuffer"), text("__init__")),
        ),
        "getattr of an array": ("builtins", "getattr", (name("numpy", "ndarray"), text("tofile"))),
        "torch.load": ("torch", "load", (text("code.pth"),)),
        "torch.serialization.load": ("torch.serialization", "load", (text("code.pth"),)),
        "torch.save": ("torch", "save", (number(1), text(MARK))),
        "torch.hub": ("torch.hub", "load", (text("."), text("code"))),
        "torch.jit.load": ("torch.jit", "load", (text("code.pt"),)),
        "torch.package": ("torch.package", "PackageImporter", (text("code.pt"),)),
        "torch.from_file": ("torch", "from_file", (text(MARK), b"\x88", number(4))),
        "torch._C": ("torch._C", "_load_for_lite_interpreter", (text("code.pt"),)),
        "cpp_extension": ("torch.utils.cpp_extension", "load_inline", (text("x"), text("y"))),
        "from_type": (
            "torch._tensor",
            "_rebuild_from_type_v2",
            (name("os", "system"), name("torch", "Tensor"), items(text(_SHELL)), b"N"),
        ),
        "storage of a file": ("torch.storage", "UntypedStorage.from_file", (text(MARK), b"\x88")),
        "numpy.load": ("numpy", "load", (text("code.npy"),)),
        "numpy.memmap": ("numpy", "memmap", (text(MARK), text("u1"), text("w+"))),
        "numpy.savetxt": ("numpy", "savetxt", (text(MARK), plain([1]))),
        "numpy's runstring": (
            "numpy.testing._private.utils",
            "runstring",
            (text(_TOUCH), b"}"),
        ),
        "mmengine.load": ("mmengine", "load", (text("code.pkl"),)),
        "Config": ("mmengine.config", "Config.fromstring", (text(_TOUCH), text(".py"))),
        "build": ("mmengine.registry", "build_from_cfg", (plain({"type": "os.getcwd"}), b"N")),
        "webbrowser": ("webbrowser", "open", (text("file:///dev/null"),)),
    }
    found = {key: call(module, attr, *args) for key, (module, attr, args) in calls.items()}
    return found | {
        "instruction INST": b"(" + text(_SHELL) + b"ios\nsystem\n",
        "instruction OBJ": b"(" + name("os", "system") + text(_SHELL) + b"o",
        "instruction NEWOBJ_EX": name("os", "system") + items(text(_SHELL)) + b"}\x92",
        "instruction STACK_GLOBAL": text("os")
        + text("system")
        + b"\x93"
        + items(text(_SHELL))
        + b"R",
        "instruction EXT1": b"\x82\x01",
        "instruction PERSID": b"Pos.system\n",
        "a history without content": name("mmengine.logging.history_buffer", "HistoryBuffer")
        + b")\x81",
        "a stored function": call(
            "builtins",
            "getattr",
            name("mmengine.logging.history_buffer", "HistoryBuffer"),
            text("mean"),
        )
        + items(number(1))
        + b"R",
        "a class of the list changed": name("mmengine.logging.history_buffer", "HistoryBuffer")
        + items(b"N", b"}" + text("mean") + number(1) + b"s")
        + b"b",
        "a function of the list changed": name("torch._utils", "_rebuild_tensor_v2")
        + items(b"N", b"}" + text("__defaults__") + items(number(1)) + b"s")
        + b"b",
        "a module's container": items(
            text("module"), name("collections", "OrderedDict"), text("a"), text("b")
        )
        + b"Q",
    }


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


def contents() -> dict[str, object]:
    """Plain data where something else belongs, as whole checkpoints."""
    weights = {"w": torch.ones(1)}
    return {
        "weights of text": {"state_dict": {"w": "text"}},
        "weights without names": {"state_dict": {1: torch.ones(1)}},
        "a list of weights": {"state_dict": [torch.ones(1)]},
        "a name of a million": {"state_dict": {"w" * 1_000_000: torch.ones(1)}},
        "an average of text": {"state_dict": weights, "ema_state_dict": "text"},
        "an average of texts": {"state_dict": weights, "ema_state_dict": {"w": "text"}},
        "an optimizer of text": {"state_dict": weights, "optimizer": "text"},
        "a message hub of text": {"state_dict": weights, "message_hub": "text"},
        "schedulers of text": {"state_dict": weights, "param_schedulers": "text"},
        "meta of text": {"state_dict": weights, "meta": "text"},
        "a seed of text": {"state_dict": weights, "meta": {"seed": "one"}},
        "classes of a number": {"state_dict": weights, "meta": {"dataset_meta": {"classes": 5}}},
        "classes of numbers": {"state_dict": weights, "meta": {"CLASSES": [1, 2]}},
        "a list": [1],
        "a number": 1,
    }


def checkpoint(meta: bytes) -> bytes:
    """The pickle of a checkpoint with this value as its ``meta``."""
    weights = text("state_dict") + b"}" + text("w") + tensor((4,), (1,)) + b"ss"
    return b"\x80\x02}" + weights + text("meta") + meta + b"s."


def write_zip(path: Path, data: bytes, **members: bytes) -> None:
    """As ``torch.save`` has written since torch 1.6."""
    named = {"data.pkl": data, "byteorder": b"little", "data/0": bytes(16), "version": b"3\n"}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (named | members).items():
            archive.writestr(f"archive/{member}", content)


def write_legacy(path: Path, data: bytes) -> None:
    """As ``torch.save`` wrote before."""
    data = data.replace(b"tQ", b"NtQ")
    info = {"little_endian": True, "protocol_version": 1001, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, info))
    storages = pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)
    path.write_bytes(head + data + storages)


def write_all(folder: Path, quick: bool) -> Iterator[tuple[str, Path]]:
    """Every payload in both formats of torch and as a plain pickle; yields names and paths.

    Args:
        quick: those that take long in one format only.
    """
    long = size()
    everything = code() | arrays() | tensors() | long
    for number_, (key, meta) in enumerate(everything.items()):
        for kind in ("zip",) if quick and key in long else ("zip", "legacy", "pkl"):
            path = folder / f"{number_}_{kind}.{'pkl' if kind == 'pkl' else 'pth'}"
            if kind == "zip":
                write_zip(path, checkpoint(meta))
            elif kind == "legacy":
                write_legacy(path, checkpoint(meta))
            else:
                path.write_bytes(b"\x80\x02}" + text("model") + b"}" + text("w") + meta + b"ss.")
            yield f"{key}, {kind}", path
    for number_, (key, content) in enumerate(contents().items()):
        for new in (True, False):
            path = folder / f"content_{number_}_{new}.pth"
            torch.save(content, path, _use_new_zipfile_serialization=new)
            yield f"{key}, {'zip' if new else 'legacy'}", path


def prepare(folder: Path) -> None:
    """What code payloads find in the current folder: files to run and a folder to remove."""
    (folder / "victim").mkdir()
    (folder / "victim" / "file").write_text("whole")
    (folder / "code.py").write_text(f"open({MARK!r}, 'w')\n")
    (folder / "hubconf.py").write_text(f"def code():\n    open({MARK!r}, 'w')\n")
    bomb = call("os", "system", text(_SHELL))
    for file in ("code.pkl", "code.npy"):
        (folder / file).write_bytes(b"\x80\x02" + bomb + b".")
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), buffer)
    (folder / "code.pt").write_bytes(buffer.getvalue())
    write_zip(folder / "code.pth", b"\x80\x02" + bomb + b".")
