"""Test the models' names, the default models, and the notes on weights."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from condinst.compat.base_configs import shipped_config
from condinst.new.models import NAMES, find_recipe, weights_note


@pytest.mark.parametrize(
    ("device", "masks", "name"),
    [
        ("cpu", True, "r18"),
        ("cuda", True, "r50"),
        ("cpu", False, "boxinst-r18"),
        ("cuda", False, "boxinst"),
    ],
)
def test_the_default_fits_the_device_and_the_annotations(device, masks, name):
    recipe = find_recipe(None, device, masks, False)
    assert recipe.name == name
    assert recipe.boxes is not masks


@pytest.mark.parametrize("name", [*NAMES, "condinst_r101_fpn_270k", "boxinst_r50_fpn_90k"])
def test_each_name_has_a_config(name):
    recipe = find_recipe(name, "cpu", True, False)
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
        find_recipe("r51", "cpu", True, False)
    with pytest.raises(ValueError, match="--model r50: learns from masks"):
        find_recipe("r50", "cpu", False, False)


def test_weights_of_the_index_are_downloaded_or_at_hand(tmp_path, monkeypatch):
    name = "condinst_r50_fpn_1x"
    monkeypatch.setenv("CONDINST_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("CONDINST_HOME", str(tmp_path / "none"))
    assert find_recipe(name, "cuda", True, True).zoo is None
    recipe = find_recipe(name, "cuda", True, False)
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
    recipe = find_recipe("r18", "cpu", True, False)
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
    recipe = find_recipe("convnext-tiny", "cuda", True, False)
    cfg = Config.fromfile(shipped_config(recipe.base))
    said = weights_note(recipe, cfg, False)
    assert "convnext_tiny.fb_in22k_ft_in1k of timm" in said
