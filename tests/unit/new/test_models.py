"""Test the models' names, the default models, and the notes on weights."""

from __future__ import annotations

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import get_torchvision_models

from condinst.compat.base_configs import shipped_config
from condinst.model_zoo import get
from condinst.new.models import NAMES, find_recipe, weights_note
from condinst.new.resources import Machine

CPU = Machine("cpu", 16, 2, "2 processors")
GPU = Machine("cuda", 12, 16, "a GPU")
LARGE_GPU = Machine("cuda", 24, 16, "a GPU")


@pytest.mark.parametrize(
    ("machine", "masks", "from_scratch", "name"),
    [
        (CPU, True, False, "rtmdet-ins_tiny"),
        (GPU, True, False, "rtmdet-ins_s"),
        (LARGE_GPU, True, False, "rtmdet-ins_m"),
        (CPU, True, True, "r18"),
        (GPU, True, True, "r50"),
        (CPU, False, False, "boxinst-r18"),
        (GPU, False, False, "boxinst"),
    ],
)
def test_the_default_fits_the_machine_and_the_annotations(
    reachable, machine, masks, from_scratch, name
):
    reachable.append(True)
    recipe = find_recipe(None, machine, masks, from_scratch)
    assert recipe.name == name
    assert recipe.boxes is not masks
    assert recipe.why
    assert recipe.zoo == (name if name.startswith("rtmdet") else recipe.zoo)


@pytest.mark.parametrize("machine", [CPU, LARGE_GPU])
def test_without_a_network_the_small_model_starts_from_scratch(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    recipe = find_recipe(None, machine, True, False)
    assert (recipe.name, recipe.unreachable) == ("r18", True)
    assert re.search(r"weights of rtmdet-ins_\w+ .* cannot be reached", recipe.why)
    cfg = Config.fromfile(shipped_config(recipe.base))
    assert "training starts from scratch" in weights_note(recipe, cfg, False)
    name = cfg.model.backbone.init_cfg.checkpoint.removeprefix("torchvision://")
    file = get_torchvision_models()[name].rpartition("/")[2]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / file).touch()
    recipe = find_recipe(None, machine, True, False)
    assert (recipe.name, recipe.unreachable) == ("r18", False)
    assert "found in" in weights_note(recipe, cfg, False)


def test_weights_on_this_machine_need_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDINST_WEIGHTS", str(tmp_path))
    (tmp_path / str(get("rtmdet-ins_tiny").weights_file)).touch()
    assert find_recipe(None, CPU, True, False).name == "rtmdet-ins_tiny"


@pytest.mark.parametrize("name", [*NAMES, "condinst_r101_fpn_270k", "boxinst_r50_fpn_90k"])
def test_each_name_has_a_config(name):
    recipe = find_recipe(name, CPU, True, False)
    cfg = Config.fromfile(shipped_config(recipe.base))
    assert (cfg.model.type == "BoxInst") is recipe.boxes
    assert cfg.train_pipeline[0].type == "LoadImageFromFile"
    assert cfg.train_pipeline[-2].type in ("PrepareMaskTargets", "PrepareBoxTargets")
    assert cfg.train_pipeline[-1].type == "PackDetInputs"
    assert [step.type for step in cfg.test_pipeline] == [
        "LoadImageFromFile",
        "Resize",
        "LoadAnnotations",
        "PackDetInputs",
    ]


def test_names_that_are_none():
    with pytest.raises(ValueError, match=r"--model r51: expected .*; did you mean r50\b"):
        find_recipe("r51", CPU, True, False)
    with pytest.raises(ValueError, match="--model r50: learns from masks"):
        find_recipe("r50", CPU, False, False)


def test_weights_of_the_index_are_downloaded_or_at_hand(tmp_path, monkeypatch):
    name = "condinst_r50_fpn_1x"
    monkeypatch.setenv("CONDINST_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("CONDINST_HOME", str(tmp_path / "none"))
    assert find_recipe(name, LARGE_GPU, True, True).zoo is None
    recipe = find_recipe(name, LARGE_GPU, True, False)
    assert recipe.zoo == name
    cfg = Config.fromfile(shipped_config(recipe.base))
    address = (
        "https://huggingface.co/tianzhi/AdelaiDet-CondInst/resolve/main/CondInst_MS_R_50_1x.pth"
    )
    assert address in weights_note(recipe, cfg, False)
    (tmp_path / "CondInst_MS_R_50_1x.pth").touch()
    assert f"found in {tmp_path}" in weights_note(recipe, cfg, False)


def test_it_is_said_whether_weights_have_to_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    recipe = find_recipe("r18", CPU, True, False)
    cfg = Config.fromfile(shipped_config(recipe.base))
    said = weights_note(recipe, cfg, False)
    assert "not on this machine, training first downloads https://" in said
    assert "--from-scratch" in said
    name = said.split("downloads ")[1].split()[0].rpartition("/")[2]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).touch()
    assert f"found in {tmp_path / 'checkpoints' / name}" in weights_note(recipe, cfg, False)
    assert weights_note(recipe, cfg, True) == "weights: none, training starts from scratch"


def test_timms_weights_are_timms_to_fetch():
    recipe = find_recipe("convnext-tiny", LARGE_GPU, True, False)
    cfg = Config.fromfile(shipped_config(recipe.base))
    said = weights_note(recipe, cfg, False)
    assert "convnext_tiny.fb_in22k_ft_in1k of timm" in said
