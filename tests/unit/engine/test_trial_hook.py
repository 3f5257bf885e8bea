"""What would fail in the first validation is named before the training; what is sound is not."""

from __future__ import annotations

import logging
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from checked_project import Project
from mmdet.evaluation import MultiDatasetsEvaluator
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.optim import ReduceOnPlateauLR
from mmengine.registry import init_default_scope
from mmengine.runner import ValLoop

from condinst.engine.trial_hook import TrialHook
from condinst.evaluation.matches import read_truth
from condinst.registry import DATASETS, METRICS

PACKED = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
AP = [f"coco/{kind}_mAP{end}" for kind in ("bbox", "segm") for end in ("", "_50", "_75")]


class Fails(BaseMetric):
    """A user's metric, which may need more than one image."""

    def process(self, data_batch, data_samples):
        raise AssertionError("it was tried")

    def compute_metrics(self, results):
        return {}


class Trial:
    """A runner before its training, with what the hook reads of it."""

    def __init__(self, root):
        init_default_scope("condinst")
        self.project = Project(root)
        self.truth = f"{root}/val.json"
        self.metrics = [dict(type="CocoMetric", ann_file=self.truth, metric=["bbox", "segm"])]
        self.packed, self.hooks, self.schedulers, self.batches = PACKED, [], [], 1
        self.model, self.split = "CondInst", "val"
        self.kind = Evaluator

    def run(self):
        node = dict(self.project.cfg.val_dataloader.dataset)
        node["pipeline"] = [
            dict(type="LoadImageFromFile"),
            dict(type="Resize", scale=(30, 30), keep_ratio=True),
            dict(type="PackDetInputs", meta_keys=self.packed),
        ]
        dataset = DATASETS.build(node)
        metrics = [METRICS.build(m) if isinstance(m, dict) else m for m in self.metrics]
        loop = ValLoop.__new__(ValLoop)
        loop.evaluator = self.kind(metrics)
        loop.evaluator.dataset_meta = dataset.metainfo
        loop.dataloader = _Loader(dataset, self.batches)
        cfg = self.project.cfg
        cfg.model.type = self.model
        runner = SimpleNamespace(
            cfg=cfg, hooks=self.hooks, param_schedulers=self.schedulers, _test_loop=None
        )
        setattr(runner, f"_{self.split}_loop", loop)
        TrialHook(self.split).before_run(runner)
        return metrics


class _Loader:
    def __init__(self, dataset, batches):
        self.dataset, self._batches = dataset, batches

    def __len__(self):
        return self._batches


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def test_a_sound_evaluation_leaves_no_trace(trial, tmp_path, caplog):
    trial.metrics[0]["outfile_prefix"] = f"{tmp_path}/out/found"
    trial.metrics[0]["predictions_file"] = f"{tmp_path}/predictions.json"
    trial.metrics.append(dict(type="DumpDetResults", out_file_path=f"{tmp_path}/out/found.pkl"))
    trial.hooks = [CheckpointHook(save_best=["coco/segm_mAP", "coco/bbox_mAP_50"])]
    before = sorted(tmp_path.rglob("*"))
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    expected = random.random(), np.random.rand(), float(torch.rand(1))
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    with caplog.at_level(logging.INFO):
        coco, dump = trial.run()
    assert (random.random(), np.random.rand(), float(torch.rand(1))) == expected
    assert sorted(tmp_path.rglob("*")) == before
    assert not caplog.records
    assert logging.root.manager.disable == 0
    assert coco.outfile_prefix == f"{tmp_path}/out/found"
    assert coco.predictions_file == f"{tmp_path}/predictions.json"
    assert dump.out_file_path == f"{tmp_path}/out/found.pkl"
    assert coco.results == dump.results == []


@pytest.mark.parametrize("masks", ["rle", "bool"])
@pytest.mark.parametrize("kind", ["CocoMetric", "mmdet.CocoMetric", "MatchingMetric"])
def test_metrics_of_masks_are_sound(trial, kind, masks):
    trial.project.cfg.model.test_cfg = dict(mask_format=masks)
    trial.metrics = [dict(type=kind, ann_file=trial.truth)]
    best = "matching/ap" if kind == "MatchingMetric" else "coco/bbox_mAP"
    trial.hooks = [CheckpointHook(save_best=best, rule="greater")]
    trial.run()


def fails(trial, *messages):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        trial.run()
    text = str(caught.value)
    assert "\n" not in text
    for message in messages:
        assert message in text


@pytest.mark.parametrize("name", ["img_id", "ori_shape", "img_shape"])
def test_what_is_not_packed(trial, name):
    trial.packed = [key for key in PACKED if key != name]
    fails(
        trial,
        "val_dataloader.dataset.pipeline: meta_keys of PackDetInputs: expected 'img_id', "
        f"'img_shape', 'ori_shape', without {name!r}",
    )


def test_a_metric_of_another_task(trial):
    trial.metrics.append(dict(type="SemSegMetric"))
    fails(trial, "val_evaluator[1] (SemSegMetric): KeyError: pred_sem_seg; expected a metric of bo")
    trial.metrics = trial.metrics[1:]
    fails(trial, "val_evaluator (SemSegMetric): ")


