"""The 90k recipe at reduced scale on real images: trained, killed, resumed, evaluated.

Once in one process and once in two, every one of which is killed after iteration 120. What is
reduced: the model's width and depth, the images' scales, the number of iterations. AP is near
zero after so few; test_distributed.py compares AP.
"""

import sys

import cv2
import pytest
from commands import (
    REPO,
    SMALL,
    TEST,
    TRAIN,
    finish,
    free_port,
    log_folders,
    read_metrics,
    read_scalars,
    start,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

CONFIG = """
_base_ = {base!r}
norm_cfg = dict(type="GN", num_groups=8, requires_grad=True)
model = dict(
    backbone=dict(depth=18, base_channels=32, init_cfg=None),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64, stacked_convs=2, norm_cfg=norm_cfg),
    mask_head=dict(mask_feature_head=dict(in_channels=64, feat_channels=32, num_stacked_convs=2)),
)
train_pipeline = _base_.train_pipeline
train_pipeline[2]["scales"] = [(333, side) for side in range(160, 201, 8)]
test_pipeline = _base_.test_pipeline
test_pipeline[1]["scale"] = (333, 200)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline), num_workers=1)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline), num_workers=1)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=200, val_interval=200)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=50))
"""
DEATH = """
custom_imports = dict(imports=["condinst", "killer"])
custom_hooks = [dict(type="KillHook", after_iter=120)]
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_trained_killed_resumed_evaluated(datasets, tmp_path, processes):
    base = REPO / "configs" / "condinst_r50_fpn_ms-poly-90k_coco_instance.py"
    config, deadly = tmp_path / "config.py", tmp_path / "deadly.py"
    config.write_text(CONFIG.format(base=base.as_posix()))
    deadly.write_text("_base_ = 'config.py'" + DEATH)
    work_dir = tmp_path / "work"

    options = ("--work-dir", work_dir)
    options += ("--cfg-options", f"train_dataloader.batch_size={2 // processes}")

    def begin(tool, *arguments):
        if processes == 1:
            command = (tool, *arguments, *options)
        else:
            script = REPO / "tools" / f"dist_{tool.name}".replace(".py", ".sh")
            positional = 1 if tool == TRAIN else 2
            rest = arguments[positional:]
            command = ("bash", script, *arguments[:positional], processes, *rest, *options)
        environment = {"PORT": str(free_port()), "PYTHONPATH": str(SMALL.parent)}
        return finish(start(*command, data=datasets / "coco_tiny", environment=environment))

    killed = begin(TRAIN, deadly)
    assert killed.code == (-9 if processes == 1 else 1)
    resumed = begin(TRAIN, config, "--resume")
    assert resumed.code == 0, resumed.out + resumed.err
    tested = begin(TEST, config, work_dir / "iter_200.pth")
    assert tested.code == 0, tested.out + tested.err

    before, after = (read_scalars(folder) for folder in log_folders(work_dir)[:2])
    assert max(before) == 120
    assert list(after) == list(range(110, 201, 10))  # the checkpoint is that of iteration 100
    for iteration in (110, 120):  # a worker loads, nobody gave a seed: the checkpoint has it
        for name in ("loss", "loss_cls", "loss_bbox", "loss_centerness", "loss_mask"):
            assert after[iteration][name] == pytest.approx(before[iteration][name], rel=1e-4)
    assert all(0 < record["loss"] < 10 for record in after.values())
    assert after[200]["lr"] == pytest.approx(0.01 * (0.001 + 0.999 * 199 / 999))  # warming up
    assert cv2.imread(str(work_dir / "curves.png")).std() > 5

    metrics = read_metrics(work_dir)
    assert {"coco/bbox_mAP", "coco/segm_mAP"} <= set(metrics)
    assert all(-1 <= value <= 1 for value in metrics.values())
