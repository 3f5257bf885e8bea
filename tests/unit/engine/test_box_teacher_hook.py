"""The hook of BoxTeacher in trainings of a small detector."""

from __future__ import annotations

import time
from types import SimpleNamespace as Namespace

import pytest
import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine_state import own_state
from small_model import BOX, build, sample, small_model
from torch.utils.data import Dataset
from toy_training import quick

from condinst.engine import box_teacher_hook
from condinst.engine.box_teacher_hook import BoxTeacherHook
from condinst.engine.cpu_amp import CpuAmpOptimWrapper
from condinst.targets.target_types import SimilarColors

MOMENTUM = 0.25
WEIGHT = "mask_head.mask_feature_head.conv_pred.weight"
STATISTIC = "mask_head.mask_feature_head.conv_branch.0.bn.running_mean"


class OneImage(Dataset):
    """Two equal samples, so that their order does not matter."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        data = sample([BOX], (64, 96))
        edges = torch.zeros(8, 16, 24, dtype=torch.bool)
        data["data_samples"].gt_instances.masks = SimilarColors(edges, 4, 1)
        return data


class Note(Hook):
    """Notes a weight, a running mean and the losses after each step, before the teacher follows."""

    priority = "HIGHEST"

    def __init__(self):
        self.weights, self.losses = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        state = runner.model.state_dict()
        self.weights.append({name: state[name].clone() for name in (WEIGHT, STATISTIC)})
        self.losses.append(outputs)


def model():
    cfg = small_model(box_supervision=dict(warmup_iters=2))
    cfg.test_cfg.score_thr = 0.0
    return build(cfg)


def train(folder, iters, *, wrapper="OptimWrapper", load_from=None, **teacher):
    note = Note()
    teacher = dict(iou_thr=0.0, momentum=MOMENTUM) | teacher
    with own_state(), quick():
        runner = Runner(
            model=model(),
            work_dir=str(folder),
            train_dataloader=dict(
                dataset=OneImage(),
                sampler=dict(type="InfiniteSampler", shuffle=False),
                batch_size=2,
                num_workers=0,
                collate_fn=dict(type="pseudo_collate"),
            ),
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=iters),
            optim_wrapper=dict(type=wrapper, optimizer=dict(type="SGD", lr=0.01, momentum=0.9)),
            default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=3)),
            custom_hooks=[note, BoxTeacherHook(**teacher)],
            load_from=load_from,
            resume=load_from is not None,
            default_scope="condinst",
            randomness=dict(seed=0),
            experiment_name=f"teacher_{time.time_ns()}",
            log_level="WARNING",
        )
        runner.train()
    return note


def load(path):
    return torch.load(path, weights_only=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    return folder, train(folder, 6)


def test_the_teachers_masks_begin_after_the_warm_up(run):
    _, note = run
    names = [{"loss_mask_pseudo", "loss_mask_affinity"} & losses.keys() for losses in note.losses]
    assert [len(found) for found in names] == [0, 0, 2, 2, 2, 2]
    assert all(losses["loss_mask_pseudo"] > 0 for losses in note.losses[2:])
    assert all(torch.isfinite(losses["loss"]) for losses in note.losses)


@pytest.mark.parametrize("name", [WEIGHT, STATISTIC])
def test_a_checkpoint_has_the_teacher_as_its_weights(run, name):
    """The teacher begins with the weights of the first iteration, as mmengine's average does."""
    folder, note = run
    checkpoint = load(folder / "iter_6.pth")
    average, *others = (weights[name].double() for weights in note.weights)
    for weight in others:
        average = (1 - MOMENTUM) * average + MOMENTUM * weight
    found = checkpoint["state_dict"][name]
    torch.testing.assert_close(found.double(), average, rtol=1e-6, atol=1e-7)
    trained = note.weights[-1][name]
    assert torch.equal(checkpoint["ema_state_dict"][f"module.{name}"], trained)
    assert (found - trained).abs().max() > 1e-5


def test_the_weights_load_strictly_into_condinst(run):
    folder, _ = run
    plain = build(small_model())
    plain.load_state_dict(load(folder / "iter_6.pth")["state_dict"], strict=True)


