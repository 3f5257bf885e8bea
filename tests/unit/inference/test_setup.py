"""Messages about the config in a checkpoint."""

import re

import pytest
import torch
from commands import SMALL

from condinst.config.read import read_config_file
from condinst.inference.setup import load


def test_a_stored_config_is_named_by_its_checkpoint(tmp_path):
    cfg = read_config_file(SMALL)
    cfg.model.backbone.depth = "x"
    file = tmp_path / "strange.pth"
    torch.save({"meta": {"cfg": cfg.pretty_text}, "state_dict": {}}, file)
    message = re.escape(f"config {file}: model.backbone.depth='x'")
    with pytest.raises(ValueError, match=message):
        load(None, file)


def test_no_model_at_all():
    with pytest.raises(ValueError, match=r"^expected a model: a name \(condinst list\), a check"):
        load(None, None)