def test_metrics_of_the_same_names(trial):
    trial.metrics *= 2
    fails(trial, "val_evaluator[1]: its number coco/bbox_mAP is one of val_evaluator[0] too")
    trial.metrics[1] = trial.metrics[1] | dict(prefix="other")
    trial.run()


def test_a_metric_without_annotations_to_compare_with(trial):
    trial.metrics = [dict(type="CocoMetric")]
    fails(trial, "val_evaluator: CocoMetric: ann_file=None takes the annotations from the dataset")


def test_the_annotations_are_not_prepared_again_for_the_validation(trial, monkeypatch):
    """With 5,080 images and 35,560 polygons, this took 0.9 s of 2.4 s."""
    prepared = []

    def count(*args):
        prepared.append(args)
        return read_truth(*args)

    monkeypatch.setattr("condinst.evaluation.coco_metric.read_truth", count)
    (metric,) = trial.run()
    nothing = dict(scores=np.zeros(0), labels=np.zeros(0, int), bboxes=np.zeros((0, 4)))
    metric.results.append(({}, dict(img_id=1, masks=[], **nothing)))
    assert metric.evaluate(1)["coco/bbox_mAP"] == 0
    assert len(prepared) == 1


def test_annotations_from_the_dataset_are_those_of_all_images(trial):
    """The metric makes its annotations of the images that it gets: here of one, later of all."""
    trial.metrics = [dict(type="CocoMetric")]
    trial.packed = (*PACKED, "instances")
    (metric,) = trial.run()
    assert metric._coco_api is None
    assert metric.cat_ids is None


@pytest.mark.parametrize("kind", ["CocoMetric", "mmdet.CocoMetric"])
def test_a_first_image_without_an_object(trial, kind):
    """A sound validation must pass, though none of this image's AP can be computed."""
    trial.project.data["images"].reverse()
    trial.project.write("val.json")
    trial.hooks = [CheckpointHook(save_best="coco/segm_mAP")]
    trial.metrics[0]["type"] = kind
    trial.run()
    trial.metrics[0].pop("ann_file")
    trial.packed = (*PACKED, "instances")
    trial.run()


def test_names_that_hooks_and_schedules_read(trial):
    """Otherwise a KeyError, a warning at each validation, or an error after the first one."""
    expected = f"expected one of {', '.join(AP[:3])}, "
    trial.hooks = [CheckpointHook(save_best="coco/mAP")]
    fails(trial, f"default_hooks.checkpoint.save_best='coco/mAP': {expected}")
    trial.hooks = [EarlyStoppingHook(monitor="coco/acc", rule="greater")]
    fails(trial, f"custom_hooks (EarlyStoppingHook): monitor='coco/acc': {expected}")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    trial.hooks, trial.schedulers = [], [ReduceOnPlateauLR(optimizer, monitor="coco/loss")]
    fails(trial, f"param_scheduler (ReduceOnPlateauLR): monitor='coco/loss': {expected}")
    trial.schedulers = dict(a=trial.schedulers)
    fails(trial, "param_scheduler (ReduceOnPlateauLR): monitor='coco/loss'")
    trial.schedulers = []
    trial.hooks = [CheckpointHook(save_best="auto"), EarlyStoppingHook(monitor=AP[3])]
    trial.run()


@pytest.mark.parametrize("kind", ["CocoMetric", "DumpDetResults"])
def test_files_that_cannot_be_written(trial, tmp_path, kind):
    (tmp_path / "file").write_text("")
    key = dict(CocoMetric="outfile_prefix", DumpDetResults="out_file_path")[kind]
    node = {"type": kind, key: f"{tmp_path}/file/found.pkl"}
    trial.metrics = [node | dict(ann_file=trial.truth) if kind == "CocoMetric" else node]
    fails(trial, f"val_evaluator.{key} {tmp_path}/file: {tmp_path}/file is a file, expected a fold")


def test_an_image_that_cannot_be_loaded(trial, tmp_path):
    (tmp_path / "images/1.png").write_text("no image")
    fails(trial, "val_dataloader.dataset: ", "images/1.png")


def test_no_batch(trial):
    trial.batches = 0
    fails(trial, "val_dataloader: no batch of 4 images: expected drop_last=False")


def test_an_evaluator_of_several_datasets_without_them(trial):
    trial.kind = lambda metrics: MultiDatasetsEvaluator(metrics, dataset_prefixes=["a"])
    fails(trial, "val_evaluator.type='MultiDatasetsEvaluator': expected val_dataloader.dataset of")


def test_the_test_has_its_own_keys(trial):
    trial.split = "test"
    trial.metrics = [dict(type="SemSegMetric")]
    fails(trial, "test_evaluator (SemSegMetric): ")


def test_what_cannot_be_judged_passes(trial):
    trial.hooks = [CheckpointHook(save_best="mine", rule="greater")]
    trial.metrics.append(Fails())
    trial.run()
    trial.metrics = [dict(type="SemSegMetric")]
    trial.model = "mmdet.MaskRCNN"
    trial.run()
    trial.model = "CondInst"
    trial.kind = type("Mine", (Evaluator,), {})
    trial.run()