def test_a_resumed_training_is_no_different(run, tmp_path):
    folder, note = run
    resumed = train(tmp_path, 6, load_from=str(folder / "iter_3.pth"))
    for a, b in zip(resumed.weights, note.weights[3:], strict=True):
        assert torch.equal(a[WEIGHT], b[WEIGHT])
    expected, found = load(folder / "iter_6.pth"), load(tmp_path / "iter_6.pth")
    for part in ("state_dict", "ema_state_dict"):
        for name, tensor in expected[part].items():
            assert torch.equal(found[part][name], tensor), name


def test_mixed_precision(tmp_path):
    note = train(tmp_path, 3, wrapper="CpuAmpOptimWrapper")
    assert note.losses[-1]["loss_mask_pseudo"] > 0
    assert all(torch.isfinite(losses["loss"]) for losses in note.losses)


def hook_of(detector, iteration=2, wrapper=OptimWrapper):
    """A hook before the given iteration of a training, and the runner."""
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.1)
    runner = Namespace(
        model=detector, iter=iteration, max_iters=9, optim_wrapper=wrapper(optimizer), hooks=[]
    )
    hook = BoxTeacherHook()
    hook.before_run(runner)
    runner.hooks.append(hook)
    return hook, runner


@pytest.mark.parametrize("wrapper", [OptimWrapper, CpuAmpOptimWrapper])
@pytest.mark.parametrize("kept", [True, False])
def test_the_teacher_sees_the_image_that_was_kept(monkeypatch, kept, wrapper):
    """Images are normalized by mean 127 and std 60, and padded to multiples of 32."""
    seen = {}

    def note(teacher, inputs, samples, iou_thr):
        seen.update(teacher=teacher, inputs=inputs, iou_thr=iou_thr)
        seen["autocast"] = torch.is_autocast_enabled("cpu")

    monkeypatch.setattr(box_teacher_hook, "add_pseudo_masks", note)
    detector = model()
    hook, runner = hook_of(detector, wrapper=wrapper)
    hook.before_train(runner)
    data = OneImage()[0]
    if kept:
        data["data_samples"].teacher_img = torch.full((3, 64, 90), 187, dtype=torch.uint8)
    batch = {name: [value] for name, value in data.items()}
    hook.before_train_iter(runner, 0, batch)
    assert "teacher_img" not in batch["data_samples"][0]
    assert seen["teacher"] is hook.ema_model.module is not detector
    assert not seen["teacher"].training
    assert seen["iou_thr"] == 0.5
    assert seen["autocast"] == (wrapper is CpuAmpOptimWrapper)
    image = (data["inputs"].float() - 127) / 60
    if kept:
        image = torch.zeros(3, 64, 96)
        image[:, :, :90] = 1
    torch.testing.assert_close(seen["inputs"], image[None])


def test_a_kept_image_does_not_reach_the_model_in_the_warm_up():
    hook, runner = hook_of(model(), iteration=1)
    data = OneImage()[0]
    data["data_samples"].teacher_img = data["inputs"]
    batch = {name: [value] for name, value in data.items()}
    hook.before_train_iter(runner, 0, batch)
    assert "teacher_img" not in batch["data_samples"][0]
    assert "pseudo_masks" not in batch["data_samples"][0].gt_instances


def test_a_model_that_learns_from_masks_is_refused():
    hook, runner = hook_of(build(small_model()))
    with pytest.raises(ValueError, match="the model does not learn masks from boxes"):
        hook.before_train(runner)


def test_another_moving_average_is_refused():
    hook, runner = hook_of(model())
    runner.hooks.append(EMAHook())
    with pytest.raises(ValueError, match="another moving average"):
        hook.before_train(runner)


def test_a_wrong_iou_is_named():
    with pytest.raises(ValueError, match=r"BoxTeacherHook: iou_thr=1.5, expected 0 to 1"):
        BoxTeacherHook(iou_thr=1.5)


def test_the_teacher_is_no_part_of_the_model():
    detector = model()
    names = list(detector.state_dict())
    hook, runner = hook_of(detector)
    hook.before_train(runner)
    assert list(detector.state_dict()) == names
