"""The pass over a config before anything is built: every kind of mistake is named with its key, and
nothing that can be built is refused."""

import re
import time
from pathlib import Path

import mmdet
import pytest
from config_messages import message
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from condinst.config.check import check_config, find_problems
from condinst.config.problem import ConfigError

REPO = Path(__file__).resolve().parents[3]
SMALL = REPO / "tests" / "helpers" / "small_condinst.py"
OURS = sorted(p for p in (REPO / "configs").rglob("*.py") if "_base_" not in p.parts)
PUBLISHED = Path(mmdet.__file__).parent / ".mim" / "configs"

# published by mmdet with a mistake in them; each ends in mmengine's error when it is built
BROKEN = {
    "bytetrack_yolox_x_8xb4-80e_crowdhuman-mot20train_test-mot20test.py": "MOTChallengeMetrics",
    "bytetrack_yolox_x_8xb4-amp-80e_crowdhuman-mot20train_test-mot20test.py": "MOTChallengeMetrics",
    "openimagesv6.py": "sampler is missing",
    "voc0712.py": "sampler is missing",
    "voc07.py": "sampler is missing",
    "faster-rcnn_r50_fpn_1x_voc0712-cocofmt.py": "eval_mode",
}


@pytest.fixture(scope="module")
def base() -> dict:
    """The small config's settings, plain."""
    return Config.fromfile(SMALL).to_dict()


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("model.test_cfg.scoer_thr", "score_thr"),
        ("model.test_cfg.score_th", "score_thr"),
        ("model.test_cfg.max_per_image", "max_per_img"),
        ("model.test_cfg.nms.iou_thr", "iou_threshold"),
        ("model.data_preprocesor", "data_preprocessor"),
        ("model.bbox_head.num_klasses", "num_classes"),
        ("model.backbone.depht", "depth"),
        ("train_cfg.max_iter", "max_iters"),
        ("train_cfg.val_intervall", "val_interval"),
        ("env_cfg.cudnn_benchmar", "cudnn_benchmark"),
        ("env_cfg.mp_cfg.mp_start_metod", "mp_start_method"),
        ("optim_wrapper.optimizer.weight_decy", "weight_decay"),
        ("optim_wrapper.clip_gard", "clip_grad"),
        ("param_scheduler.0.begn", "begin"),
        ("train_dataloader.batchsize", "batch_size"),
        ("train_dataloader.sampler.shufle", "shuffle"),
        ("train_dataloader.dataset.filter_cfg.filter_empty", "filter_empty_gt"),
        ("train_dataloader.dataset.pipeline.2.scal", "scale"),
        ("default_hooks.checkpoint.intervall", "interval"),
        ("default_hooks.checkpont", "checkpoint"),
        ("log_processor.windw_size", "window_size"),
        ("auto_scale_lr", "enable"),
        ("val_evaluator.metrc", "metric"),
        ("train_dataloader.dataset.metainfo.clases", "classes"),
        ("train_dataloder", "train_dataloader"),
        ("optim_wraper", "optim_wrapper"),
        ("custom_hook", "custom_hooks"),
        ("load_form", "load_from"),
    ],
)
def test_a_typo_is_named_with_what_was_meant(base, key, meant):
    if key == "auto_scale_lr":  # the small config has none
        text = message(base, ("auto_scale_lr", dict(enabl=True, base_batch_size=16)))
    elif "." not in key:
        text = message(base, (key, {}))
    else:
        text = message(base, (key, 3))
    assert f"did you mean {meant!r}" in text, text


def test_a_typo_of_clip_grad_is_named(base):
    text = message(base, ("optim_wrapper.clip_grad", dict(max_nrm=35)))
    assert "optim_wrapper.clip_grad.max_nrm=35: clip_grad has no 'max_nrm'" in text
    assert "did you mean 'max_norm'?" in text


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("model.type", "model={.*: expected a dict with type"),
        ("model.test_cfg", "model.test_cfg=None: expected a dict with nms, max_per_img, mask_thr"),
        ("model.test_cfg.mask_thr", "mask_thr"),
        ("train_dataloader.sampler", "train_dataloader: sampler is missing"),
        ("train_dataloader.dataset.type", "train_dataloader.dataset={.*expected a dict with type"),
        ("train_dataloader.dataset.pipeline.2.type", r"pipeline\[2\]={.*expected a dict with type"),
    ],
)
def test_what_is_missing_is_named(base, key, expected):
    text = message(base, drop=key)
    assert re.search(expected, text), text


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_configs_pass(path):
    assert list(find_problems(Config.fromfile(path))) == []


