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

from benchmarks.eight_images import eight_images_config, write_subset
from benchmarks.learning import (
    LearningCurve,
    Spread,
    as_lines,
    mmdet_config,
    read_learning,
    spreads,
    summary,
    write,
)

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


def curve(name, ap):
    return LearningCurve(name, [5, 10], [5.0, 10.0], [0.1, ap], [0.1, ap / 2], [0, ap], [0, ap], 1)


def test_mean_and_spread_of_several_seeds(tmp_path):
    """Seeds are paired: the spread of the difference is not the difference of the spreads."""
    theirs = [curve("mmdet", ap) for ap in (0.2, 0.4, 0.6)]
    ours = [curve("ours", ap) for ap in (0.3, 0.5, 0.7)]
    found = spreads(theirs, ours)["mask_ap"]
    assert found["mmdet"].mean == pytest.approx(0.4)
    assert found["mmdet"].std == pytest.approx(0.2)  # sqrt((0.04 + 0 + 0.04) / 2)
    assert found["ours - mmdet"].mean == pytest.approx(0.1)
    assert found["ours - mmdet"].std == pytest.approx(0)
    lines = as_lines(spreads(theirs, ours))
    assert "mask_ap    ours          0.500 +- 0.200 (0.300 to 0.700)" in lines
    for path in write(tmp_path, {}, [3, 4, 5], theirs, ours):
        assert path.stat().st_size > 0
    content = json.loads((tmp_path / "learning.json").read_text())
    assert [entry["seed"] for entry in content["seeds"]] == [3, 4, 5]
    assert content["spread"]["box_ap"]["ours"]["values"] == pytest.approx([0.15, 0.25, 0.35])


def test_one_seed_has_no_spread():
    assert Spread.of([0.25]).std is None
    assert str(Spread.of([0.25])) == "0.250"


def test_the_eight_images_are_those_with_the_largest_small_object(tmp_path):
    """Image i has objects of areas 100 and i; image 3 has a crowd, and image 12 has no object."""
    images = [dict(id=i, file_name=f"{i}.png", width=20, height=10) for i in range(1, 13)]
    annotations = [
        dict(id=10 * i + k, image_id=i, area=area, iscrowd=int(i == 3))
        for i in range(1, 12)
        for k, area in enumerate((100, i))
    ]
    folder = tmp_path / "annotations"
    folder.mkdir()
    content = dict(images=images, annotations=annotations, categories=[])
    (folder / "instances_train2017.json").write_text(json.dumps(content))
    write_subset(tmp_path, tmp_path / "eight.json")
    kept = json.loads((tmp_path / "eight.json").read_text())
    assert {image["id"] for image in kept["images"]} == {4, 5, 6, 7, 8, 9, 10, 11}
    assert len(kept["annotations"]) == 16
    with pytest.raises(FileNotFoundError, match=r"instances_train2017.json is not a file"):
        write_subset(folder, tmp_path / "eight.json")


def test_the_eight_images_are_trained_from_scratch(tmp_path):
    cfg = eight_images_config(tmp_path, tmp_path / "eight.json", iterations=50)
    assert cfg.model.backbone.init_cfg is None
    assert cfg.model.backbone.frozen_stages == -1
    assert cfg.train_cfg.val_interval == 10
    assert cfg.train_dataloader.dataset.ann_file == cfg.val_evaluator.ann_file


SCRIPT = [sys.executable, ROOT / "tools" / "compare_training.py"]


def test_the_script_tells_what_it_takes():
    out = subprocess.run([*SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--only {mmdet,ours,report}" in out


def test_finished_trainings_are_reported_and_not_repeated(tmp_path):
    for name, aps in (("mmdet", [0.1, 0.3]), ("ours", [0.2, 0.4])):
        for seed in (0, 1):
            write_log(tmp_path / f"seed_{seed}" / name, 1.0, aps)
    words = [
        CONFIG,
        "--out",
        tmp_path,
        "--seeds",
        "0",
        "1",
        "--cfg-options",
        "train_cfg.max_iters=20",
    ]
    done = subprocess.run([*SCRIPT, *words], capture_output=True, text=True, check=True)
    assert done.stdout.count("finished earlier") == 4
    assert "mask_ap    ours - mmdet  0.100 +- 0.000 (0.100 to 0.100)" in done.stdout
    both = subprocess.run(
        [*SCRIPT, *words, "--eight-images", tmp_path], capture_output=True, text=True
    )
    assert both.returncode == 1
    assert "expected a config or --eight-images FOLDER" in both.stderr.splitlines()[0]
