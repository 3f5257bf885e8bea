"""The pass over a config before anything is built: every kind of mistake is named with its key, and
nothing that can be built is refused."""

import re
import time
from pathlib import Path

import mmdet
import pytest
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


def message(base: dict, *options: tuple[str, object], drop: str | None = None) -> str:
    cfg = Config(base)
    for key, value in options:
        set_at(cfg, key, value)
    if drop:
        *path, last = drop.split(".")
        at(cfg, path).pop(last)
    with pytest.raises(ConfigError) as raised:
        check_config(cfg)
    text = str(raised.value)
    assert "\n" not in text
    return text


def at(node, path):
    for key in path:
        node = node[int(key) if isinstance(node, list) else key]
    return node


def set_at(cfg, key: str, value: object) -> None:
    *path, last = key.split(".")
    holder = at(cfg, path)
    holder[int(last) if isinstance(holder, list) else last] = value


RANGES = "model.bbox_head.regress_ranges"
STEPS = "train_dataloader.dataset.pipeline"


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
    ("key", "value", "expected"),
    [
        ("optim_wrapper.optimizer.lr", "fast", "optimizer.lr='fast': expected a number"),
        ("optim_wrapper.optimizer.lr", float("nan"), "expected a number"),
        ("optim_wrapper.optimizer.type", "AdamX", "type='AdamX': no such class"),
        ("train_dataloader.batch_size", "four", "batch_size='four': expected a whole number"),
        ("train_dataloader.batch_size", 10**9, "expected a whole number, 1 to 4096"),
        ("train_dataloader.num_workers", -1, "expected a whole number, 0 to 512"),
        ("train_cfg.max_iters", -5, "train_cfg.max_iters=-5: expected a whole number, 1 or more"),
        ("model.test_cfg.score_thr", 2, "score_thr=2: expected a number from 0 to 1"),
        ("model.test_cfg.nms.iou_threshold", 5, "expected a number from 0 to 1"),
        ("model.test_cfg.max_per_img", -3, "max_per_img=-3: expected a whole number, -1"),
        ("model.test_cfg.nms.type", "nsm", "expected one of nms, soft_nms"),
        ("model.bbox_head.strides", [8, 16, 0, 64, 128], "expected numbers above 0"),
        ("model.bbox_head.num_classes", 0, "num_classes=0: expected a whole number, 1"),
        ("model.bbox_head.num_classes", -1, "num_classes=-1: expected a whole number, 1"),
        ("model.bbox_head.num_classes", "80", "num_classes='80': expected a whole number"),
        ("model.bbox_head.num_classes", True, "num_classes=True: expected a whole number"),
        ("model.neck.num_outs", 10**9, "num_outs=1000000000: expected a whole number, 1 to 1000"),
        ("default_hooks.checkpoint.save_best", "coco/bbox_mAPP", "expected 'auto' or one of coco/"),
        ("default_hooks.checkpoint.save_best", 5, "save_best=5: expected 'auto' or one of coco/"),
        ("log_level", "LOUD", "log_level='LOUD': expected one of CRITICAL, ERROR"),
        ("env_cfg.mp_cfg.mp_start_method", "forkk", "expected one of fork, spawn, forkserver"),
        ("model.data_preprocessor.pad_size_divisor", 0, "expected a whole number, 1 to 100000"),
        ("train_dataloader.dataset.pipeline", [], "expected a list of dicts, one or more"),
        ("train_dataloader.dataset.pipeline", None, "expected a list of dicts, one or more"),
        ("model.backbone.base_channels", 3_200_000, "expected a whole number, 1 to 1000000"),
        ("val_evaluator", [1, 2], r"val_evaluator\[0\]=1: expected a dict with type"),
        ("env_cfg.dist_cfg", 2**70, "env_cfg.dist_cfg=1180591620717411303424: expected a dict"),
        ("env_cfg.mp_cfg", [1], r"env_cfg.mp_cfg=\[1\]: expected a dict"),
        ("model.test_cfg", None, "model.test_cfg=None: expected a dict with nms"),
        ("model.test_cfg", [1], "model.test_cfg=.1.: expected a dict"),
        ("model.backbone.type", "ResNot", "type='ResNot'.*did you mean 'ResNet'"),
        ("model.backbone.type", 3, "model.backbone.type=3: expected the name of a class"),
        ("default_hooks.sampler_seed.type", "", "type='': expected the name of a class"),
        ("model", None, "model=None: expected a dict with type"),
        ("model", "CondInst", "model='CondInst': expected a dict with type"),
        ("train_dataloader.dataset.pipeline.1", True, r"pipeline\[1\]=True: expected a dict with"),
        ("train_dataloader.dataset.pipeline", "x", "pipeline='x': expected a list of dicts"),
        ("train_dataloader.dataset", 3, "train_dataloader.dataset=3: expected a dict with type"),
        ("train_dataloader", 3, "train_dataloader=3: expected a dict"),
        ("custom_hooks", [3], r"custom_hooks\[0\]=3: expected a dict with type"),
        ("default_hooks.logger", "often", "default_hooks.logger='often': expected a dict"),
        ("optim_wrapper.optimizer", None, "optimizer=None: expected a dict with type"),
        ("default_scope", 3, "default_scope=3: expected a text"),
        (f"{STEPS}.2.scale", (0, 0), r"pipeline\[2\].scale=\(0, 0\): expected pixels from 1"),
        (f"{STEPS}.2.scale", (-5, 10), r"scale=\(-5, 10\): expected pixels from 1"),
        (f"{STEPS}.2.scale", (3, 4, 5), r"scale=\(3, 4, 5\): expected pixels from 1"),
        (f"{STEPS}.2.scale", (float("nan"), 5), r"scale=\(nan, 5\): expected pixels from 1"),
        (f"{STEPS}.2.scale", (float("inf"), float("inf")), "expected pixels from 1"),
        (f"{STEPS}.3.prob", float("nan"), r"pipeline\[3\].prob=nan: expected a number from 0 to"),
        (f"{STEPS}.3.prob", [0.5, 0.9], r"prob=\[0.5, 0.9\]: expected .* sum of up to 1"),
        ("model.backbone.out_indices", [0, 9], r"\[0, 9\]: .* from 0 to 3: it has 4 stages"),
        ("model.backbone.out_indices", (-1,), r"\(-1,\): expected .* from 0 to 3"),
        ("model.backbone.depth", 19, "depth=19: expected one of 18, 34, 50, 101, 152$"),
        ("model.backbone.depth", "50", "depth='50': expected one of 18, 34"),
        ("model.backbone.depth", [50], r"depth=\[50\]: expected one of 18, 34"),
        ("model.backbone.depth", None, "depth=None: expected one of 18, 34"),
        ("model.backbone.frozen_stages", 5, "frozen_stages=5: .* from 0 to 4: it has 4 stages"),
        ("model.backbone.frozen_stages", -2, "frozen_stages=-2: expected -1 for none"),
        ("model.backbone.style", "tf", "style='tf': expected one of pytorch, caffe"),
        (
            "model.backbone.init_cfg",
            dict(type="Pretrained", checkpoint=""),
            "init_cfg.checkpoint='': expected a path, or None",
        ),
        ("param_scheduler.0.milestones", 3, "milestones=3: expected a list of whole numbers"),
        ("param_scheduler.0.milestones", [-1], r"milestones=\[-1\]: expected a list of whole"),
        ("train_dataloader.dataset.filter_cfg.min_size", "32", "min_size='32': expected a number"),
        ("val_evaluator.metric", [], r"metric=\[\]: expected a name, or a list of names"),
        ("default_hooks.checkpoint.filename_tmpl", "a.pth", "expected a file name with {} for"),
        ("default_hooks.checkpoint.filename_tmpl", "../a_{}.pth", "expected a file name with {}"),
        ("default_hooks.checkpoint.filename_tmpl", "a{x}{}.pth", "expected a file name with {}"),
        (
            "custom_hooks.0.priority",
            "HIGHEST_",
            "priority='HIGHEST_': expected one of HIGHEST,",
        ),
        (
            "custom_hooks.0.priority",
            101,
            "priority=101: expected .*a whole number, 0 to 100",
        ),
        (
            STEPS,
            [dict(type="LoadImageFromFile"), dict(type="mmdet.RandomFlip", prob=0.5)],
            "dataset.pipeline has no step that packs its result: expected PackDetInputs as the",
        ),
        ("train_dataloader.dataset.indices", 0, "indices=0: expected a number .* other than 0"),
        ("train_dataloader.dataset.indices", [], r"indices=\[\]: expected a number of images"),
        ("train_dataloader.dataset.data_prefix", "train/", "data_prefix='train/': expected a dict"),
        ("work_dir", "", "work_dir='': expected a path, or None"),
        ("load_from", "", "load_from='': expected a path, or None"),
        ("default_hooks.checkpoint.out_dir", "", "out_dir='': expected a path, or None"),
        ("model.neck.num_outs", 4, "num_outs=4: expected 5, the number of strides"),
        ("train_cfg", None, "train_cfg=None: expected a dict, as for train_dataloader and optim"),
        ("val_cfg", None, "val_cfg=None: expected a dict, as for val_dataloader and val_eval"),
        ("test_evaluator", None, "test_evaluator=None: expected a dict, as for test_dataloader"),
        ("param_scheduler.0.T_max", 0, r"T_max=0: expected a whole number, 1 or more"),
        ("param_scheduler.0.step_size", 0, r"step_size=0: expected a whole number, 1 or more"),
        ("model.mask_head.max_masks_to_train", 0, "max_masks_to_train=0: expected a whole number"),
        ("model.backbone", "ResNet", "model.backbone='ResNet': expected a dict with type"),
        ("model.bbox_head", None, "model.bbox_head=None: expected a dict with type"),
        (RANGES, [-1, 64], r"regress_ranges=\[-1, 64\]: expected a pair of pixels for each level"),
        (RANGES, [(64, -1), (64, 128)], "expected a pair .*, the lower number first"),
        (RANGES, [(-1, "64")], "expected a pair of pixels"),
        ("default_scope", "condints", "no such package; did you mean 'condinst'"),
    ],
)
def test_a_value_that_cannot_be_meant(base, key, value, expected):
    text = message(base, (key, value))
    assert re.search(expected, text), text


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


def test_the_best_metric_is_judged_where_its_names_are_known(base):
    """A prefix, classes or items of one's own give other names."""
    for extra in (dict(prefix="mine"), dict(classwise=True), dict(metric_items=["mAP"])):
        cfg = Config(base)
        cfg.val_evaluator.update(extra)
        cfg.default_hooks.checkpoint = dict(cfg.default_hooks.checkpoint, save_best="mine/mAP")
        assert not [text for text in find_problems(cfg) if "save_best" in text]


@pytest.mark.parametrize(
    ("key", "value"), [("val_evaluator.metric", 5), ("default_hooks.checkpoint", 5)]
)
def test_what_is_no_metric_or_hook_is_told(base, key, value):
    assert key in message(base, (key, value))
