"""Two processes on the CPU do what one does: the same losses, the same weights, the same AP."""

import json

import numpy as np
import pytest
import torch
from commands import REPO, SMALL, TEST, TRAIN, finish, free_port, read_metrics, run, start

from condinst.compat.checkpoint import load_from_local

pytestmark = pytest.mark.long

# A module that the config imports: writes the losses of each process, whatever mmengine logs
# (that is the first process's).
RECORDER = """
import json
from pathlib import Path

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class RecordHook(Hook):
    def before_train(self, runner):
        self.losses, self.objects = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append({name: float(value) for name, value in outputs.items()})
        samples = data_batch["data_samples"]
        self.objects.append(sum(len(sample.gt_instances) for sample in samples))

    def after_train(self, runner):
        path = Path(runner.work_dir) / f"rank{get_rank()}.json"
        path.write_text(json.dumps({"losses": self.losses, "objects": self.objects}))
"""
# The images in their order, not flipped, those without objects too.
CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=["condinst", "recorder"])
train_dataloader = dict(
    batch_size=4,
    sampler=dict(shuffle=False),
    batch_sampler=None,
    dataset=dict(
        ann_file={ann_file!r},
        filter_cfg=dict(_delete_=True, filter_empty_gt=False),
        pipeline=[step for step in _base_.train_pipeline if step["type"] != "RandomFlip"],
    ),
)
train_cfg = dict(max_iters=6, val_interval=100)
# Adam would divide rounding errors of tiny gradients by their own size.
optim_wrapper = dict(optimizer=dict(_delete_=True, type="SGD", lr=0.01, momentum=0.9))
val_cfg = val_dataloader = val_evaluator = None
default_hooks = dict(checkpoint=dict(interval=6, save_best=None))
custom_hooks = [dict(type="RecordHook")]
randomness = dict(seed=0)
norm_cfg = dict(type="GN", num_groups=8, requires_grad=True)
model = dict(
    semantic_head=dict(type="SemanticHead", in_channels=32, feat_channels=16, norm_cfg=norm_cfg)
)
"""
# The same images, whose masks are learned from boxes; the warm-up has ended.
BOXINST = """
_base_ = "config.py"
model = dict(
    type="BoxInst",
    semantic_head=None,
    mask_head=dict(type="BoxInstMaskHead", warmup_iters=1, warmup_start=1),
)
pipeline = [*_base_.train_dataloader.dataset.pipeline]
pipeline.insert(-1, dict(type="PrepareBoxTargets", stride=4, bottom_pixels_removed=0))
train_dataloader = dict(dataset=dict(pipeline=pipeline))
"""
# Likewise, and a teacher predicts masks, at first where there is little to see.
BOXTEACHER = """
_base_ = "boxinst.py"
model = dict(test_cfg=dict(score_thr=0.0))
custom_hooks = [*_base_.custom_hooks, dict(type="BoxTeacherHook", iou_thr=0.0, momentum=0.5)]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shapes):
    """The config above, on images of which the second process gets empty ones every other time.

    Of a batch of four, the processes get the first and third, and the second and fourth.
    """
    folder = tmp_path_factory.mktemp("distributed")
    content = json.loads((shapes / "annotations" / "instances_train.json").read_text())
    empty = {image["id"] for image in content["images"][5:8:2]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] not in empty]
    ann_file = folder / "annotations.json"
    ann_file.write_text(json.dumps(content))
    text = CONFIG.format(base=SMALL.as_posix(), ann_file=ann_file.as_posix())
    (folder / "config.py").write_text(text)
    (folder / "boxinst.py").write_text(BOXINST)
    (folder / "boxteacher.py").write_text(BOXTEACHER)
    (folder / "recorder.py").write_text(RECORDER)
    return folder


def environment(folder, **others):
    return {"PYTHONPATH": str(folder), "PORT": str(free_port()), **others}


@pytest.fixture(scope="module")
def one(folder, shapes):
    """The work folder of a run in one process."""
    work_dir = folder / "one"
    run(
        *(TRAIN, folder / "config.py", "--work-dir", work_dir),
        data=shapes,
        environment=environment(folder),
    )
    return work_dir


def on_one_machine(folder, shapes, work_dir):
    run(
        *("bash", REPO / "tools" / "dist_train.sh", folder / "config.py", 2),
        *("--work-dir", work_dir, "--cfg-options", "train_dataloader.batch_size=2"),
        data=shapes,
        environment=environment(folder),
    )


