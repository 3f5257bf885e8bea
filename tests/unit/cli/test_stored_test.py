"""``condinst test CHECKPOINT``: the config comes from the checkpoint, and none of it is run."""

from __future__ import annotations

import pytest
import torch

from condinst.cli.main import main
from condinst.compat.base_configs import shipped_config
from condinst.config.read import read_config_file
from condinst.model_zoo import fetch


@pytest.fixture
def save(tmp_path):
    """Save the packaged weights with another config, as training stores it."""

    def save(text: str) -> str:
        content = torch.load(fetch("shapes"), weights_only=True)
        content["meta"]["cfg"] = text
        path = tmp_path / "run" / "iter_9.pth"
        path.parent.mkdir(exist_ok=True)
        torch.save(content, path)
        return str(path)

    return save


def stored(**changes) -> str:
    cfg = read_config_file(shipped_config("quickstart_condinst_r18_fpn_shapes"))
    cfg.merge_from_dict(changes)
    return cfg.pretty_text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "annotations of its config are not here (data/shapes/annotations/instances_val.json)"),
        ({}, "; --data-root FOLDER names the dataset's folder"),
        ({"test_dataloader.dataset.ann_file": ""}, "dataset.ann_file=FILE test_dataloader.dataset"),
        ({"test_dataloader.dataset.ann_file": "http://a/b.json"}, "has ann_file='http://a/b.json'"),
        ({"test_dataloader.dataset.ann_file": 3}, "has ann_file='3'"),
        ({"test_dataloader.dataset.metainfo.classes": "names.txt"}, "that are no list of names"),
        ({"test_dataloader.dataset.type": "LVISV1Dataset"}, "and only CocoDataset is tested"),
        ({"test_dataloader.dataset.type": "os.system"}, "expected the name of a registered class"),
        ({"test_dataloader": None}, "has no test_dataloader"),
        ({"test_dataloader.dataset": [1]}, "has test_dataloader.dataset='[1]', expected a dict"),
        ({"model": None}, "expected a dict with type"),
    ],
)
def test_what_cannot_be_tested(changes, message, save, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkpoint = save(stored(**changes))
    assert main(["test", checkpoint]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: checkpoint {checkpoint}: ") or "model" in changes
    assert message in said
    assert said.count("\n") == 1


def test_a_config_that_is_a_program(save, tmp_path, capsys):
    checkpoint = save(f"import os\nos.mkdir({str(tmp_path / 'run-code')!r})")
    assert main(["test", checkpoint]) == 1
    assert "name the config as well" in capsys.readouterr().err
    assert not (tmp_path / "run-code").exists()


def test_a_folder_that_is_not_there(save, capsys):
    assert main(["test", save("a = 1"), "--data-root", "nowhere"]) == 1
    assert capsys.readouterr().err == "error: --data-root nowhere: no such folder\n"
