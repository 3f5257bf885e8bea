"""The switches for speed, through the commands."""

import pickle

import pytest
from commands import SMALL, log_folders, read_metrics, read_scalars, run_here


def evaluate(trained, work_dir, *switches):
    """AP of the trained model, and the predictions saved on the way."""
    predictions = work_dir / "predictions.pkl"
    words = ("test", SMALL, trained / "iter_80.pth", "--work-dir", work_dir, "--out", predictions)
    run_here(*words, *switches)
    return read_metrics(work_dir), pickle.loads(predictions.read_bytes())


@pytest.fixture(scope="module")
def plain(trained, shapes, tmp_path_factory):
    return evaluate(
        trained, tmp_path_factory.mktemp("plain"), "--cfg-options", f"data_root={shapes}"
    )


@pytest.mark.parametrize(
    ("switches", "tolerance"),
    [
        (("--channels-last", "--fold-norms", "--batch-size", "3"), 2e-3),
        (("--amp", "bfloat16"), 0.05),
        (("--tta",), None),
    ],
    ids=["layout", "precision", "views"],
)
def test_testing_with_switches_gives_the_same_ap(
    trained, shapes, tmp_path, plain, switches, tolerance
):
    metrics, samples = evaluate(
        trained, tmp_path, *switches, "--cfg-options", f"data_root={shapes}"
    )
    assert len(samples) == len(plain[1]) == 8
    for sample in samples:
        found = sample["pred_instances"]
        assert len(found["masks"]) == len(found["scores"])
        assert set(found["masks"][0]) == {"size", "counts"}
        assert "gt_instances" not in sample
    for kind in ("bbox", "segm"):
        expected = plain[0][f"coco/{kind}_mAP"]
        assert expected > 0.02
        if tolerance is not None:
            assert metrics[f"coco/{kind}_mAP"] == pytest.approx(expected, abs=tolerance)


def test_masks_as_rles_and_as_bitmaps_give_the_same_ap(trained, shapes, tmp_path, plain):
    options = ("--cfg-options", f"data_root={shapes}", "model.test_cfg.mask_format=bool")
    metrics, samples = evaluate(trained, tmp_path, *options)
    for sample, expected in zip(samples, plain[1], strict=True):
        assert sample["pred_instances"]["masks"] == expected["pred_instances"]["masks"]
    for key, value in plain[0].items():
        if key.startswith("coco/"):
            assert metrics[key] == value


def test_training_in_mixed_precision_on_a_cpu_learns(shapes, tmp_path):
    run_here(
        *("train", SMALL),
        *("--work-dir", tmp_path, "--amp", "bfloat16", "--channels-last", "--seed", 0),
        *("--cfg-options", f"data_root={shapes}", "train_cfg.max_iters=40"),
    )
    scalars = read_scalars(log_folders(tmp_path)[-1])
    assert scalars[40]["loss"] < 0.9 * scalars[10]["loss"]
    assert (tmp_path / "iter_40.pth").is_file()
