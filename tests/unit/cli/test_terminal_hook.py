"""The tables that a run prints after a validation or test."""

from types import SimpleNamespace

import pytest
from mmengine.runner import EpochBasedTrainLoop

from condinst.cli import terminal_hook


def test_the_ap_stands_above_the_matches(monkeypatch):
    told = []
    monkeypatch.setattr(terminal_hook, "tell", lambda logger, text: told.append(text))
    numbers = {"coco/segm_mAP": 0.25, "matching/ap": 0.5, "matching/image_ap": 0.5}
    numbers |= {"matching/ap_50": 0.75, "mine/F1": 0.125}
    runner = SimpleNamespace(
        logger=None, iter=7, val_evaluator=SimpleNamespace(), test_evaluator=SimpleNamespace()
    )
    terminal_hook.TerminalHook().after_test_epoch(runner, numbers)
    terminal_hook.TerminalHook().after_val_epoch(runner, numbers)
    terminal_hook.TerminalHook().after_test_epoch(runner, {"coco/segm_mAP": 0.25})
    lines = told[0].splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["mask", "mine/F1:", "one-to-one"] + [
        *("IoU", "0.50", "mean")
    ]
    assert told[1] == f"validation after 7 iterations\n{told[0]}"
    assert len(told[2].splitlines()) == 2


@pytest.mark.parametrize(
    ("kind", "done", "total", "text"),
    [
        (SimpleNamespace, 24, 24, "complete: 24 of 24 iterations"),
        (SimpleNamespace, 30, 24, "complete: 30 of 24 iterations"),
        (SimpleNamespace, 23, 24, None),
        (SimpleNamespace, 0, 0, None),
        (EpochBasedTrainLoop, 3, 3, "complete: 3 of 3 epochs"),
        (EpochBasedTrainLoop, 2, 3, None),
    ],
)
def test_a_complete_run_that_is_resumed_says_so(monkeypatch, kind, done, total, text):
    told = []
    monkeypatch.setattr(terminal_hook, "tell", lambda logger, text: told.append(text))
    loop = kind.__new__(kind)
    names = ("_epoch", "_max_epochs") if kind is EpochBasedTrainLoop else ("iter", "max_iters")
    vars(loop).update(zip(names, (done, total), strict=True))
    terminal_hook.TerminalHook().before_train(SimpleNamespace(logger=None, train_loop=loop))
    assert [line[: len(text or "")] for line in told] == ([text] if text else [])
