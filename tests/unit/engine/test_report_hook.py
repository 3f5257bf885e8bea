"""What a training leaves for the report: with mmengine's Runner, our metric, made-up detections."""

import json

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from pycocotools import mask as coco_mask
from torch.utils.data import Dataset

from condinst.evaluation import CocoMetric
from condinst.registry import HOOKS

SIDE = 20
BOX = [2, 3, 10, 8]  # x, y, width, height


def code(box):
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 1
    found = coco_mask.encode(mask)
    return dict(size=[SIDE, SIDE], counts=found["counts"].decode())


class Model(BaseModel):
    """Finds the object of every image, moved by so many pixels in each validation."""

    shifts = (0,)

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.validations = 0

    def train(self, mode=True):
        self.validations += mode is False
        return super().train(mode)

    def forward(self, index, mode):
        if mode == "loss":
            return {"loss": (self.weight**2).sum()}
        x, y, width, height = BOX
        x += self.shifts[self.validations - 1]
        box = torch.tensor([[x, y, x + width, y + height]])
        found = dict(
            bboxes=box.float(),
            scores=torch.tensor([0.5]),
            labels=torch.tensor([0]),
            masks=[code([x, y, width, height])],
        )
        return [dict(img_id=int(i), ori_shape=(SIDE, SIDE), pred_instances=found) for i in index]


class Data(Dataset):
    metainfo = {"classes": ("thing",)}

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {"index": index}


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.json"
    images = [dict(id=i, height=SIDE, width=SIDE, file_name=f"{i}.png") for i in range(2)]
    annotations = [
        dict(
            id=i + 1,
            image_id=i,
            category_id=7,
            bbox=BOX,
            area=BOX[2] * BOX[3],
            iscrowd=0,
            segmentation=code(BOX),
        )
        for i in range(2)
    ]
    categories = [dict(id=7, name="thing")]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return str(path)


def run(work_dir, truth, shifts, *, resume=False, metric=None):
    Model.shifts = shifts
    loader = {"batch_size": 1, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    metric = metric or CocoMetric(truth, ["bbox", "segm"])
    runner = Runner(
        model=Model(),
        work_dir=str(work_dir),
        train_dataloader={**loader, "dataset": Data()},
        val_dataloader={**loader, "dataset": Data()},
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 2 * len(shifts), "val_interval": 2},
        val_cfg={},
        val_evaluator=[metric],
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        default_hooks={
            "logger": {"type": "LoggerHook", "interval": 2},
            "checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False},
        },
        log_processor={"by_epoch": False},
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
        custom_hooks=[{"type": "ReportHook"}],
        resume=resume,
        default_scope="condinst",
        experiment_name=f"{work_dir}/{shifts}{resume}",
    )
    runner.train()
    return runner


def saved(work_dir, which):
    return [row["bbox"] for row in json.loads((work_dir / which).read_text())]


def moved(shift):
    x, *rest = BOX
    return [[x + shift, *rest]] * 2


def test_the_last_and_the_best_predictions_are_kept(tmp_path, truth):
    run(tmp_path / "w", truth, (3, 0, 2))
    assert saved(tmp_path / "w", "predictions_val.json") == moved(2)
    assert saved(tmp_path / "w", "predictions_val_best.json") == moved(0)
    info = json.loads((tmp_path / "w" / "run_info.json").read_text())
    validations = info["validations"]
    assert validations["last"]["iteration"] == 6
    assert validations["best"]["iteration"] == 4
    assert validations["best"]["metrics"]["coco/segm_mAP"] == 1
    assert info["seconds"] > 0
    assert info["machine"]["torch"] == torch.__version__.split("+")[0]
    assert info["machine"]["processes"] == 1
    report = (tmp_path / "w" / "report.html").read_text()
    assert "predictions" in report
    assert not list((tmp_path / "w").glob("*.partial"))


def test_a_resumed_run_remembers_its_best(tmp_path, truth):
    run(tmp_path / "w", truth, (0,))
    first = json.loads((tmp_path / "w" / "run_info.json").read_text())
    run(tmp_path / "w", truth, (1, 2), resume=True)  # the first validation is past
    info = json.loads((tmp_path / "w" / "run_info.json").read_text())
    assert info["validations"]["best"]["iteration"] == 2
    assert info["validations"]["last"]["iteration"] == 4
    assert info["seconds"] > first["seconds"]
    assert saved(tmp_path / "w", "predictions_val_best.json") == moved(0)


def test_a_run_that_begins_anew_forgets(tmp_path, truth):
    run(tmp_path / "w", truth, (0,))
    run(tmp_path / "w", truth, (3,))
    assert saved(tmp_path / "w", "predictions_val_best.json") == moved(3)
    assert saved(tmp_path / "w", "predictions_val.json") == moved(3)


def warnings_of(monkeypatch):
    said = []
    monkeypatch.setattr(
        "mmengine.logging.MMLogger.warning", lambda self, text, *args: said.append(str(text))
    )
    return said


def test_a_failing_report_is_a_warning(tmp_path, truth, monkeypatch):
    said = warnings_of(monkeypatch)

    def fail(*_):
        raise MemoryError("no more")

    monkeypatch.setattr("condinst.report.report_page.write_report", fail)
    run(tmp_path / "w", truth, (0,))
    assert "ReportHook: MemoryError: no more" in said
    assert (tmp_path / "w" / "iter_2.pth").is_file()


def test_predictions_that_could_not_be_written_are_not_taken_for_the_new_ones(
    tmp_path, truth, monkeypatch
):
    said = warnings_of(monkeypatch)
    import condinst.evaluation.coco_metric as module

    write, calls = module.write_predictions, []

    def fail_the_second_time(*args):
        calls.append(args)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        write(*args)

    monkeypatch.setattr(module, "write_predictions", fail_the_second_time)
    run(tmp_path / "w", truth, (3, 0))
    assert any("No space left" in text for text in said)
    info = json.loads((tmp_path / "w" / "run_info.json").read_text())
    assert info["validations"]["last"]["iteration"] == 2
    assert saved(tmp_path / "w", "predictions_val_best.json") == moved(3)


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("mmengine.dist.utils.get_rank", lambda group=None: 1)

    class NoRunner:
        """Any use of it fails."""

        _train_loop = object()
        work_dir = str(tmp_path)

    hook = HOOKS.build({"type": "ReportHook"})
    for call in (hook.before_train, hook.before_val_epoch, hook.after_val_epoch, hook.after_train):
        call(NoRunner())
    assert list(tmp_path.iterdir()) == []
