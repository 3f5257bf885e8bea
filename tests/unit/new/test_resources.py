"""Find the machine that a config is written for."""

from __future__ import annotations

import pytest

from condinst.new.resources import Machine, find_machine


def test_the_machine():
    assert find_machine("cpu", 12).memory == 12
    assert find_machine("cpu").memory > 1
    with pytest.raises(ValueError, match="--memory 0: expected 1 to 4096 GiB"):
        find_machine("cpu", 0)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_gpu_elsewhere_is_described_by_its_memory(no_gpu):
    assert find_machine("cuda", 24) == Machine("cuda", 24, 0, "a GPU of 24 GiB")


def test_no_gpu_is_told(no_gpu):
    assert find_machine().device == "cpu"
    with pytest.raises(ValueError, match="--device cuda: PyTorch finds no GPU.*--memory 24"):
        find_machine("cuda")
