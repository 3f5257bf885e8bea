"""The checkpoint that a training starts from is looked at before hours of work."""

import os

import pytest
import torch
from mmengine.config import Config

from condinst.doctor.config import _tried, _weights
from condinst.model_zoo import list_models


def status(name) -> tuple[str, str]:
    found = _tried("load_from", lambda: _weights(Config(dict(load_from=str(name)))))
    return found.status, found.value


def test_a_checkpoint_is_read(tmp_path):
    torch.save(dict(state_dict={"a": torch.zeros(2)}), tmp_path / "a.pth")
    assert status(tmp_path / "a.pth") == ("ok", f"{tmp_path}/a.pth, 1 weights")


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "pipe"])
def test_what_is_no_checkpoint_is_an_error(tmp_path, kind):
    path = tmp_path / "a.pth"
    if kind == "text":
        path.write_text("no weights")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    found, text = status(path)
    assert found == "error"
    assert "a.pth" in text


def test_what_a_run_downloads_is_not_downloaded():
    assert status(list_models()[0])[0] == "ok"
    assert status("https://example.com/a.pth")[0] == "ok"
    assert status("hf://someone/models/a.pth")[0] == "ok"
    found, text = status("hf://someone/a.pth")
    assert found == "error"
    assert "expected hf://OWNER/REPO/FILE" in text
