"""RTMDet-Ins by the commands: training on generated shapes, test, prediction."""

import json

import pytest
from commands import log_folders, read_metrics, read_scalars, run

pytestmark = pytest.mark.long

CONDINST = ("-m", "condinst")
CONFIG = """
_base_ = "condinst::small/rtmdet-ins_tiny.py"
data_root = "{root}/"
classes = ("circle", "rectangle", "triangle", "star", "ring")
load_from = None
model = dict(bbox_head=dict(num_classes=5), test_cfg=dict(score_thr=0.001))
size = (128, 128)
train_pipeline = _base_.train_pipeline
test_pipeline = _base_.test_pipeline
for step in (*train_pipeline, *test_pipeline):
    for key, value in (("scale", size), ("crop_size", size), ("size", size)):
        if key in step:
            step[key] = value
local = dict(num_workers=0, persistent_workers=False)


def dataset(split, pipeline):
    return dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file=f"annotations/instances_{{split}}.json",
        data_prefix=dict(img=f"{{split}}/"),
        pipeline=pipeline,
    )


train_dataloader = dict(batch_size=4, dataset=dataset("train", train_pipeline), **local)
val_dataloader = dict(dataset=dataset("val", test_pipeline), **local)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "annotations/instances_val.json")
test_evaluator = val_evaluator
train_cfg = dict(max_iters=4, val_interval=4)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=4))
"""


def test_training_test_and_prediction(tmp_path):
    root = tmp_path / "shapes"
    run(*CONDINST, "make-shapes", "--out", root, "--train", 8, "--val", 3)
    config = tmp_path / "mine.py"
    config.write_text(CONFIG.format(root=root.as_posix()))
    work = tmp_path / "work"
    done = run(*CONDINST, "train", config, "--work-dir", work)
    assert "data checked" in done.out
    scalars = read_scalars(log_folders(work)[-1])
    assert all(scalars[i][f"loss_{part}"] > 0 for i in range(1, 5) for part in ("cls", "mask"))
    assert (work / "report.html").is_file()

    run(*CONDINST, "test", config, work / "iter_4.pth", "--work-dir", tmp_path / "test")
    assert "coco/segm_mAP" in read_metrics(tmp_path / "test")

    out = tmp_path / "out"
    run(*CONDINST, "predict", config, work / "iter_4.pth", root / "val", "--out", out)
    assert any(out.rglob("*"))

    done = run(*CONDINST, "info", config, "--no-memory", "--json")
    assert json.loads(done.out)["num_classes"] == 5
