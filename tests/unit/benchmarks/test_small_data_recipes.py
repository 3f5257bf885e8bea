"""Each recipe changes what it says, and nothing that it cannot change."""

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from benchmarks.runs import ROOT
from benchmarks.small_data_recipes import RECIPES, Refused, apply, parts_of
from condinst.config.build import build_model
from condinst.models.heads.rtmdet_head import RTMDetInsSepBNHead
from condinst.models.task_modules import SoftLabelAssigner

NUCLEI = "nuclei/nuclei_condinst_mobilenetv2_fpn.py"
COCO = "coco_small/coco-small_condinst_mobilenetv2_fpn.py"
RTMDET = "small/rtmdet-ins_tiny.py"


def read(name, *parts, iterations=400):
    cfg = Config.fromfile(ROOT / "configs" / name)
    apply(cfg, parts, iterations)
    return cfg


def steps(cfg):
    return [step.type for step in cfg.train_dataloader.dataset.pipeline]


def rates_of(cfg):
    """Return the rates of all parameters by the optimizer, as multiples of the config's."""
    model = build_model(cfg)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper.to_dict()).optimizer
    rates = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            rates[id(parameter)] = group["lr"] / cfg.optim_wrapper.optimizer.lr
    return {name: rates[id(p)] for name, p in model.named_parameters()}


def test_names():
    assert parts_of("ema") == ["ema"]
    assert parts_of("maskness+copy_paste+ema") == ["ema", "copy_paste", "maskness"]
    alone = {"baseline", "longer", "layer_rate", "soft_labels"}
    assert set(parts_of("all")) == set(RECIPES) - alone
    for wrong, message in (
        ("emma", "expected recipes of baseline, ema"),
        ("backbone_rate+layer_rate", "do not go together"),
        ("soft_labels+quality_focal", "do not go together"),
        ("ema+ema", "do not go together"),
        ("ema+longer", "stand alone"),
    ):
        with pytest.raises(ValueError, match=message):
            parts_of(wrong)


def test_average_of_a_tenth_of_the_training():
    hook = read(NUCLEI, "ema", iterations=400).custom_hooks[-1]
    assert (hook.type, hook.momentum, hook.gamma) == ("EMAHook", 1 / 40, 20)
    assert 0 < read(NUCLEI, "ema", iterations=4).custom_hooks[-1].momentum < 1


def test_scales():
    before, after = (read(NUCLEI, *parts).train_dataloader.dataset.pipeline[2]
                     for parts in ((), ("scale_jitter",)))  # fmt: skip
    (low, high), (lower, higher) = before.crop_size, after.crop_size
    # the side of a crop is 1 / scale
    assert higher / lower == pytest.approx(2 * high / low, rel=0.01)
    assert lower * higher == pytest.approx(low * high, rel=0.01)
    cfg = read(COCO, "scale_jitter")
    assert steps(cfg)[2:4] == ["RandomResize", "RandomCrop"]
    resize, crop = cfg.train_dataloader.dataset.pipeline[2:4]
    assert (tuple(resize.scale), tuple(crop.crop_size)) == ((480, 320), (480, 480))


def test_colors_stay_in_the_last_iterations():
    cfg = read(NUCLEI, "weak_end", iterations=400)
    (step,) = (s for s in cfg.train_dataloader.dataset.pipeline if s.type == "UntilIteration")
    assert step.iteration == 340
    assert [s["type"] for s in step.transforms] == ["PhotoMetricDistortion"]
    assert "PhotoMetricDistortion" not in steps(cfg)
    assert steps(cfg)[-2:] == ["PrepareMaskTargets", "PackDetInputs"]


def test_objects_are_pasted_before_flips_and_targets():
    cfg = read(COCO, "scale_jitter", "copy_paste")
    assert steps(cfg) == ["CopyPaste", "RandomFlip", "PrepareMaskTargets", "PackDetInputs"]
    inner = cfg.train_dataloader.dataset.dataset
    assert [s.type for s in inner.pipeline][-2:] == ["RandomResize", "RandomCrop"]
    assert inner.type == "CocoDataset"
    assert inner.ann_file == "annotations/instances_train2017.json"


def test_rates_of_the_backbone():
    rates = rates_of(read(COCO, "backbone_rate"))
    own = [rate for name, rate in rates.items() if name.startswith("backbone.")]
    assert own == pytest.approx([0.1] * len(own))
    assert {r for name, r in rates.items() if not name.startswith("backbone.")} == {1}
    rates = rates_of(read(COCO, "layer_rate"))
    found = [rates[f"backbone.net.{name}.weight"] for name in
             ("conv_stem", "bn1", *(f"blocks.{i}.0.bn1" for i in range(7)))]  # fmt: skip
    assert found == pytest.approx([0.1 ** (1 - i / 8) for i in range(9)], rel=1e-3)
    assert {r for name, r in rates.items() if not name.startswith("backbone.")} == {1}


def test_first_stages_are_frozen():
    model = build_model(read(COCO, "freeze"))
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    # timm's levels: stride 2 is blocks.0, stride 4 is blocks.1
    parts = ("conv_stem", "bn1", "blocks.0", "blocks.1")
    names = [n for n, _ in model.named_parameters()]
    starts = tuple(f"backbone.net.{part}." for part in parts)
    assert frozen == {n for n in names if n.startswith(starts)}


def test_heads_and_scores():
    model = build_model(read(NUCLEI, "quality_focal", "maskness"))
    assert type(model.bbox_head.loss_cls).__name__ == "QualityFocalLoss"
    assert model.test_cfg["mask_quality"] == "maskness"
    for name, stride, classes in ((NUCLEI, 2, 1), (COCO, 4, 80)):
        model = build_model(read(name, "soft_labels"))
        head = model.bbox_head
        assert isinstance(head, RTMDetInsSepBNHead)
        assert isinstance(head.assigner, SoftLabelAssigner)
        assert (head.num_classes, head.strides) == (classes, (8, 16, 32))
        assert model.mask_head.mask_loss_stride == stride
        assert model.neck.num_outs == 3


@pytest.mark.parametrize(
    ("name", "recipe", "message"),
    [
        (RTMDET, "ema", "ema: the baseline has EMAHook"),
        (RTMDET, "quality_focal", "RTMDet has QualityFocalLoss in the baseline"),
        (RTMDET, "soft_labels", "RTMDet-Ins has the assignment in the baseline"),
        (RTMDET, "scale_jitter", "expected RandomCrop of an absolute range"),
        ("nuclei/nuclei_boxinst_mobilenetv2_fpn.py", "soft_labels", "not of BoxInst's"),
        (COCO, "weak_end", "weak_end: the pipeline has none of PhotoMetricDistortion"),
        ("nuclei/nuclei_condinst_r18_fpn.py", "freeze", "starts from scratch"),
    ],
)
def test_what_a_recipe_cannot_do_is_refused(name, recipe, message):
    with pytest.raises(Refused, match=message):
        read(name, recipe)
