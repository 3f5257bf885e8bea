"""Devices of options are checked before PyTorch is imported."""

from pathlib import Path

import pytest

from condinst.cli import values
from condinst.cli.main import main
from condinst.cli.values import check_amp, check_device


def no_driver(name):
    raise OSError(name)


@pytest.mark.parametrize(
    "line", ["predict shapes a.png", "demo shapes", "info shapes --size 64 64"]
)
def test_a_gpu_without_a_driver(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    monkeypatch.setattr(values.ctypes, "CDLL", no_driver)
    monkeypatch.setattr(values.os.path, "exists", lambda path: path != "/dev/kfd")
    monkeypatch.setattr(values.sys, "platform", "linux")
    for device in ("cuda", "cuda:1", "mps"):
        assert main([*line.split(), "--device", device]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith(f"error: --device {device}: ")
        assert captured.err.endswith("; --device cpu runs anywhere\n")
        assert captured.out == ""


def test_where_there_may_be_a_driver(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(values.sys, "platform", "linux")
    monkeypatch.setattr(values.ctypes, "CDLL", lambda name: None)
    check_device("cuda:0")
    monkeypatch.setattr(values.ctypes, "CDLL", None)  # must not be called
    monkeypatch.setattr(values.os.path, "exists", lambda path: path == "/dev/kfd")
    check_device("cuda")  # AMD's
    monkeypatch.setattr(values.os.path, "exists", lambda path: False)
    monkeypatch.setattr(values.sys, "platform", "win32")
    check_device("cuda")
    check_device("cpu")
    check_amp("float16")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_gpus_that_are_hidden(hidden, monkeypatch):
    monkeypatch.setattr(values.sys, "platform", "linux")
    monkeypatch.setattr(values.ctypes, "CDLL", lambda name: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with pytest.raises(ValueError, match="--device cuda: .* CUDA_VISIBLE_DEVICES hides all GPUs"):
        check_device("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    check_device("cuda")


def test_training_in_float16_without_a_driver(tmp_path, monkeypatch, capsys):
    """The name of the config would be printed before PyTorch is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(values.ctypes, "CDLL", no_driver)
    monkeypatch.setattr(values.os.path, "exists", lambda path: path != "/dev/kfd")
    monkeypatch.setattr(values.sys, "platform", "linux")
    assert main(["train", "quickstart_condinst_r18_fpn_shapes", "--amp"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: --amp float16 needs a GPU, but no driver of an NVIDIA GPU is installed here; "
        "on a CPU, use --amp bfloat16\n"
    )
    check_amp("bfloat16")
    monkeypatch.setattr(values.sys, "platform", "darwin")
    with pytest.raises(ValueError, match="--amp float16 needs a GPU, but macOS has no CUDA"):
        check_amp("float16")
