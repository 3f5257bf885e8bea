"""Test that the written file is a config with its values under the right keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from tiny_data import make_facts

from condinst.config.check import check_config
from condinst.images.pixel_format import PixelFormat
from condinst.new.inputs import Inputs
from condinst.new.lines import WIDTH, dict_lines, line, value
from condinst.new.models import find_recipe
from condinst.new.plan import Places, make_plan
from condinst.new.resources import Machine
from condinst.new.text import config_text

PLACES = Places(
    "/data/mine/", ("train.json", "{{ fileDirname }}/annotations/val.json"), ("a/", "b/")
)
GPU = Machine("cuda", 24, 16, "a GPU")
CPU = Machine("cpu", 16, 2, "2 processors")


def write(tmp_path, *, machine=CPU, model=None, from_scratch=False, statistics=None, **facts):
    known = make_facts(**facts)
    recipe = find_recipe(model, machine, known.masks[0], from_scratch)
    plan = make_plan("mine", PLACES, known, machine, recipe, from_scratch=from_scratch)
    path = tmp_path / "mine.py"
    path.write_text(config_text(plan), encoding="utf-8")
    return path.read_text(encoding="utf-8"), Config.fromfile(path), plan


CASES = {
    "plain": {},
    "negatives": dict(num_negatives=7),
    "gpu": dict(machine=GPU),
    "many": dict(busiest=375, object_sizes=(8.0, 20.0, 40.0), size=(320, 256)),
    "rare": dict(images_per_class=(300, 3), num_negatives=12),
    "boxes": dict(masks=(False, False)),
    "boxes and masks": dict(masks=(False, True), machine=GPU),
    "a part of the masks": dict(box_only=(800, 0)),
    "a part of all masks": dict(box_only=(800, 5), num_negatives=3, machine=GPU),
    "scratch": dict(from_scratch=True),
    "timm": dict(model="convnext-tiny", from_scratch=True, machine=GPU),
    "one class": dict(classes=("cat",), images_per_class=(400,)),
    "long names": dict(
        classes=tuple(f'a "quoted" näme {i}' for i in range(40)), images_per_class=(9,) * 40
    ),
    "rtmdet": dict(model="rtmdet-ins_tiny"),
    "rtmdet on a GPU": dict(model="rtmdet-ins_m", machine=GPU),
    "rtmdet, many": dict(
        model="rtmdet-ins_s",
        busiest=375,
        object_sizes=(8.0, 20.0, 40.0),
        size=(320, 256),
        images_per_class=(300, 3),
    ),
    "rtmdet, a part of the masks": dict(model="rtmdet-ins_tiny", box_only=(800, 5)),
    "rtmdet from scratch": dict(model="rtmdet-ins_tiny", from_scratch=True),
    "semantic": dict(model="condinst_r50_fpn_3x_sem", from_scratch=True),
}


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_short_and_says_what_was_chosen(tmp_path, case):
    text, cfg, plan = write(tmp_path, **CASES[case])
    facts, views, schedule = plan.facts, plan.views, plan.schedule
    assert all(len(row) <= WIDTH for row in text.splitlines())
    code = [row for row in text.splitlines() if row.strip() and not row.strip().startswith("#")]
    assert 20 <= len(code) <= (60 if len(facts.classes) > 9 else 55)
    loader = cfg.train_dataloader
    data = loader.dataset.dataset if plan.balance else loader.dataset
    assert data.type == "CocoDataset"
    assert tuple(data.metainfo.classes) == facts.classes
    assert cfg.model.bbox_head.num_classes == len(facts.classes)
    assert (data.data_root, data.ann_file) == ("/data/mine/", "train.json")
    assert data.data_prefix.img == "a/"
    assert loader.batch_size == schedule.batch_size
    assert data.filter_cfg.filter_empty_gt is not (facts.num_negatives > 0)
    assert cfg.train_cfg.max_iters == schedule.max_iters
    assert cfg.param_scheduler[-1].get("end", schedule.max_iters) == schedule.max_iters
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(schedule.lr)
    assert cfg.auto_scale_lr.base_batch_size == schedule.batch_size
    assert schedule.max_iters % cfg.default_hooks.checkpoint.interval == 0
    # mmengine saves the best by this metric, which must be measured
    measured = cfg.val_evaluator.metric
    assert measured == (["bbox", "segm"] if facts.masks[1] else ["bbox"])
    assert cfg.default_hooks.checkpoint.save_best.split("/")[1].split("_")[0] in measured
    learned = cfg.model.get("mask_head", {}).get("mask_out_stride")
    if plan.recipe.rtmdet:
        learned = cfg.model.bbox_head.get("mask_loss_stride", 4)
    assert learned == views.mask_stride
    check_config(cfg)
    assert data.pipeline[-2].stride == views.mask_stride


@pytest.mark.parametrize("case", CASES)
def test_validation_is_what_the_test_command_reads(tmp_path, case):
    _, cfg, plan = write(tmp_path, **CASES[case])
    assert cfg.val_dataloader == cfg.test_dataloader
    assert cfg.val_evaluator == cfg.test_evaluator
    data = cfg.val_dataloader.dataset
    assert data.ann_file == f"{tmp_path.as_posix()}/annotations/val.json"
    assert cfg.val_evaluator.ann_file == data.ann_file
    assert data.test_mode
    loads = [step for step in data.pipeline if step.type == "LoadAnnotations"]
    assert bool(loads[0].get("with_mask")) is plan.facts.masks[1]


def test_the_busiest_image_is_covered(tmp_path):
    text, cfg, _ = write(tmp_path, **CASES["many"])
    assert cfg.model.test_cfg.max_per_img == 500
    assert cfg.model.test_cfg.nms_pre == 2000
    assert cfg.val_evaluator.proposal_nums == (1, 10, 500)
    assert "a.jpg, has 375 objects" in text


def test_rare_classes_and_negatives(tmp_path):
    text, cfg, plan = write(tmp_path, **CASES["rare"])
    wrapper = cfg.train_dataloader.dataset
    assert wrapper.type == "ClassBalancedDataset"
    assert set(wrapper) == {"type", "oversample_thr", "dataset"}
    assert wrapper.oversample_thr == plan.balance.threshold
    assert "'dog' is in 3 images" in text
    assert "12 images without objects" in text


def test_starting_points(tmp_path):
    _, cfg, _ = write(tmp_path, machine=GPU, model="r50")
    assert cfg.load_from == "condinst_r50_fpn_90k"
    assert cfg.model.backbone.init_cfg is None
    _, cfg, _ = write(tmp_path, model="r18")
    assert cfg.load_from is None
    assert cfg.model.backbone.init_cfg.checkpoint == "torchvision://resnet18"
    _, cfg, _ = write(tmp_path, from_scratch=True)
    assert cfg.model.backbone.init_cfg is None
    assert (cfg.model.backbone.frozen_stages, cfg.model.backbone.norm_eval) == (-1, False)
    _, cfg, _ = write(tmp_path, **CASES["timm"])
    assert cfg.model.backbone.pretrained is False


def test_fine_tuning_of_rtmdet(tmp_path):
    text, cfg, plan = write(tmp_path, **CASES["rtmdet"])
    assert cfg.load_from == "rtmdet-ins_tiny"
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == dict(backbone=dict(lr_mult=0.1))
    assert cfg.optim_wrapper.paramwise_cfg.norm_decay_mult == 0
    assert not cfg.model.backbone.get("norm_eval")
    ends = [step for step in cfg.train_pipeline if step.type == "UntilIteration"]
    assert [step.iteration for step in ends] == [round(0.85 * plan.schedule.max_iters)]
    average = cfg.custom_hooks[-1]
    length = plan.schedule.max_iters // 10
    assert average.type == "EMAHook"
    assert average.momentum == pytest.approx(1 / length, rel=0.05)
    assert average.gamma == length // 2
    for word in ("EMA", "at a tenth of the rate", "not at the end", "each of the 400 images"):
        assert word in text
    small = Machine("cuda", 6, 16, "a GPU")
    _, cfg, plan = write(tmp_path, machine=small, model="rtmdet-ins_s")
    assert plan.schedule.batch_size < 8
    assert cfg.model.backbone.norm_eval
    _, cfg, _ = write(tmp_path, **CASES["rtmdet from scratch"])
    assert cfg.load_from is None
    assert "custom_keys" not in cfg.optim_wrapper.paramwise_cfg
    # twice the rate of the base, which is for weights that are good already
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(
        0.001 * cfg.train_dataloader.batch_size / 8
    )
    assert not cfg.model.backbone.norm_eval
    _, cfg, plan = write(tmp_path, **CASES["rtmdet, a part of the masks"])
    assert cfg.model.bbox_head.box_supervision == dict(
        warmup_iters=plan.schedule.max_iters // 10, pairwise_weight=2.0
    )
    assert cfg.train_pipeline[-2].type == "PrepareMixedTargets"


def test_rtmdet_of_other_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "condinst.datasets.image_statistics.channel_mean_std", lambda *_, **__: ((1.0,), (1.0,))
    )
    inputs = Inputs({}, PixelFormat(1, "uint16"), 4000.0, ())
    _, cfg, _ = write(tmp_path, model="rtmdet-ins_tiny", inputs=inputs)
    assert cfg.model.backbone.in_channels == 1
    assert all(step.type != "UntilIteration" for step in cfg.train_pipeline)
    assert "custom_keys" not in cfg.optim_wrapper.paramwise_cfg


@pytest.mark.parametrize(("model", "to_rgb"), [("rtmdet-ins_tiny", False), ("r50", True)])
def test_statistics_are_in_the_order_that_the_weights_know(tmp_path, monkeypatch, model, to_rgb):
    statistics = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))  # RGB
    monkeypatch.setattr(
        "condinst.datasets.image_statistics.channel_mean_std", lambda *_, **__: statistics
    )
    inputs = Inputs({}, PixelFormat(3, "uint16"), 4000.0, ())
    _, cfg, _ = write(tmp_path, model=model, inputs=inputs)
    pre = cfg.model.data_preprocessor
    assert pre.bgr_to_rgb is to_rgb
    assert pre.mean == ([1, 2, 3] if to_rgb else [3, 2, 1])
    assert pre.std == ([4, 5, 6] if to_rgb else [6, 5, 4])


def test_norms_of_small_batches(tmp_path):
    small = Machine("cuda", 6, 16, "a GPU")
    _, cfg, plan = write(tmp_path, machine=small, model="r50")
    assert plan.schedule.batch_size < 8
    branch = cfg.model.mask_head.mask_feature_head
    assert branch.norm_cfg == dict(type="BN", requires_grad=False)
    assert branch.norm_eval
    _, cfg, _ = write(tmp_path, machine=small, model="r50", from_scratch=True)
    assert cfg.model.mask_head.mask_feature_head.norm_cfg.type == "GN"


def test_boxes_learn_masks(tmp_path):
    _, cfg, plan = write(tmp_path, **CASES["boxes"])
    assert cfg.model.type == "BoxInst"
    assert cfg.model.mask_head.warmup_iters == plan.schedule.max_iters // 10
    targets = cfg.train_pipeline[-2]
    assert targets.type == "PrepareBoxTargets"
    assert targets.bottom_pixels_removed == 0


def test_masks_and_boxes_are_learned_together(tmp_path):
    text, cfg, plan = write(tmp_path, **CASES["a part of all masks"])
    assert cfg.model.type == "CondInst"
    assert cfg.model.mask_head.box_supervision == dict(warmup_iters=plan.schedule.max_iters // 10)
    targets = cfg.train_pipeline[-2]
    assert targets.type == "PrepareMixedTargets"
    assert targets.bottom_pixels_removed == 0
    assert cfg.train_dataloader.dataset.allow_box_only is True
    assert cfg.val_dataloader.dataset.allow_box_only is True
    assert cfg.val_evaluator.allow_box_only is True
    assert "800 of 2000 objects have a box and no mask" in text
    assert "5 objects without a mask" in text
    check_config(cfg)
    _, cfg, _ = write(tmp_path, **CASES["a part of the masks"])
    assert "allow_box_only" not in cfg.val_evaluator
    _, cfg, _ = write(tmp_path, box_only=(800, 5), model="boxinst-r18")
    assert cfg.train_pipeline[-2].type == "PrepareBoxTargets"
    assert "allow_box_only" not in cfg.train_dataloader.dataset


def test_masks_and_boxes_of_12_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "condinst.datasets.image_statistics.channel_mean_std", lambda *_, **__: ((1.0,), (1.0,))
    )
    inputs = Inputs({}, PixelFormat(1, "uint16"), 4000.0, ())
    _, cfg, _ = write(tmp_path, inputs=inputs, box_only=(3, 0))
    assert cfg.train_pipeline[-2].type == "PrepareMixedTargets"
    assert cfg.train_pipeline[-2].value_range == 4095


def test_other_pixels(tmp_path, monkeypatch):
    statistics = ((1000.0,), (250.5,))
    monkeypatch.setattr(
        "condinst.datasets.image_statistics.channel_mean_std", lambda *_, **__: statistics
    )
    inputs = Inputs({}, PixelFormat(1, "uint16"), 4000.0, ())
    text, cfg, _ = write(tmp_path, inputs=inputs)
    for step in (cfg.train_pipeline[0], cfg.test_pipeline[0]):
        assert (step.type, step.channels, step.dtype) == ("LoadImageFromFile", 1, "uint16")
    assert cfg.train_pipeline[1].type == "LoadAnnotations"
    assert cfg.model.backbone.in_channels == 1
    assert cfg.model.data_preprocessor.mean == [1000.0]
    assert cfg.model.data_preprocessor.std == [250.5]
    assert cfg.model.data_preprocessor.bgr_to_rgb is False
    assert "1 channel of uint16" in text
    _, cfg, _ = write(tmp_path, inputs=inputs, masks=(False, False))
    assert cfg.train_pipeline[-2].value_range == 4095


def test_the_same_choices_give_the_same_text(tmp_path):
    assert write(tmp_path, **CASES["rare"])[0] == write(tmp_path, **CASES["rare"])[0]


@pytest.mark.parametrize("content", [("a",), ("a", 'b"c'), [1, 2.5], dict(x=None, y=True), "ä\\"])
def test_values_read_back(content):
    assert eval(value(content)) == content


def test_lines():
    assert line("a = 1", "why", 4) == ["    a = 1  # why"]
    assert line("a = 1", "why " * 30)[-1] == "a = 1"
    assert dict_lines("a = ", dict(b="1", c="2"), ["**d"]) == ["a = dict(b=1, c=2, **d)"]
    one, two = "1" * 50, "2" * 60
    long = dict_lines("a = ", dict(b=one, c=two, d="3"), indent=4, tail=",")
    assert long == ["    a = dict(", f"        b={one},", f"        c={two}, d=3,", "    ),"]


def test_configs_are_found_where_the_package_is():
    from condinst.compat.base_configs import shipped_config

    assert shipped_config("_base_/small/condinst_r18_fpn.py").parent.name == "small"
    assert isinstance(shipped_config("_base_/default_runtime.py"), Path)
