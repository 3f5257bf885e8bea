"""What checkpoints hold comes back as it was: the list is not too short."""

from __future__ import annotations

import argparse
import io
import pickle
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import payloads
import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from condinst.compat.checkpoint import load_from_local
from condinst.compat.restricted_pickle import Limits, Unpickler


@pytest.fixture(params=["zip", "legacy", "torch"])
def turn(request, tmp_path):
    """Write a value and read it back, by our reader in both formats, and by torch's."""

    def turn(value):
        path = tmp_path / "value.pth"
        torch.save({"value": value}, path, _use_new_zipfile_serialization=request.param != "legacy")
        if request.param == "torch":
            return torch.load(path, weights_only=True)["value"]
        return load_from_local(str(path), "cpu")["value"]

    turn.reader = request.param
    return turn


@pytest.mark.parametrize("code", ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4",
                                  "f8", "c8", "c16", "S3", "U3", ">i4", ">f8", ">U2"])  # fmt: skip
def test_arrays(turn, code):
    expected = (np.arange(6).reshape(2, 3) % 2).astype(code)
    for array in (
        expected,
        np.asfortranarray(expected),
        expected[:, :0],
        expected[:1, :1].reshape(()),
    ):
        found = turn(array)
        assert isinstance(found, np.ndarray)
        assert found.dtype == array.dtype.newbyteorder("=")  # as numpy does it
        assert np.array_equal(found, array)
        if turn.reader != "torch":
            assert type(found) is np.ndarray
            found[...] = array  # memory of its own


@pytest.mark.parametrize("value", [np.float64(0.1), np.float32(0.1), np.int64(-3), np.bool_(True),
                                   np.str_("abc"), np.complex64(1 + 2j)])  # fmt: skip
def test_numpy_s_numbers(turn, value):
    found = turn(value)
    assert type(found) is type(value)
    assert found == value


def test_an_array_read_by_torch_is_written_as_numpy_s(tmp_path):
    torch.save({"a": np.arange(3)}, tmp_path / "a.pth")
    found = torch.load(tmp_path / "a.pth", weights_only=True)["a"]
    assert type(pickle.loads(pickle.dumps(found))) is np.ndarray


def test_histories(turn):
    expected = HistoryBuffer([1.0, 2.0, 4.5], [1, 1, 2], max_length=10)
    found = turn(expected)
    assert type(found) is HistoryBuffer
    assert found.max_length == 10
    assert found.data[0].tolist() == [1.0, 2.0, 4.5]
    assert found.statistics("mean") == expected.mean()
    found.update(3.0)
    assert found.current() == 3.0


@pytest.mark.parametrize("reader", ["ours", "torch"])
def test_a_history_brings_no_functions(tmp_path, reader):
    """mmengine's takes them for all buffers of the process."""
    numbers = payloads.plain(np.array([1.0, 3.0]))
    kind = payloads.name("mmengine.logging.history_buffer", "HistoryBuffer")
    function = payloads.call("builtins", "getattr", kind, payloads.text("max"))
    state = {
        "_log_history": numbers,
        "_count_history": numbers,
        "max_length": payloads.number(10),
        "statistics_methods": b"}" + payloads.text("mean") + function + b"s",
    }
    members = b"".join(payloads.text(key) + value + b"s" for key, value in state.items())
    path = tmp_path / "history.pth"
    payloads.write_zip(
        path, payloads.checkpoint(b"}" + payloads.text("h") + kind + b")\x81}" + members + b"bs")
    )
    content = (
        load_from_local(str(path)) if reader == "ours" else torch.load(path, weights_only=True)
    )
    assert content["meta"]["h"].statistics("mean") == 1.0  # (1 + 3) / (1 + 3)
    assert HistoryBuffer._statistics_methods["mean"] is HistoryBuffer.mean


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", "int64", "int32",
                                  "int16", "int8", "uint8", "bool", "complex64", "float8_e4m3fn",
                                  "uint16"])  # fmt: skip