def on_two_machines(folder, shapes, work_dir):
    """Two launchers that find each other at an address; here both machines are this one."""
    settings = environment(folder, NNODES="2", MASTER_ADDR="127.0.0.1")
    launchers = [
        start(
            *("bash", REPO / "tools" / "dist_train.sh", folder / "config.py", 1),
            *("--work-dir", work_dir, "--cfg-options", "train_dataloader.batch_size=2"),
            data=shapes,
            environment={**settings, "NODE_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    for done in [finish(launcher) for launcher in launchers]:
        assert done.code == 0, done.out + done.err


def by_rendezvous(folder, shapes, work_dir):
    """torchrun's own rendezvous: nobody is told its number."""
    port = free_port()
    launchers = [
        start(
            *("-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1"),
            *("--rdzv_backend=c10d", f"--rdzv_endpoint=127.0.0.1:{port}", "--rdzv_id=test"),
            *(TRAIN, folder / "config.py", "--launcher", "pytorch"),
            *("--work-dir", work_dir, "--cfg-options", "train_dataloader.batch_size=2"),
            data=shapes,
            environment=environment(folder),
        )
        for _ in range(2)
    ]
    for done in [finish(launcher) for launcher in launchers]:
        assert done.code == 0, done.out + done.err


@pytest.mark.parametrize(
    "launch",
    [on_one_machine, by_rendezvous, pytest.param(on_two_machines, marks=pytest.mark.slow)],
)
def test_two_processes_train_as_one_does(folder, shapes, one, launch):
    """Losses, averaged over the processes, and weights; one process without a positive point."""
    work_dir = folder / launch.__name__
    launch(folder, shapes, work_dir)
    losses = assert_equal_runs(one, work_dir)
    assert {"loss_mask", "loss_semantic"} <= losses.keys()


@pytest.mark.parametrize("name", ["boxinst", "boxteacher"])
def test_two_processes_learn_from_boxes_as_one_does(folder, shapes, name):
    config, work_dirs = folder / f"{name}.py", [folder / f"{name} {n}" for n in ("one", "two")]
    settings = environment(folder)
    command = TRAIN, config, "--work-dir", work_dirs[0]
    run(*command, data=shapes, environment=settings)
    run(
        *("bash", REPO / "tools" / "dist_train.sh", config, 2, "--work-dir", work_dirs[1]),
        *("--cfg-options", "train_dataloader.batch_size=2"),
        data=shapes,
        environment=settings,
    )
    losses = assert_equal_runs(*work_dirs)
    assert losses["loss_mask_project"] > 0
    assert losses["loss_mask_pairwise"] > 0
    if name == "boxteacher":
        assert losses["loss_mask_pseudo"] > 0
        assert losses["loss_mask_affinity"] > 0


def assert_equal_runs(one, work_dir):
    """Compare a run in two processes with one in one; returns the last losses of the latter."""
    expected = json.loads((one / "rank0.json").read_text())
    ranks = [json.loads((work_dir / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert [sum(pair) for pair in zip(*(r["objects"] for r in ranks), strict=True)] == expected[
        "objects"
    ]
    assert [count == 0 for count in ranks[1]["objects"]] == [False, True] * 3
    assert all(count > 0 for count in ranks[0]["objects"])

    assert len(expected["losses"]) == 6
    for step, losses in enumerate(expected["losses"]):
        for name, value in losses.items():
            mean = np.mean([rank["losses"][step][name] for rank in ranks])
            assert mean == pytest.approx(value, rel=1e-5), (step, name)
    weights = [load_from_local(str(path / "iter_6.pth"))["state_dict"] for path in (one, work_dir)]
    assert list(weights[0]) == list(weights[1])
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-4, atol=1e-5, msg=name)
    return expected["losses"][-1]


def test_two_processes_measure_the_same_ap(trained, shapes, tmp_path):
    """On 7 images, which two processes cannot share evenly."""
    content = json.loads((shapes / "annotations" / "instances_train.json").read_text())
    content["images"] = content["images"][:7]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    ann_file = tmp_path / "annotations.json"
    ann_file.write_text(json.dumps(content))
    options = (
        "--cfg-options",
        f"test_dataloader.dataset.ann_file={ann_file.as_posix()}",
        f"test_evaluator.ann_file={ann_file.as_posix()}",
    )
    checkpoint = trained / "iter_80.pth"
    run(TEST, SMALL, checkpoint, "--work-dir", tmp_path / "one", *options, data=shapes)
    run(
        *("bash", REPO / "tools" / "dist_test.sh", SMALL, checkpoint, 2),
        *("--work-dir", tmp_path / "two", *options),
        data=shapes,
        environment={"PORT": str(free_port())},
    )
    metrics = read_metrics(tmp_path / "one")
    assert metrics["coco/bbox_mAP"] > 0.1
    assert metrics["coco/segm_mAP"] > 0.02
    assert read_metrics(tmp_path / "two") == metrics
