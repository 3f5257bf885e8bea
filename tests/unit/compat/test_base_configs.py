"""A config anywhere inherits from the package's by ``condinst::``."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mmengine.config import Config


def read(folder, base):
    path = folder / "config.py"
    path.write_text(f"_base_ = {base!r}\nmodel = dict(bbox_head=dict(num_classes=3))\n")
    return Config.fromfile(path)


def test_a_config_elsewhere_inherits_from_a_shipped_one(tmp_path, repo):
    name = "condinst_r50_fpn_ms-poly-90k_coco_instance.py"
    shipped = Config.fromfile(repo / "configs" / name)
    for base in (f"condinst::{name}", [f"condinst::{name}"]):
        cfg = read(tmp_path, base)
        assert cfg.model.bbox_head.num_classes == 3
        cfg.model.bbox_head.num_classes = 80
        assert cfg._cfg_dict.to_dict() == shipped._cfg_dict.to_dict()


def test_other_prefixes_and_paths_stay(tmp_path, repo):
    cfg = read(tmp_path, "mmdet::_base_/default_runtime.py")
    assert cfg.default_scope == "mmdet"
    runtime = repo / "configs" / "_base_" / "default_runtime.py"
    assert read(tmp_path, str(runtime)).default_scope == "condinst"


def test_a_name_that_is_not_there(tmp_path, repo):
    with pytest.raises(FileNotFoundError, match=r"condinst::nothing\.py: expected a config in"):
        read(tmp_path, "condinst::nothing.py")


def test_before_anything_else_of_mmengine_is_imported(tmp_path):
    path = tmp_path / "config.py"
    path.write_text('_base_ = "condinst::_base_/default_runtime.py"\n')
    code = f"import condinst; from mmengine.config import Config; Config.fromfile({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
