from pathlib import Path

import pytest
from mmengine.config import Config

from condinst.config.data_root import set_data_root

BASE = """
data_root = "{{$CONDINST_DATA_ROOT:data/coco}}".rstrip("/") + "/"
train_dataloader = dict(
    dataset=dict(
        type="RepeatDataset",
        times=2,
        dataset=dict(
            type="CocoDataset",
            data_root=data_root,
            ann_file="annotations/train.json",
            data_prefix=dict(img="train2017/"),
        ),
    )
)
val_dataloader = dict(
    dataset=dict(type="CocoDataset", data_root=data_root, ann_file="annotations/val.json")
)
test_dataloader = val_dataloader
val_evaluator = [dict(type="CocoMetric", ann_file=data_root + "annotations/val.json")]
test_evaluator = val_evaluator
"""
CONFIG = """
_base_ = ["./base.py"]
work_dir = "data/coco_runs"
extra = ({{_base_.data_root}}, "data/coco", "data/coconut/x.json")
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CONDINST_DATA_ROOT", raising=False)
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "config.py").write_text(CONFIG)
    return tmp_path / "config.py"


def roots(cfg: Config) -> set[str]:
    """Every place that a run with ``cfg`` would read from."""
    return {
        cfg.data_root,
        cfg.train_dataloader.dataset.dataset.data_root,
        cfg.val_dataloader.dataset.data_root,
        cfg.test_dataloader.dataset.data_root,
        cfg.val_evaluator[0].ann_file.removesuffix("annotations/val.json"),
        cfg.test_evaluator[0].ann_file.removesuffix("annotations/val.json"),
    }


@pytest.mark.parametrize("root", ["/mnt/images/", "/mnt/images"])
def test_the_environment_variable_reaches_every_path(config, monkeypatch, root):
    assert roots(Config.fromfile(config)) == {"data/coco/"}
    monkeypatch.setenv("CONDINST_DATA_ROOT", root)
    assert roots(Config.fromfile(config)) == {"/mnt/images/"}


def test_an_option_alone_would_not_reach_them(config):
    """Why this module exists; delete it when mmengine resolves options before it joins."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict({"data_root": "/mnt/images/"})
    assert roots(cfg) == {"/mnt/images/", "data/coco/"}


@pytest.mark.parametrize("root", ["/mnt/images/", "/mnt/images"])
def test_set_data_root_moves_every_path_and_nothing_else(config, root):
    cfg = Config.fromfile(config)
    set_data_root(cfg, root)
    assert roots(cfg) == {"/mnt/images/"}
    dataset = cfg.train_dataloader.dataset.dataset
    assert dataset.ann_file == "annotations/train.json"
    assert dataset.data_prefix.img == "train2017/"
    assert cfg.work_dir == "data/coco_runs"
    assert tuple(cfg.extra) == ("/mnt/images/", "/mnt/images", "data/coconut/x.json")
    cfg.merge_from_dict({"val_dataloader.dataset.data_root": "/elsewhere/"})
    assert cfg.val_dataloader.dataset.data_root == "/elsewhere/"


@pytest.mark.parametrize("found", [None, ""])
def test_a_config_without_data_root_is_refused(found):
    cfg = Config({} if found is None else {"data_root": found})
    with pytest.raises(ValueError, match=r"data_root='/x/' cannot be set: .* top-level data_root"):
        set_data_root(cfg, "/x/")
