"""The config in a checkpoint is read as plain values, and names registered classes only."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import mmcv
import mmdet
import pytest
from mmengine.config import Config

from condinst.compat.base_configs import shipped_config
from condinst.compat.stored_config import _EVALUATES, _known_names, stored_config
from condinst.models import CondInst

CALL = 'dict(type="os.system", command="touch ran")'
HARMLESS = 'model = dict(type="condinst.CondInst")\n'


def read(text: str) -> Config:
    return stored_config({"meta": {"cfg": text}}, "some.pth")


@pytest.mark.parametrize("name", ["condinst_r50_fpn_ms-poly-90k_coco_instance",
                                  "quickstart_condinst_r18_fpn_shapes"])  # fmt: skip
def test_configs_of_ours_come_back(repo, name):
    cfg = Config.fromfile(shipped_config(name))
    found = read(cfg.pretty_text)
    assert found.model == cfg.model
    assert found.test_dataloader == cfg.test_dataloader
    assert found.get("default_scope") == cfg.get("default_scope")


@pytest.mark.slow
def test_every_config_of_ours_comes_back(repo):
    paths = [p for p in (repo / "configs").glob("*/*.py") if "model = " in p.read_text()]
    assert len(paths) > 5
    for path in paths:
        cfg = Config.fromfile(path)
        assert read(cfg.pretty_text).model == cfg.model, path


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"model = {CALL}", "model.type='os.system'"),
        (f'model = dict(type="CondInst", backbone={CALL})', "model.backbone.type"),
        (f'model = dict(type="CondInst", train_cfg=dict(a=[1, ({CALL},)]))', "train_cfg.a[1][0]"),
        ('model = dict(type="mmengine.load", file="http://localhost/a.pkl")', "mmengine.load"),
        ('model = dict(type="mmdet.apis.init_detector")', "init_detector"),
        ('model = dict(type="condinst.cli.main.main")', "condinst.cli.main.main"),
        ('model = dict(type="antigravity")', "antigravity"),
        ('model = dict(type="builtins.exec")', "builtins.exec"),
        ("model = dict(type=5)", "model.type='5'"),
        ("model = dict(type=None)", "model.type='None'"),
        ('model = {"type": "os.system"}', "model.type"),
        ('model = dict(test_cfg=dict(nms=dict(type="__import__(\'os\').getcwd()")))', "nms.type"),
        ('model = dict(a=dict(type="CameraMotionCompensation", warp_mode="exit()"))', "a.type"),
        ('model = dict(type="os.CondInst")', "os.CondInst"),
        ('model = dict(type="CondInst", _scope_="antigravity")', "scope 'antigravity'"),
        (f'{HARMLESS}default_scope = "antigravity"', "scope 'antigravity'"),
        (f"{HARMLESS}test_pipeline = [{CALL}]", "test_pipeline[0].type"),
        (f"{HARMLESS}test_dataloader = dict(dataset=dict(pipeline=[{CALL}]))", "pipeline[0].type"),
        (f"{HARMLESS}test_dataloader = dict(dataset={CALL})", "test_dataloader.dataset.type"),
        (f"{HARMLESS}test_pipeline = [dict(type='Albu', transforms=[{CALL}])]", "transforms[0]"),
        ("model = {5: 6}", "expected names as keys, got 5"),
        ("model = open('ran', 'w')", "line 1"),
        ("model = f'{ran}'", "line 1 is more than a value"),
        ("model = {open('ran', 'w'): 1}", "line 1 is more than a value"),
        ("model = dict(a=[1, open('ran', 'w')])", "line 1 is more than a value"),
        ("import os", "line 1 is more than a value"),
        ("model = (", "never closed"),
        ("model = " + "(" * 5000, "parenthes"),
        ("model = " + "[" * 90 + "]" * 90, ""),
        ("model = " + "-" * 100_000 + "1", ""),
        ("model = a" + ".a" * 100_000, ""),
        ("model = 1" + "0" * 10_000, ""),
        ("model = '" + "a" * 2_000_000 + "'", "2,000,010 characters"),
        ("model = '\0'", "null"),
    ],
)  # fmt: skip
def test_programs_are_refused_by_name(text, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if place == "":  # either refused, or read as the plain value that it is
        try:
            read(text)
        except ValueError as error:
            assert str(error).startswith("checkpoint some.pth: its config cannot be read")  # noqa: PT017
    else:
        match = rf"^checkpoint some\.pth: its config cannot be read \(.*{re.escape(place)}"
        with pytest.raises(ValueError, match=match) as caught:
            read(text)
        assert len(str(caught.value)) < 500
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_without_a_config():
    for content in ({}, {"meta": None}, {"meta": {}}, {"meta": {"cfg": 5}}):
        with pytest.raises(ValueError, match="checkpoint some.pth: it holds no config"):
            stored_config(content, "some.pth")


def test_what_nobody_builds_may_be_anything():
    """A hook of the user's own does not keep the model from predicting."""
    found = read(f"{HARMLESS}custom_hooks = [dict(type='mine.Hook')]\nwork_dir = 'a'")
    assert set(found) == {"model"}


def test_no_registered_name_is_a_module():
    """mmengine imports what is not in the registry that it looks into."""
    names = _known_names()
    assert CondInst.__name__ in names
    assert [name for name in names if name.isidentifier() and find_spec(name)] == []


def test_nothing_else_evaluates_its_arguments():
    """The classes of mmdet and mmcv that run text, of which a config could name some."""
    found = set()
    for package in (mmdet, mmcv):
        root = Path(package.__path__[0])
        for path in root.rglob("*.py"):
            if ".mim" not in path.parts and re.search(r"(?<![\w.])(eval|exec)\(", path.read_text()):
                found.add(path.relative_to(root).as_posix())
    assert found <= {
        "evaluation/functional/class_names.py",  # a name of mmdet's own
        "models/task_modules/tracking/camera_motion_compensation.py",
        "ops/nms.py",
        "cnn/rfsearch/search.py",  # a hook
    }
    assert {"CameraMotionCompensation"} == _EVALUATES


@pytest.mark.long
def test_names_are_known_before_mmdet_is_imported():
    text = "model = dict(type='CondInst', norm_cfg=dict(type='BN'), nms=dict(type='nms'))"
    code = (
        "from condinst.compat.stored_config import stored_config\n"
        f"cfg = stored_config({{'meta': {{'cfg': {text!r}}}}}, 'some.pth')\n"
        "assert cfg.model.norm_cfg.type == 'BN'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
