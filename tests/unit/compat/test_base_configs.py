"""A config anywhere inherits from the package's by ``condinst::``."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mmengine import hub
from mmengine.config import Config

from condinst.compat.base_configs import shipped_config, shipped_configs


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


NAMES = [
    "boxinst_r50_fpn_ms-90k_coco_instance",
    "boxinst_r50_fpn_ms-90k_coco_instance.py",
    "boxinst/boxinst_r50_fpn_ms-90k_coco_instance.py",
    "boxinst/boxinst_r50_fpn_ms-90k_coco_instance",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_found_with_and_without_its_folder_and_ending(name, tmp_path, repo):
    path = repo / "configs" / "boxinst" / "boxinst_r50_fpn_ms-90k_coco_instance.py"
    assert shipped_config(name) == shipped_config(f"condinst::{name}") == path
    assert read(tmp_path, f"condinst::{name}").model.type == "BoxInst"
    assert Config.fromfile(f"condinst::{name}").filename == str(path)
    assert hub.get_config(f"condinst::{name}").model.type == "BoxInst"


def test_names_are_unique_and_every_folder_is_searched(repo):
    paths = [p for p in (repo / "configs").rglob("*.py") if "_base_" not in p.parts]
    inner = [p for p in paths if p.parent.name != "configs"]
    assert len({p.stem for p in inner}) == len(inner) > 30
    assert sorted(shipped_configs().values()) == sorted(inner)


def test_the_short_path_is_the_published_recipe(repo):
    """The command of the README names it."""
    name = "condinst_r50_fpn_ms-poly-90k_coco_instance.py"
    short, long = (Config.fromfile(repo / "configs" / f / name) for f in ("", "condinst"))
    assert short._cfg_dict.to_dict() == long._cfg_dict.to_dict()


@pytest.mark.parametrize("name", ["condinst", "boxinst"])
def test_configs_that_name_the_small_models_by_their_old_place(name, tmp_path):
    cfg = read(tmp_path, f"condinst::_base_/small/{name}_r18_fpn.py")
    assert cfg.model.backbone.depth == 18
    assert cfg.model.type.lower() == name


def test_a_misspelt_name_is_told_close_ones():
    expected = r"condinst_r50_fpn_ms-poly-90k_coco_instanse: .*did you mean condinst_r50_fpn_ms-po"
    with pytest.raises(FileNotFoundError, match=expected):
        shipped_config("condinst::condinst_r50_fpn_ms-poly-90k_coco_instanse")


def test_the_hub_has_no_weights_of_ours():
    with pytest.raises(ValueError, match=r"condinst.model_zoo.fetch"):
        hub.get_config(f"condinst::{NAMES[0]}", pretrained=True)


@pytest.mark.long
def test_the_hub_before_condinst_is_imported():
    code = (
        "from mmengine.hub import get_config; import mmengine.hub, condinst; "
        f"print(mmengine.hub.get_config('condinst::{NAMES[0]}').model.type)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("BoxInst"), done.stderr
