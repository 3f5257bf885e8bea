"""The same training with mmdet's modules and with ours: configs translated, runs read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from pycocotools import mask as mask_utils

from benchmarks.learning import LearningCurve, mmdet_config, read_learning, summary

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "quickstart" / "quickstart_condinst_r18_fpn_shapes.py"


def quickstart(tmp_path, segmentation):
    annotation = dict(
        id=1, image_id=1, category_id=1, bbox=[1, 1, 4, 4], area=16, iscrowd=0,
        segmentation=segmentation,
    )  # fmt: skip
    names = ("circle", "rectangle", "triangle", "star", "ring")
    content = dict(
        images=[dict(id=1, file_name="a.png", width=8, height=8)],
        annotations=[annotation],
        categories=[dict(id=i + 1, name=name) for i, name in enumerate(names)],
    )
    (tmp_path / "a.json").write_text(json.dumps(content))
    cfg = Config.fromfile(CONFIG)
    cfg.train_dataloader.dataset.update(data_root=str(tmp_path), ann_file="a.json")
    return cfg


@pytest.fixture
def square():
    mask = np.zeros((8, 8), np.uint8)
    mask[1:5, 1:5] = True
    rle = mask_utils.encode(np.asfortranarray(mask))
    return dict(rle, counts=rle["counts"].decode())


def test_mmdets_modules_take_the_place_of_ours(tmp_path):
    cfg = mmdet_config(quickstart(tmp_path, [[1, 1, 5, 1, 5, 5]]))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MMDET_MODELS.build(cfg.model)
    for part in (model, model.backbone, model.bbox_head, model.mask_head):
        assert type(part).__module__.startswith("mmdet.")
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert "PrepareMaskTargets" not in steps
    assert cfg.custom_hooks[0].type == "condinst.CurveHook"
    assert cfg.default_hooks.logger.type == "LoggerHook"


def test_what_mmdet_lacks_stays_ours(tmp_path):
    cfg = quickstart(tmp_path, [[1, 1, 5, 1, 5, 5]])
    cfg.model.backbone = dict(type="TimmBackbone", model_name="mobilenetv2_100")
    assert mmdet_config(cfg).model.backbone.type == "condinst.TimmBackbone"
    assert cfg.model.backbone.type == "TimmBackbone"


def test_mmdet_reads_rles_as_bitmaps_only(tmp_path, square):
    def poly2mask(segmentation):
        cfg = mmdet_config(quickstart(tmp_path, segmentation))
        return cfg.train_dataloader.dataset.pipeline[1].poly2mask

    assert poly2mask(square) is True
    assert poly2mask([[1, 1, 5, 1, 5, 5]]) is False


def write_log(folder, seconds_per_iteration, aps):
    """A run validated every 10 iterations, logged every 5."""
    path = folder / "20260101" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    lines = []
    for i, ap in enumerate(aps):
        for iteration in (10 * i + 5, 10 * i + 10):
            lines.append(dict(iter=iteration, step=iteration, time=seconds_per_iteration, loss=1.0))
        metrics = {f"coco/{k}": ap for k in ("segm_mAP", "bbox_mAP", "segm_mAP_50", "segm_mAP_75")}
        lines.append(dict(metrics, step=0))  # as mmengine writes it
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_time_to_the_others_ap(tmp_path):
    write_log(tmp_path / "a", 2.0, [0.1, 0.3, 0.4])
    write_log(tmp_path / "b", 1.0, [0.2, 0.4, 0.5])
    theirs, ours = (read_learning(tmp_path / name, name) for name in "ab")
    assert theirs.iterations == [10, 20, 30]
    assert theirs.seconds == [20.0, 40.0, 60.0]
    found = summary(theirs, ours)
    assert found["seconds_to_it"] == {"a": 60.0, "b": 20.0}
    assert found["times_as_fast_per_iteration"] == 2.0


def test_an_ap_that_was_not_reached_has_no_time():
    run = LearningCurve("x", [10], [5.0], [0.2], [0.2], [0.3], [0.1], 0.5)
    assert run.seconds_to(0.21) is None
    assert run.seconds_to(0.2) == 5.0


def test_a_run_without_validation_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: expected .* with validations"):
        read_learning(tmp_path, "x")


def test_the_script_tells_what_it_takes():
    command = [sys.executable, ROOT / "tools" / "compare_training.py", "--help"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--only {mmdet,ours,report}" in out
