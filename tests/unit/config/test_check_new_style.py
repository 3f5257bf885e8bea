"""A config in mmengine's new style, with classes as types, is checked and used like any other."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from new_style import write_new_style

from condinst.config.arguments import registered_name
from condinst.config.build import build_model
from condinst.config.check import check_config, find_problems
from condinst.config.problem import ConfigError
from condinst.config.read import read_config_file


@pytest.fixture(params=[None, "condinst", "mmdet"])
def written(request, repo, tmp_path):
    cfg = read_config_file(next(repo.glob("configs/**/quickstart_condinst_r18_fpn_shapes.py")))
    return write_new_style(cfg, tmp_path / "new.py", request.param), request.param


def test_it_imports_classes(written):
    file, _ = written
    assert "type=CondInst," in file.read_text() or "type=CondInst)" in file.read_text()
    kind = Config.fromfile(file).model.type
    assert isinstance(kind, type)
    assert kind.__name__ == "CondInst"


def test_it_becomes_plain(written, tmp_path):
    file, scope = written
    cfg = read_config_file(file)
    assert cfg.default_scope == (scope or "condinst")
    prefix = "condinst." if scope == "mmdet" else ""
    assert cfg.model.type == f"{prefix}CondInst"
    assert cfg.train_dataloader.dataset.pipeline[0].type == f"{prefix}LoadImageFromFile"
    assert cfg.train_dataloader.sampler.type == "InfiniteSampler"
    assert "read_base" not in cfg
    assert "CondInst" not in cfg
    check_config(cfg)
    assert type(build_model(cfg)).__name__ == "CondInst"
    cfg.dump(tmp_path / "dumped.py")
    assert Config.fromfile(tmp_path / "dumped.py").model == cfg.model


def test_it_keeps_all_checks(written):
    cfg = read_config_file(written[0])
    cfg.model.test_cfg.score_thresh = 0.3
    cfg.model.mask_head.max_masks = 3
    cfg.train_dataloader.dataset.pipeline[3].probability = 0.5
    found = " ".join(find_problems(cfg))
    assert "model.test_cfg.score_thresh=0.3" in found
    assert "train_dataloader.dataset.pipeline[3].probability=0.5" in found
    with pytest.raises(ConfigError, match="score_thresh"):
        check_config(cfg)


def test_the_data_checks_read_it(written, tmp_path):
    from condinst.datasets.checks.checks import check_datasets

    cfg = read_config_file(written[0])
    cfg.train_dataloader.dataset.pipeline[0].channels = 1
    cfg.train_dataloader.dataset.pipeline[4].stride = 4
    with pytest.raises(ValueError, match="LoadImageFromFile loads") as error:
        check_datasets(cfg, splits=("train",))
    assert "PrepareMaskTargets has stride=4" in str(error.value)


def test_names_of_classes():
    from mmdet.datasets.transforms import LoadAnnotations as MMDetLoadAnnotations
    from mmdet.datasets.transforms import RandomFlip
    from torch.optim import SGD

    assert registered_name(RandomFlip, "condinst") == "RandomFlip"
    assert registered_name(RandomFlip, None) == "mmdet.RandomFlip"
    assert registered_name(SGD, "mmdet") == "SGD"
    assert registered_name(MMDetLoadAnnotations, "condinst") == "mmdet.LoadAnnotations"
    assert registered_name(dict, "condinst") is None