def test_tensors(turn, name):
    dtype = getattr(torch, name, None)
    if dtype is None:
        pytest.skip(f"this torch has no {name}")
    if turn.reader == "legacy" and name in ("float8_e4m3fn", "uint16"):
        pytest.skip("torch itself cannot read these from its older format")
    expected = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype)
    for tensor in (expected, expected.t(), expected[:, 1:], expected[:0], expected[0, 0]):
        found = turn(tensor)
        assert found.dtype == dtype
        assert found.shape == tensor.shape
        assert found.stride() == tensor.stride()
        assert torch.equal(found.to(torch.complex64), tensor.to(torch.complex64))


def test_tensors_that_share_a_storage_still_do(turn):
    first = torch.zeros(6)
    found = turn([first, first[2:4], first.view(2, 3)])
    found[0].fill_(1)
    assert found[1].tolist() == [1.0, 1.0]
    assert found[2].sum() == 6


def test_an_expanded_tensor(turn):
    found = turn(torch.ones(1).expand(1000))
    assert found.shape == (1000,)
    assert found.stride() == (0,)


def test_parameters_and_state_dicts(turn):
    layer = nn.BatchNorm2d(2)
    found = turn({"p": layer.weight, "s": layer.state_dict()})
    assert isinstance(found["p"], nn.Parameter)
    assert found["p"].requires_grad
    assert type(found["s"]) is OrderedDict
    assert found["s"]._metadata == layer.state_dict()._metadata
    nn.BatchNorm2d(2).load_state_dict(found["s"])


def test_plain_values(turn):
    expected = {
        "none": None, "numbers": [1, -1, 2**40, 0.5, 1e300, 1 + 2j, True], "text": "Ä 字",
        "bytes": b"\x00\xff", "array": bytearray(b"ab"), "set": {1, 2}, "tuple": (1, (2, 3)),
        "counter": Counter("aab"), "ordered": OrderedDict(a=1), "size": torch.Size([1, 2]),
        "dtype": torch.float16, "device": torch.device("cpu"), 3: "key", (1, "a"): "key",
        "nan": [float("nan"), float("inf")],
    }  # fmt: skip
    found = turn(expected)
    assert repr(found) == repr(expected)


def test_the_arguments_of_timm_s_training(tmp_path):
    torch.save({"args": argparse.Namespace(lr=0.1, names=["a"])}, tmp_path / "timm.pth")
    found = load_from_local(str(tmp_path / "timm.pth"))["args"]
    assert found == argparse.Namespace(lr=0.1, names=["a"])


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_every_protocol(protocol):
    expected = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": [np.float32(2)],
        "c": {"d": b"\xff"},
        "e": {1},
    }
    data = pickle.dumps(expected, protocol)
    found = Unpickler(io.BytesIO(data), encoding="latin1", limits=Limits(len(data), {})).load()
    assert np.array_equal(found.pop("a"), expected.pop("a"))
    assert found == expected


def test_safetensors_are_read(tmp_path: Path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file({"w": torch.ones(2)}, tmp_path / "a.safetensors")
    assert load_from_local(str(tmp_path / "a.safetensors"))["w"].tolist() == [1.0, 1.0]
    (tmp_path / "b.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"b\.safetensors: cannot be read as a checkpoint"):
        load_from_local(str(tmp_path / "b.safetensors"))


def test_a_reader_that_is_forced_to_be_torch_s(tmp_path, monkeypatch):
    torch.save({"a": np.arange(3), "h": HistoryBuffer([1.0], [1])}, tmp_path / "a.pth")
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    assert load_from_local(str(tmp_path / "a.pth"))["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("turn", ["zip", "legacy"], indirect=True)
@pytest.mark.parametrize("key", [(1 << 61) - 1 << 70, -(1 << 64), (1, 1 << 30), (1, 2, 3), 1 + 2j])
def test_a_key_that_can_be_chosen_to_collide_is_refused(turn, key):
    """120,000 multiples of 2**61 - 1 have one hash: a dict of them takes minutes."""
    with pytest.raises(ValueError, match="as a key"):
        turn({key: None})


def test_usual_keys_pass(turn):
    expected = {-1: 0, (1 << 63) - 1: 1, "a": 2, b"b": 3, None: 4, True: 5, ("a", 7): 6, 0.5: 7}
    assert turn(expected) == expected
