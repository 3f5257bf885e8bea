"""Values that cannot be meant are named with their key and with what was expected."""

import re

import pytest
from commands import SMALL
from config_messages import message
from mmengine.config import Config

RANGES = "model.bbox_head.regress_ranges"
STEPS = "train_dataloader.dataset.pipeline"


@pytest.fixture(scope="module")
def base() -> dict:
    """The small config's settings, plain."""
    return Config.fromfile(SMALL).to_dict()


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
        ("val_evaluator", [], r"val_evaluator=\[\]: expected a dict, or a list of them"),
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
        ("val_evaluator.classwise", "yes", "classwise='yes': expected True or False"),
        ("test_evaluator.format_only", 1, "test_evaluator.format_only=1: expected True or False"),
        ("val_evaluator.iou_thrs", 2.0, "iou_thrs=2.0: expected a number above 0, to 1, or a list"),
        ("val_evaluator.iou_thrs", [0.5, -0.5], r"iou_thrs=\[0.5, -0.5\]: expected a number above"),
        ("val_evaluator.iou_thrs", [], r"iou_thrs=\[\]: expected a number above 0"),
        ("val_evaluator.iou_thrs", "0.5", "iou_thrs='0.5': expected a number above 0"),
        ("val_evaluator.metric_items", "mAP", "metric_items='mAP': expected a list of names"),
        ("val_evaluator.collect_device", "gpuu", "collect_device='gpuu': expected one of cpu, gpu"),
        ("val_evaluator.ann_file", 3, "val_evaluator.ann_file=3: expected a text, or None"),
        ("val_evaluator.prefix", 3, "val_evaluator.prefix=3: expected a text, or None"),
        ("val_evaluator.outfile_prefix", 3, "outfile_prefix=3: expected a path, or None"),
        (
            "val_dataloader.sampler",
            dict(type="InfiniteSampler"),
            "val_dataloader.sampler.type='InfiniteSampler': expected DefaultSampler with shuffle=F",
        ),
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
        ("model.mask_head.pairwise_size", 4, "pairwise_size=4: expected an odd number, 3 or more"),
        ("model.mask_head.box_supervision", dict(warmup_iters=-1), "expected a whole number, 0 or"),
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
