"""Training curves: hand-written records, and a real run of mmengine's that is resumed."""

import json
import math
import time
from types import SimpleNamespace

import cv2
import pytest
import torch
from matplotlib import pyplot
from mmengine.evaluator import BaseMetric
from mmengine.hooks import LoggerHook
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from condinst.engine import curve_hook
from condinst.registry import HOOKS
from condinst.report import curves


def write_records(work_dir, start, *records, tail=""):
    folder = work_dir / start / "vis_data"
    folder.mkdir(parents=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "scalars.json").write_text(text + tail)


def train(iteration, loss, lr=0.1):
    return {"lr": lr, "time": 1.0, "loss": loss, "iter": iteration, "step": iteration}


def val(step, value):
    return {"coco/segm_mAP": value, "coco/segm_mAP_s": -1.0, "time": 1.0, "step": step}


def test_a_resumed_run_replaces_what_it_repeats(tmp_path):
    write_records(
        tmp_path,
        "20260101_000000",
        train(10, 3.0),
        train(20, 2.0),
        val(20, 0.1),
        train(30, 9.0),
        tail='{"lr": 0.1, "lo',
    )
    write_records(
        tmp_path, "20260101_000100", train(30, 1.0, lr=0.01), train(40, 0.5), val(40, 0.2)
    )
    read = curves.read_curves(tmp_path)
    assert read.losses == {"loss": [(10, 3.0), (20, 2.0), (30, 1.0), (40, 0.5)]}
    assert read.metrics == {"coco/segm_mAP": [(20, 0.1), (40, 0.2)]}
    assert read.learning_rate == [(10, 0.1), (20, 0.1), (30, 0.01), (40, 0.1)]
    assert read.resumed_at == [30]  # no log says it


def test_a_run_is_resumed_at_the_iteration_of_its_checkpoint(tmp_path):
    """Logged every 50 iterations, saved at 1000, killed after 1130, and logged every 20 since."""
    write_records(
        tmp_path, "a", train(950, 3.0), train(1000, 2.0), val(1000, 0.1), train(1050, 9.0)
    )
    write_records(tmp_path, "b", train(1060, 1.0), val(1060, 0.2))
    write_records(tmp_path, "c", train(1200, 0.5))
    log = "2026/01/01 00:01:00 - mmengine - INFO - "
    (tmp_path / "a" / "a.log").write_text(f"{log}Checkpoints will be saved\n")
    (tmp_path / "b" / "b.log").write_text(
        f"{log}Load checkpoint from iter_1000.pth\n{log}resumed epoch: 0, iter: 1000\n"
    )
    (tmp_path / "c" / "c_host_cpu_rank0.log").write_text(f"{log}resumed epoch: 1, iter: 1060\n")
    read = curves.read_curves(tmp_path)
    assert read.resumed_at == [1000, 1060]
    assert read.losses == {"loss": [(950, 3.0), (1000, 2.0), (1060, 1.0), (1200, 0.5)]}
    assert read.metrics == {"coco/segm_mAP": [(1000, 0.1), (1060, 0.2)]}


def test_a_run_that_began_anew_replaces_the_old_one(tmp_path):
    write_records(tmp_path, "a", train(10, 3.0), train(20, 2.0), val(20, 0.1))
    write_records(tmp_path, "b", train(30, 2.0))
    write_records(tmp_path, "c", train(10, 4.0))
    read = curves.read_curves(tmp_path)
    assert read.losses == {"loss": [(10, 4.0)]}
    assert read.metrics == {}
    assert read.resumed_at == []


def test_a_validation_numbered_by_epoch_lands_on_its_iteration(tmp_path):
    write_records(tmp_path, "a", train(50, 3.0), train(100, 2.0), val(1, 0.1), train(150, 1.0))
    assert curves.read_curves(tmp_path).metrics == {"coco/segm_mAP": [(100, 0.1)]}


def test_an_evaluation_alone_is_no_training(tmp_path):
    write_records(tmp_path, "a", val(0, 0.1))
    with pytest.raises(FileNotFoundError, match=r"no \*/vis_data/scalars\.json, which LocalVis"):
        curves.draw_curves(tmp_path)
    config = tmp_path / "a" / "vis_data" / "config.py"
    config.write_text("default_hooks = dict(logger=dict(interval=20))")
    expected = r"^no curves: fewer iterations than the logging interval \(20\)$"
    with pytest.raises(FileNotFoundError, match=expected):
        curves.draw_curves(tmp_path)


def test_records_that_cannot_be_drawn_are_left_out(tmp_path):
    write_records(
        tmp_path, "a", train(10, math.nan), train(20, 0.0), train(30, math.inf), val(30, -1.0)
    )
    assert cv2.imread(str(curves.draw_curves(tmp_path))) is not None


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, mode):
        return {"loss": (self.weight**2).sum()} if mode == "loss" else [x]


