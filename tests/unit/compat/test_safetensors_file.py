"""Checkpoints as safetensors: whole round trips, and hostile files in one line."""

import json
import struct

import numpy as np
import pytest
import safetensors.torch
import torch

from condinst.checkpoints.weight_files import read
from condinst.compat.checkpoint import load_from_local
from condinst.compat.safetensors_file import safetensors_bytes


def file_of(header: object, data: bytes = b"") -> bytes:
    """A file of the format, by its description: length, JSON, bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, place, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": place}


def test_weights_and_meta_come_back(tmp_path):
    shared = torch.arange(6.0)
    weights = {"a": shared, "b": shared.view(2, 3).t(), "c": torch.tensor(7), "d": torch.ones(0, 3)}
    weights |= {"e": torch.ones(2, dtype=torch.bfloat16), "f": torch.tensor([True, False])}
    meta = {"cfg": "a = 1\n", "dataset_meta": {"classes": ("cell", "\u00e9")}, "score_thr": 0.25}
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_bytes(weights, meta))
    content = load_from_local(str(path))
    assert content["meta"] == meta | {"dataset_meta": {"classes": ["cell", "\u00e9"]}}
    assert content["state_dict"].keys() == weights.keys()
    for name, tensor in weights.items():
        assert content["state_dict"][name].dtype == tensor.dtype
        assert torch.equal(content["state_dict"][name], tensor), name
    # the package's own reader agrees
    assert torch.equal(safetensors.torch.load_file(path)["b"], shared.view(2, 3).t())
    path.write_bytes(b"")  # the tensors are copies
    assert content["state_dict"]["a"].tolist() == shared.tolist()


def test_files_of_others_are_read_by_any_name(tmp_path):
    data = file_of({"w": entry([2], [0, 8])}, np.array([1, 2], "<f4").tobytes())
    for name in ("a.safetensors", "a.pth", "a"):
        (tmp_path / name).write_bytes(data)
        assert load_from_local(str(tmp_path / name))["w"].tolist() == [1, 2]
        assert read(tmp_path / name).weights["w"].tolist() == [1, 2]


HOSTILE = {
    "empty": b"",
    "short": b"\x10\0\0",
    "a pickle": b"\x80\x02}q\0.",
    "cut": file_of({"w": entry([2], [0, 8])}, bytes(7)),
    "longer": file_of({"w": entry([2], [0, 8])}, bytes(9)),
    "overlapping": file_of({"v": entry([2], [0, 8]), "w": entry([2], [0, 8])}, bytes(8)),
    "behind the end": file_of({"w": entry([2], [1 << 40, (1 << 40) + 8])}, bytes(8)),
    "a wrong shape": file_of({"w": entry([3], [0, 8])}, bytes(8)),
    "a huge shape": file_of({"w": entry([1 << 62, 1 << 62], [0, 0])}),
    "negative": file_of({"w": entry([-2], [0, 8])}, bytes(8)),
    "an unknown type": file_of({"w": entry([2], [0, 8], "X32")}, bytes(8)),
    "no json": file_of(b"{" * 20),
    "deep json": file_of(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a huge header": struct.pack("<Q", 90 << 20) + b"{" + bytes(100),
    "an endless header": b"\xff" * 8 + b"{",
    "a name twice": file_of(
        b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)
    ),
    "meta of numbers": file_of({"__metadata__": {"condinst": 1}}),
    "meta without JSON": file_of({"__metadata__": {"condinst": "{"}}),
    "meta of a list": file_of({"__metadata__": {"condinst": "[]"}}),
    "deep meta": file_of({"__metadata__": {"condinst": "[" * 100_000}}),
    "a long number": file_of({"__metadata__": {"condinst": '{"a": ' + "9" * 5000 + "}"}}),
    "wrong classes": file_of(
        {"__metadata__": {"condinst": '{"dataset_meta": {"classes": [1, 2]}}'}}
    ),
    "a long name": file_of({"w" * 2000: entry([0], [0, 0]), "__metadata__": {"condinst": "{}"}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_one_line(kind, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(HOSTILE[kind])
    for reader in (lambda: load_from_local(str(path)), lambda: read(path)):
        with pytest.raises(ValueError, match=r"a\.safetensors: (cannot be read|not a)") as caught:
            reader()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600


def test_meta_that_is_not_plain_is_not_written():
    with pytest.raises(TypeError):
        safetensors_bytes({}, {"a": torch.ones(1)})