def _pass(paths) -> tuple[int, dict[str, list[str]], float]:
    refused: dict[str, list[str]] = {}
    slowest, number = 0.0, 0
    for path in paths:
        try:
            cfg = Config.fromfile(path)
        except Exception:  # needs mmpretrain, or is broken: nobody can run it
            continue
        number += 1
        start = time.process_time()
        # some are parts of configs, for others to inherit from
        parted = "or None for all three" if not cfg.get("train_dataloader") else "has no model"
        problems = [x for x in find_problems(cfg) if x != "has no model" and parted not in x]
        if number > 1:  # the first imports all classes
            slowest = max(slowest, time.process_time() - start)
        if problems:
            refused[path.name] = problems
    return number, refused, slowest


def test_published_configs_pass():
    """Two of each detector that the issue names, and some more."""
    folders = ("condinst", "boxinst", "mask_rcnn", "rtmdet", "solov2", "fcos", "detr", "yolact")
    paths = [p for f in folders for p in sorted((PUBLISHED / f).glob("*.py"))[:2]]
    number, refused, slowest = _pass(paths)
    assert number >= 13
    assert refused == {}
    assert slowest < 1


@pytest.mark.slow
def test_all_published_configs_pass():
    paths = [p for p in sorted(PUBLISHED.glob("**/*.py")) if "_base_" not in p.parts]
    number, refused, slowest = _pass(paths)
    assert number > 800
    assert refused.keys() == BROKEN.keys()
    for name, word in BROKEN.items():
        assert word in " ".join(refused[name])
    assert slowest < 1


def test_a_users_own_variables_and_classes_pass(base):
    """Only near misses of names that are read are refused."""
    cfg = Config(base)
    cfg.update(dict(max_iters=3, model_a=dict(x=1), train_cfg2={}, my_dataset=1, models=[1]))
    cfg["train_pipeline_stage2"] = [dict(type="Nobody")]

    class Mine:
        def __init__(self, **kwargs):
            self.anything = kwargs.pop("anything")

    cfg.custom_hooks = [dict(type=Mine, anything=3), Mine(anything=4)]
    assert list(find_problems(cfg)) == []


def test_a_config_in_the_new_style_is_checked(tmp_path):
    """Classes themselves stand as types there."""
    text = (
        "from mmdet.models.backbones import ResNet\n"
        "from mmdet.models.detectors import MaskRCNN\n"
        "model = dict(type=MaskRCNN, backbone=dict(type=ResNet, {}=50))\n"
    )
    path = tmp_path / "lazy.py"
    path.write_text(text.format("depth"))
    assert list(find_problems(Config.fromfile(path))) == []
    path.write_text(text.format("depht"))
    (problem,) = find_problems(Config.fromfile(path))
    assert problem == "model.backbone.depht=50: ResNet has no 'depht'; did you mean 'depth'?"


def test_parts_that_are_not_used_are_not_judged(base):
    """A stored config predicts where a hook of its training is unknown."""
    cfg = Config(base)
    cfg.custom_hooks = [dict(type="Nobody")]
    cfg.optim_wrapper.optimizer.lr = "fast"
    check_config(cfg, ("model", "test_dataloader"))
    cfg.model.test_cfg.score_th = 0.5
    with pytest.raises(ConfigError, match="score_th"):
        check_config(cfg, ("model", "test_dataloader"))


def test_the_check_changes_nothing(base):
    before = repr(base)
    cfg = Config(base)
    check_config(cfg)
    assert repr(cfg.to_dict()) == repr(Config(base).to_dict())
    assert repr(base) == before
    with DefaultScope.overwrite_default_scope("condinst"):
        MODELS.build(cfg.model)


def test_a_config_without_a_model_is_refused(base):
    cfg = Config({key: value for key, value in base.items() if key != "model"})
    with pytest.raises(ConfigError, match="has no model"):
        check_config(cfg)
    check_config(cfg, parts=["train_dataloader"])


@pytest.mark.parametrize(
    ("extra", "best", "fits"),
    [
        (dict(prefix="mine"), "mine/segm_mAP", True),
        (dict(prefix="mine"), "coco/segm_mAP", False),
        (dict(metric_items=["mAP_50", "AR@100"]), "coco/bbox_AR@100", True),
        (dict(metric_items=["mAP_50"]), "coco/segm_mAP", False),
        (dict(metric_items=["mAPP"]), "coco/segm_mAP", True),  # the items are wrong
        (dict(classwise=True), "coco/circle_precision", True),  # names of classes are not known
        (dict(metric="proposal"), "coco/AR@100", True),
    ],
)
def test_the_best_metric_is_judged_where_its_names_are_known(base, extra, best, fits):
    """A prefix and items of one's own give other names."""
    cfg = Config(base)
    cfg.val_evaluator.update(extra)
    cfg.default_hooks.checkpoint = dict(cfg.default_hooks.checkpoint, save_best=best)
    found = [text for text in find_problems(cfg) if "save_best" in text]
    assert bool(found) != fits


@pytest.mark.parametrize(
    ("key", "value"), [("val_evaluator.metric", 5), ("default_hooks.checkpoint", 5)]
)
def test_what_is_no_metric_or_hook_is_told(base, key, value):
    assert key in message(base, (key, value))
