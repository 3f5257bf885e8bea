"""``condinst test CHECKPOINT``: the config comes from the checkpoint, and none of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from condinst.cli.main import main
from condinst.cli.stored_test import read_stored_config
from condinst.cli.test import main as evaluate_command
from condinst.compat.base_configs import shipped_config
from condinst.config.check import TEST
from condinst.config.read import read_config_file
from condinst.datasets.shapes.generator import make_shapes
from condinst.model_zoo import fetch


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, num_train=2, num_val=6)
    return folder


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


def test_the_numbers_are_those_of_config_and_checkpoint(data, save, tmp_path):
    # the same numbers, although the metric has another setting than ours by default
    text = stored(**{"test_evaluator.classwise": True})
    config = tmp_path / "config.py"
    config.write_text(text)
    checkpoint = save(text)
    common = ["--data-root", str(data), "--work-dir", str(tmp_path / "out")]
    expected = evaluate_command([str(config), checkpoint, *common])
    assert expected["coco/segm_mAP"] > 0.3
    assert evaluate_command([checkpoint, *common]) == expected


def test_the_settings_of_the_stored_config(data, save):
    checkpoint = save(stored(**{"test_dataloader.batch_size": 3, "test_evaluator.classwise": True}))
    cfg = read_stored_config(checkpoint, {"data_root": str(data)}, TEST)
    expected = Config.fromfile(str(shipped_config("quickstart_condinst_r18_fpn_shapes")))
    assert cfg.test_dataloader.batch_size == 3
    dataset = cfg.test_dataloader.dataset
    assert dataset.metainfo.classes == expected.classes
    assert dataset.pipeline == expected.test_pipeline
    assert dataset.data_prefix == dict(img="val/")
    assert cfg.test_evaluator.ann_file == f"{data}/annotations/instances_val.json"
    assert cfg.test_evaluator.classwise is True
    assert Path(cfg.work_dir) == Path("work_dirs/run")


def test_what_could_reach_outside_is_left_out(data, save, tmp_path):
    text = stored(
        **{
            "custom_hooks": [dict(type="os.system", command=f"touch {tmp_path}/run-hook")],
            "custom_imports": dict(imports=["antigravity"], allow_failed_imports=False),
            "test_evaluator.type": "CocoMetric",
            "test_evaluator.outfile_prefix": f"{tmp_path}/written",
            "test_evaluator.predictions_file": f"{tmp_path}/written.json",
            "test_dataloader.num_workers": 9999,
            "test_dataloader.batch_size": 9999,
            "test_dataloader.dataset.backend_args": dict(backend="http"),
            "test_dataloader.dataset.pipeline.0.backend_args": dict(backend="http"),
            "load_from": "http://127.0.0.1/a.pth",
        }
    )
    cfg = read_stored_config(save(text), {"data_root": str(data)}, TEST)
    left = cfg.pretty_text
    assert not any(word in left for word in ("os.system", "antigravity", "written", "http", "9999"))


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


def test_the_packaged_model_by_its_name(data, tmp_path):
    words = ["shapes", "--data-root", str(data), "--work-dir", str(tmp_path)]
    assert evaluate_command(words)["coco/segm_mAP"] > 0.3
