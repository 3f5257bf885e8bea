"""Averaged weights (EMAHook) in checkpoints: they are the weights that every command reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine_state import own_state
from toy_training import Steps, build, quick

from condinst.checkpoints.conversion import convert_file
from condinst.engine.save_checkpoint import save_now

MOMENTUM = 0.25
EMA = dict(type="EMAHook", momentum=MOMENTUM)


class Note(Hook):
    """Notes the weight after each update, and saves in the second validation."""

    priority = "HIGHEST"

    def __init__(self):
        self.weights, self.measured, self.saved = [], [], None

    def after_train_iter(self, runner, *args, **kwargs):
        self.weights.append(float(runner.model.weight))

    def after_val_iter(self, runner, batch_idx, *args, **kwargs):
        self.measured.append(float(runner.model.weight))
        if runner.iter == 8 and batch_idx == 0:
            path = Path(save_now(runner, "a test"))
            self.saved = path.rename(path.with_name("saved.pth"))  # the best one is noted there


def build_runner(folder, note, **settings):
    with quick():
        return build(folder, hooks=[EMA, note], **settings)


def train(folder, **settings):
    note = Note()
    build_runner(folder, note, **settings).train()
    return note


def load(path):
    return torch.load(path, weights_only=False)


def averages(weights):
    """The moving average: it begins with the first weights, which are 0, as mmengine's does."""
    found, average = [], None
    for weight in weights:
        average = weight if average is None else average + MOMENTUM * (weight - average)
        found.append(average)
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ema")
    Steps.score = 0
    with own_state():  # a fixture of a module comes before the one that forgets it after a test
        # no checkpoint is scheduled, so that the one of the validation is new
        note = train(
            folder, iters=10, interval=100, max_keep_ckpts=5, save_best="score", rule="greater"
        )
    return folder, note


@pytest.mark.parametrize("name", ["iter_10.pth", "best_score_iter_10.pth"])
def test_checkpoints_hold_the_average(run, name):
    folder, note = run
    checkpoint = load(folder / name)
    assert float(checkpoint["state_dict"]["weight"]) == pytest.approx(averages(note.weights)[-1])
    trained = checkpoint["ema_state_dict"]["module.weight"]
    assert float(trained) == pytest.approx(note.weights[-1])
    assert averages(note.weights)[-1] != pytest.approx(note.weights[-1], rel=0.01)


def test_a_checkpoint_in_a_validation_is_no_different(run):
    folder, note = run
    checkpoint = load(note.saved)
    assert checkpoint["meta"]["iter"] == 8
    assert float(checkpoint["state_dict"]["weight"]) == pytest.approx(averages(note.weights)[7])
    trained = checkpoint["ema_state_dict"]["module.weight"]
    assert float(trained) == pytest.approx(note.weights[7])


def test_training_goes_on_with_the_trained_weights(run, tmp_path):
    """After the save in the validation, and when it is resumed from that checkpoint."""
    folder, note = run
    plain = train(tmp_path / "plain", iters=10, interval=100)
    assert note.weights == plain.weights
    resumed = train(tmp_path / "resumed", iters=10, load_from=str(note.saved), resume=True)
    assert resumed.weights == pytest.approx(note.weights[8:])


def test_a_test_measures_the_average(run, tmp_path):
    """As the training, its config has EMAHook, which begins with the weights that are loaded."""
    folder, note = run
    runner = build_runner(tmp_path, note, load_from=str(folder / "iter_10.pth"))
    runner.val()
    assert note.measured[-1] == pytest.approx(averages(note.weights)[-1])


def test_condinst_convert_takes_the_average(run, tmp_path):
    folder, note = run
    out = tmp_path / "out.pth"
    weights = {"backbone.conv1.weight": torch.ones(2), "bbox_head.conv_cls.weight": torch.ones(3)}
    ema = {f"module.{name}": 9 * weight for name, weight in weights.items()}
    torch.save({"state_dict": weights, "ema_state_dict": ema}, tmp_path / "in.pth")
    convert_file(tmp_path / "in.pth", out)
    written = load(out)
    assert "ema_state_dict" not in written
    assert all(torch.equal(written["state_dict"][name], weights[name]) for name in weights)
