"""Hostile checkpoints: pickles that would run code, break memory or never end, by name.

Each is the value of a checkpoint's ``meta``.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from memory_payloads import HARMLESS, arrays, size, tensors  # noqa: F401
from pickle_words import call, items, name, number, plain, raw, tensor, text

MAGIC = 0x1950A86A20F9469CFC6C
MARK = "payload_was_here"  # a file that code payloads make in the current folder


_TOUCH = f"open({MARK!r}, 'w')"
_SHELL = f"touch {MARK}"


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
