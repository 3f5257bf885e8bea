"""No network, and no weights of the user's, whatever the machine has."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def reachable(monkeypatch, tmp_path_factory):
    """Answers of the check whether a server has the weights; no where the list is empty."""
    answers: list[bool] = []
    monkeypatch.setattr(
        "condinst.model_zoo.reachable.any_reachable",
        lambda *_, **__: answers.pop() if answers else False,
    )
    monkeypatch.delenv("CONDINST_WEIGHTS", raising=False)
    monkeypatch.setenv("CONDINST_HOME", str(tmp_path_factory.getbasetemp() / "no_weights"))
    return answers
