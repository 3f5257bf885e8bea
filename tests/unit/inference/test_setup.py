"""Messages about the config in a checkpoint."""

import re

import numpy as np
import pytest
import torch
from commands import SMALL
from small_detector import small_config, small_detector

from condinst.config.read import read_config_file
from condinst.inference.setup import build, find_device, load


def test_a_stored_config_is_named_by_its_checkpoint(tmp_path):
    cfg = read_config_file(SMALL)
    cfg.model.backbone.depth = "x"
    file = tmp_path / "strange.pth"
    torch.save({"meta": {"cfg": cfg.pretty_text}, "state_dict": {}}, file)
    message = re.escape(f"config {file}: model.backbone.depth='x'")
    with pytest.raises(ValueError, match=message):
        load(None, file)


def test_no_model_at_all():
    with pytest.raises(ValueError, match=r"^config=None: expected a model: a name \(condinst.list"):
        load(None, None)


def test_the_averaged_weights_are_those_of_the_model(tmp_path):
    """With EMAHook, state_dict has the average, and ema_state_dict what is trained.

    Predictor and the export build their models like that.
    """
    cfg = small_config()
    averaged = small_detector(cfg).state_dict()
    trained = {f"module.{name}": torch.zeros_like(value) for name, value in averaged.items()}
    file = tmp_path / "averaged.pth"
    torch.save({"state_dict": averaged, "ema_state_dict": trained}, file)
    model = build(*load(cfg, file))
    found = model.state_dict()
    assert found.keys() == averaged.keys()
    assert all(torch.equal(found[name], value) for name, value in averaged.items())


@pytest.mark.parametrize("value", [3, b"a.py", {}, "", np.zeros((4, 4, 3))])
def test_what_is_no_model(value):
    for name, arguments in (("config", (value, None)), ("checkpoint", ("a.py", value))):
        with pytest.raises((TypeError, ValueError), match=rf"^{name}=.*: expected [^\n]*$"):
            load(*arguments)


def test_a_device_in_the_place_of_a_checkpoint():
    with pytest.raises(ValueError, match=r"^checkpoint='cuda:1': .* did you mean device='cuda:1'"):
        load("nuclei", "cuda:1")


@pytest.mark.parametrize(
    ("device", "error", "message"),
    [
        (
            "cuda",
            "Found no NVIDIA driver on your system. Please check that you have",
            "no driver of an NVIDIA GPU is installed here; device='cpu' runs anywhere",
        ),
        (
            1,
            "CUDA error: invalid device ordinal\nCUDA kernel errors",
            "PyTorch finds only cuda:0; ",
        ),
        ("cuda:0", "out of memory\nmore", "out of memory; device='cpu' runs anywhere"),
        ("mps", "Could not run 'aten::empty.memory_format' with", "this PyTorch or this machine "),
    ],
)
def test_a_device_that_is_not_there(monkeypatch, device, error, message):
    def empty(*_, **__):
        raise RuntimeError(error)

    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=rf"^device={device!r}: {message}[^\n]*$"):
        find_device(device)


def test_what_names_no_device():
    for device, hint in (("gpu0", "; did you mean cuda:0?"), ("meta", "; meta computes nothing")):
        text = f"device={device!r}: expected cpu, cuda or cuda:N{hint}"
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            find_device(device)
