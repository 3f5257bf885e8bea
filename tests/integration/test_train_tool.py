"""Training and testing by the commands: what a user finds afterwards."""

import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import SMALL, TEST, TRAIN, log_folders, read_metrics, read_scalars, run, run_here
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from condinst.compat.checkpoint import load_from_local

LOSSES = {"loss", "loss_cls", "loss_bbox", "loss_centerness", "loss_mask"}


def test_training_leaves_losses_time_left_curves_and_checkpoints(trained):
    folder = log_folders(trained)[-1]
    log = (folder / f"{folder.name}.log").read_text()
    lines = re.findall(r"Iter\(train\) \[ *(\d+)/80\].*eta: (\S+).*loss_mask: (\S+)", log)
    assert {int(line[0]) for line in lines} >= set(range(10, 81, 10))
    assert lines[-1][1] == "0:00:00"
    assert lines[0][1] != "0:00:00"

    scalars = read_scalars(folder)
    assert set(scalars[80]) >= LOSSES | {"lr"}
    assert scalars[80]["loss"] == pytest.approx(sum(scalars[80][x] for x in LOSSES - {"loss"}))
    assert scalars[80]["loss"] < 0.8 * scalars[10]["loss"]

    curves = cv2.imread(str(trained / "curves.png"))
    assert curves.std() > 5
    assert list(folder.glob("vis_data/events.out.tfevents*"))
    names = {path.name for path in trained.glob("*.pth")}
    assert names >= {"iter_40.pth", "iter_80.pth"}
    assert len([name for name in names if name.startswith("best_coco_segm_mAP")]) == 1
    assert (trained / "last_checkpoint").read_text().endswith("iter_80.pth")
    checkpoint = load_from_local(str(trained / "iter_80.pth"))
    assert checkpoint["meta"]["iter"] == 80


def test_testing_gives_ap_predictions_and_images(trained, shapes, tmp_path):
    """The saved predictions, evaluated with pycocotools here, give the AP that the tool says."""
    predictions, images = tmp_path / "predictions.pkl", tmp_path / "images"
    run_here(
        *("test", SMALL, trained / "iter_80.pth"),
        *("--work-dir", tmp_path, "--out", predictions, "--show-dir", images),
        # not the config's folder: moved by the one switch
        *("--show-score-thr", 0.2, "--cfg-options", f"data_root={shapes}"),
    )
    metrics = read_metrics(tmp_path)
    samples = pickle.loads(predictions.read_bytes())
    truth = COCO(str(shapes / "annotations" / "instances_train.json"))
    for kind in ("bbox", "segm"):
        expected = evaluate(truth, samples, kind)
        assert expected > 0.02
        assert metrics[f"coco/{kind}_mAP"] == pytest.approx(expected, abs=5e-4)  # it rounds

    drawn = {path.stem: cv2.imread(str(path)) for path in images.glob("*.jpg")}
    assert set(drawn) == {f"{i:06d}" for i in range(8)}
    for sample in samples:
        stem = Path(sample["img_path"]).stem
        original = cv2.imread(sample["img_path"])
        side = drawn[stem].shape[1] // 2 - 3
        assert side >= 2 * 96  # small images are enlarged
        large = cv2.resize(original, (side, side), interpolation=cv2.INTER_CUBIC).astype(int)
        truth_panel = drawn[stem][-side:, :side]
        predicted_panel = drawn[stem][-side:, -side:]
        assert np.abs(truth_panel - large).max() > 60
        shown = (sample["pred_instances"]["scores"] >= 0.2).any()
        assert (np.abs(predicted_panel - large).mean() > 3) == shown


def evaluate(truth: COCO, samples: list[dict], kind: str) -> float:
    category_ids = {category["name"]: category["id"] for category in truth.cats.values()}
    names = ("circle", "rectangle", "triangle", "star", "ring")
    results = []
    for sample in samples:
        found = sample["pred_instances"]
        for box, score, label, rle in zip(
            found["bboxes"].double(), found["scores"], found["labels"], found["masks"], strict=True
        ):
            assert set(rle) == {"size", "counts"}
            assert mask_utils.decode(rle).shape == (96, 96)
            x1, y1, x2, y2 = box.tolist()
            results.append(
                {
                    "image_id": sample["img_id"],
                    "category_id": category_ids[names[label]],
                    "score": float(score),
                    **(
                        {"bbox": [x1, y1, x2 - x1, y2 - y1]}
                        if kind == "bbox"
                        else {"segmentation": rle}
                    ),
                }
            )
    evaluation = COCOeval(truth, truth.loadRes(results), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


@pytest.mark.long
def test_a_mistake_ends_with_one_line_and_exit_code_1(trained, shapes, tmp_path):
    """The messages themselves are tested in tests/unit/cli."""
    done = run(TRAIN, "absent.py", code=1)
    line = "error: config absent.py is not a file"
    assert done.err.splitlines() == [line, "(set CONDINST_DEBUG=1 for the traceback)"]

    whole = (trained / "iter_80.pth").read_bytes()
    half = tmp_path / "half.pth"
    half.write_bytes(whole[: len(whole) // 2])
    done = run(TEST, SMALL, half, "--work-dir", tmp_path, data=shapes, code=1)
    assert f"error: {half}: cannot be read as a checkpoint" in done.err
    assert "Traceback" not in done.out + done.err
