"""Runs of several days: what is kept, what is repeated, and how time is measured."""

import json
import subprocess

import pytest
from mmengine.config import Config

from benchmarks import runs
from benchmarks.runs import Results

CONFIG = runs.ROOT / "configs/nuclei/nuclei_condinst_r18_fpn.py"


def test_results_are_found_by_what_they_have(tmp_path):
    path = tmp_path / "docs" / "results.json"
    results = Results(path)
    assert results.find("runs", seed=0) == []
    results.add("runs", dict(seed=0, options=[], mask_ap=0.5))
    Results(path).add("runs", dict(seed=1, options=["a=1"], mask_ap=0.25))  # another process
    results.add("probes", dict(seconds=2.0))
    assert [r["mask_ap"] for r in Results(path).find("runs")] == [0.5, 0.25]
    assert results.find("runs", seed=1, options=["a=1"])[0]["mask_ap"] == 0.25
    assert results.find("runs", seed=1, options=[]) == []
    assert results.find("runs", stride=None) == []  # no record says so
    assert set(json.loads(path.read_text())) == {"runs", "probes"}
    # a line for each record: a commit shows what is new
    assert len(path.read_text().splitlines()) == 2 + 2 * 2 + 3


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": 3}'])
def test_a_broken_file_is_named_before_anything_runs(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="results.json: expected"):
        Results(path)
    assert path.read_text() == text


def test_the_file_is_committed_alone(tmp_path, monkeypatch, capsys):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    results = Results(tmp_path / "results.json")
    results.add("runs", dict(seed=0))
    results.commit("no repository")  # goes on
    assert "git add:" in capsys.readouterr().out

    def git(*words):
        return subprocess.run(
            ["git", "-C", tmp_path, *words], check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    (tmp_path / "other.txt").write_text("staged by someone")
    git("add", "other.txt")
    results.commit("first")
    results.add("runs", dict(seed=1))
    results.commit("second")
    assert git("log", "--format=%s", "--name-only").split() == [
        *("second", "results.json"),
        *("first", "results.json"),
    ]
    assert git("status", "--short").split() == ["A", "other.txt"]


def test_no_run_begins_after_the_time(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(runs.time, "monotonic", lambda: now[0])
    done = []

    def run(job):
        done.append(job)
        now[0] += 40

    runs.work_through("abcd", run, minutes=1)
    assert done == ["a", "b"]  # at 0 and 40 seconds
    assert "2 runs are left" in capsys.readouterr().out
    runs.work_through("cd", run, minutes=None)
    assert done == list("abcd")


def test_a_finished_training_is_used_again_unless_it_was_another(tmp_path, monkeypatch):
    trained = []

    cfg = Config.fromfile(CONFIG)

    def train(changed, folder, *words):
        trained.append(words)
        assert changed.val_dataloader is None
        assert changed.custom_hooks == []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "last_checkpoint").write_text("/gone/iter_4.pth")
        return 90.0

    monkeypatch.setattr(runs, "train", train)
    for key in (dict(iterations=4), dict(iterations=4), dict(iterations=5)):
        found = runs.train_once(cfg, tmp_path / "run", key, "--seed", 0)
        assert found["cpu_minutes"] == 1.5
        assert found["checkpoint"] == tmp_path / "run" / "train" / "iter_4.pth"
    assert trained == [("--seed", 0)] * 2
    assert cfg.val_dataloader is not None  # the test has it


def test_the_time_of_an_iteration_leaves_out_the_start():
    assert runs.seconds_per_iteration(lambda number: 12 + 2.5 * number) == pytest.approx(2.5)


def test_a_schedule_of_another_length():
    cfg = Config.fromfile(CONFIG)
    for iterations, warmup in ((1000, 50), (40, 10)):
        runs.set_length(cfg, iterations)
        assert cfg.train_cfg.max_iters == cfg.max_iters == iterations
        first, second = cfg.param_scheduler
        assert (first.end, second.begin, second.end) == (warmup, warmup, iterations)
    assert cfg.train_cfg.val_interval > 1e6
