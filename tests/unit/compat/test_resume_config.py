"""Resuming runs nothing of a checkpoint, with either runner, and refuses strange ones by name."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.runner import FlexibleRunner, Runner

CONFIG = "open({mark!r}, 'w')\ngpu_ids = [0, 1, 2]\n"


@pytest.fixture
def resume(tmp_path):
    """Calls the method of a runner class with a checkpoint; returns what the runner became."""

    def resume(kind: type, checkpoint: dict[str, Any]) -> Any:
        loop = SimpleNamespace(_epoch=0, _iter=0)
        runner = SimpleNamespace(
            load_checkpoint=lambda *args, **kwargs: checkpoint,
            strategy=SimpleNamespace(resume=lambda *args, **kwargs: checkpoint),
            train_loop=loop,
            train_dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo=None)),
            message_hub=MessageHub("resume"),
            param_schedulers=None,
            logger=logging.getLogger("resume"),
            _randomness_cfg={},
            epoch=0,
            iter=0,
        )
        kind.resume(runner, "some.pth")
        return runner

    return resume


def checkpoint(**meta: Any) -> dict[str, Any]:
    hub = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
    return {"meta": {"epoch": 1, "iter": 7, **meta}, "message_hub": hub}


BOTH = pytest.mark.parametrize("kind", [Runner, FlexibleRunner])


@BOTH
def test_the_config_of_an_old_checkpoint_is_no_program(resume, kind, tmp_path):
    mark = tmp_path / "ran"
    runner = resume(kind, checkpoint(config=CONFIG.format(mark=str(mark))))
    assert runner.train_loop._iter == 7
    assert not mark.exists()
    # but the user's own text is, as before
    assert Config.fromstring("a = 1 + 1", ".py").a == 2


@BOTH
def test_upstream_still_runs_it(resume, kind, tmp_path, monkeypatch):
    """Fails when condinst/compat/resume_config.py can be deleted."""
    monkeypatch.setattr(kind, "resume", kind.resume.__wrapped__)
    mark = tmp_path / "ran"
    with pytest.raises(Exception):  # noqa: B017, PT011
        resume(kind, checkpoint(config=f"open({str(mark)!r}, 'w')\ngpu_ids = 0\n"))
    assert mark.exists()


@BOTH
@pytest.mark.parametrize("config", [5, None, {"gpu_ids": [0, 1]}, "x = (", "a" * 1_000_000])
def test_a_config_of_another_kind_is_left_alone(resume, kind, config):
    assert resume(kind, checkpoint(config=config)).train_loop._iter == 7


@BOTH
@pytest.mark.parametrize(
    "changes",
    [{"iter": "7"}, {"iter": float("nan")}, {"iter": -1}, {"iter": None}, {"epoch": 1.5},
     {"iter": 10**30}, {"iter": True}, {"epoch": torch.ones(1)}],
)  # fmt: skip
def test_counts_that_are_none_are_refused(resume, kind, changes):
    name = next(iter(changes))
    with pytest.raises(ValueError, match=rf"^some\.pth: no training can resume.*meta\.{name} is"):
        resume(kind, checkpoint(**changes))


@BOTH
@pytest.mark.parametrize(
    "content",
    [
        {"meta": {}},
        {},
        {"meta": None},
        {"meta": {"iter": 1}},
        {"meta": {"iter": 1, "epoch": 1}},
        {"meta": {"iter": 1, "epoch": 1}, "message_hub": {}},
        {"meta": {"iter": 1, "epoch": 1}, "message_hub": 5},
        {"meta": {"iter": 1, "epoch": 1}, "message_hub": {"log_scalars": 1}},
    ],
)
def test_what_no_training_saved_is_refused(resume, kind, content):
    with pytest.raises(ValueError, match=r"^some\.pth: no training can resume from it \(\w+Error"):
        resume(kind, content)
