"""Devices of options are checked before PyTorch is imported."""

from pathlib import Path

import pytest

from condinst.cli import values
from condinst.cli.main import main
from condinst.cli.values import check_device


@pytest.mark.parametrize(
    "line", ["predict shapes a.png", "demo shapes", "info shapes --size 64 64"]
)
def test_a_gpu_without_a_driver(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def no_driver(name):
        raise OSError(name)

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