class Data(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        return {"x": torch.ones(1)}


class Metric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {"mAP": len(results) / 8}


def run(work_dir, iterations, *, resume=False):
    loader = {"batch_size": 1, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    runner = Runner(
        model=Model(),
        work_dir=str(work_dir),
        train_dataloader={**loader, "dataset": Data()},
        val_dataloader={**loader, "dataset": Data()},
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": iterations, "val_interval": 4},
        val_cfg={},
        val_evaluator=[Metric()],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={
            "logger": {"type": "LoggerHook", "interval": 2},
            "checkpoint": {"type": "CheckpointHook", "interval": 4, "by_epoch": False},
        },
        log_processor={"by_epoch": False},
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
        custom_hooks=[{"type": "CurveHook"}],
        resume=resume,
        default_scope="condinst",
        experiment_name=f"{work_dir}/{iterations}",
    )
    runner.train()
    return runner


def test_a_run_draws_at_validation_and_at_the_end(tmp_path, monkeypatch):
    drawn = []
    draw = curve_hook.draw_curves
    monkeypatch.setattr(curve_hook, "draw_curves", lambda path: drawn.append(draw(path)))
    run(tmp_path, 8)
    assert [str(path) for path in drawn] == [str(tmp_path / "curves.png")] * 3  # at 4, 8, the end
    assert cv2.imread(str(tmp_path / "curves.png")).shape[2] == 3
    assert not list(tmp_path.glob("*.partial"))
    read = curves.read_curves(tmp_path)
    assert [i for i, _ in read.losses["loss"]] == [2, 4, 6, 8]
    assert read.metrics["mAP"] == [(4, 2.0), (8, 2.0)]


def test_a_resumed_run_draws_the_whole_of_it(tmp_path):
    run(tmp_path, 6)
    time.sleep(1.1)  # mmengine names a start by its second
    run(tmp_path, 12, resume=True)
    read = curves.read_curves(tmp_path)
    assert [i for i, _ in read.losses["loss"]] == [2, 4, 6, 8, 10, 12]
    assert [i for i, _ in read.metrics["mAP"]] == [4, 6, 8, 12]
    assert read.resumed_at == [6]
    losses = [value for _, value in read.losses["loss"]]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("interval", "max_iters", "used"),
    [(50, 40, 4), (50, 149, 14), (50, 150, 50), (50, 3, 1), (2, 8, 2), (1, 1, 1)],
)
def test_a_short_run_logs_often_enough_for_a_curve(interval, max_iters, used):
    logger = LoggerHook(interval=interval)
    runner = SimpleNamespace(hooks=[logger], max_iters=max_iters)
    HOOKS.build({"type": "CurveHook"}).before_train(runner)
    assert logger.interval == used


def test_the_curve_of_a_very_short_run_has_each_iteration(tmp_path):
    run(tmp_path, 3)
    assert [i for i, _ in curves.read_curves(tmp_path).losses["loss"]] == [1, 2, 3]


def test_a_failure_is_a_warning(tmp_path, monkeypatch):
    def fail(path):
        raise OSError("disk is full")

    said = []
    monkeypatch.setattr(curve_hook, "draw_curves", fail)
    monkeypatch.setattr(
        "mmengine.logging.MMLogger.warning", lambda self, text, *args: said.append(text)
    )
    run(tmp_path, 2)
    assert "CurveHook: no curves.png: OSError: disk is full" in said


@pytest.mark.parametrize(
    ("hooks", "number"), [(["CurveHook"], 1), (["CurveHook", "ReportHook"], 0)]
)
def test_a_short_training_is_told_once_and_is_no_warning(tmp_path, monkeypatch, hooks, number):
    said, warned = [], []
    monkeypatch.setattr("mmengine.logging.MMLogger.info", lambda self, text, *a: said.append(text))
    monkeypatch.setattr(
        "mmengine.logging.MMLogger.warning", lambda self, text, *a: warned.append(text)
    )
    hooks = [HOOKS.build({"type": name}) for name in hooks]
    runner = SimpleNamespace(work_dir=tmp_path, logger=MMLogger("short"), hooks=hooks)
    hooks[0].after_train(runner)
    assert len([text for text in said if "no curves" in text]) == number
    assert warned == []


def test_only_the_first_process_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(curve_hook, "draw_curves", lambda path: pytest.fail("drawn on rank 1"))
    monkeypatch.setattr("mmengine.dist.utils.get_rank", lambda group=None: 1)
    write_records(tmp_path, "a", train(10, 1.0))
    HOOKS.build({"type": "CurveHook"}).after_train(None)


def test_pyplot_is_left_alone(tmp_path):
    write_records(tmp_path, "a", train(10, 1.0), train(20, 0.5), val(20, 0.3))
    curves.draw_curves(tmp_path, tmp_path / "other.png")
    assert pyplot.get_fignums() == []
    assert (tmp_path / "other.png").is_file()
    assert not (tmp_path / "curves.png").exists()
