"""Masks for a part of the objects by the commands: new, browse, training, test and report."""

import json

import pytest
from commands import log_folders, read_metrics, read_scalars, run

pytestmark = pytest.mark.long

CONDINST = ("-m", "condinst")


def remove_masks(path):
    """Leave the boxes of all objects in every second image, and of every third elsewhere."""
    data = json.loads(path.read_text())
    for index, annotation in enumerate(data["annotations"]):
        if annotation["image_id"] % 2 == 0 or index % 3 == 0:
            annotation["segmentation"] = []
    path.write_text(json.dumps(data))
    return sum(not a["segmentation"] for a in data["annotations"]), len(data["annotations"])


def test_from_annotations_to_a_report(tmp_path):
    root = tmp_path / "shapes"
    run(*CONDINST, "make-shapes", "--out", root, "--train", 12, "--val", 4)
    parts = [root / f"annotations/instances_{part}.json" for part in ("train", "val")]
    (alone, objects), _ = (remove_masks(path) for path in parts)
    assert 0 < alone < objects
    new = (*CONDINST, "new", "mine", "--data", root, "--device", "cpu", "--from-scratch")
    done = run(*new, "--out", tmp_path / "mine")
    assert f"{alone} of {objects} training objects have a box and no mask" in done.out
    config, work = tmp_path / "mine/mine.py", tmp_path / "work"
    run(*CONDINST, "browse", config, "--out", tmp_path / "drawn", "--num", 2, "--targets")

    changes = ("train_cfg.max_iters=4", "train_cfg.val_interval=4")
    changes += ("default_hooks.logger.interval=1", "default_hooks.checkpoint.interval=4")
    train = (*CONDINST, "train", config, "--work-dir", work, "--cfg-options", *changes)
    done = run(*train, "train_dataloader.batch_size=4")
    assert f"{alone} objects have a box and no mask, and are learned from it" in done.out
    scalars = read_scalars(log_folders(work)[-1])
    for name in ("loss_mask", "loss_mask_project", "loss_mask_pairwise"):
        assert sum(scalars[i][name] for i in range(1, 5)) > 0
    assert (work / "report.html").is_file()
    run(*CONDINST, "test", config, work / "iter_4.pth", "--work-dir", tmp_path / "test")
    assert {"coco/bbox_mAP", "coco/segm_mAP"} <= set(read_metrics(tmp_path / "test"))
