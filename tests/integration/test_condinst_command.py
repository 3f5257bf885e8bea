"""The command condinst does what the scripts in tools/ do, also in two processes."""

import sys

import pytest
from commands import SMALL, TEST, TRAIN, free_port, log_folders, read_metrics, read_scalars, run

pytestmark = pytest.mark.long

CONDINST = ("-m", "condinst")


def test_it_trains_as_the_script_does(shapes, tmp_path):
    losses = []
    for name, command in (("script", (TRAIN,)), ("command", (*CONDINST, "train"))):
        words = (SMALL, "--seed", 0, "--work-dir", tmp_path / name)
        run(*command, *words, "--cfg-options", "train_cfg.max_iters=20", data=shapes)
        losses.append(read_scalars(log_folders(tmp_path / name)[-1])[20]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_it_tests_as_the_script_does(shapes, trained, tmp_path):
    checkpoint = trained / "iter_80.pth"
    for name, command in (("script", (TEST,)), ("command", (*CONDINST, "test"))):
        run(*command, SMALL, checkpoint, "--work-dir", tmp_path / name, data=shapes)
    metrics = read_metrics(tmp_path / "script")
    assert metrics["coco/segm_mAP"] > 0
    assert read_metrics(tmp_path / "command") == metrics


def test_torchrun_needs_no_launcher_switch(shapes, tmp_path):
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2")
    options = (
        "train_cfg.max_iters=4",
        "train_cfg.val_interval=4",
        "default_hooks.logger.interval=1",
    )
    run(
        *torchrun,
        f"--master_port={free_port()}",
        *CONDINST,
        "train",
        SMALL,
        "--work-dir",
        tmp_path,
        "--cfg-options",
        *options,
        data=shapes,
    )
    (folder,) = log_folders(tmp_path)  # one run, not two
    log = next(folder.glob("*.log")).read_text()
    assert "Distributed launcher: pytorch" in log
    assert "Distributed training: True" in log
    assert set(read_scalars(folder)) == {1, 2, 3, 4}
