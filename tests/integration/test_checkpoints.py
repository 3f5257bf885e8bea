"""What mmengine's CheckpointHook writes and removes, in whole trainings."""

import os
import shutil

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from toy_training import Steps, build, quick

from condinst.compat.checkpoint_store import remove
from condinst.engine.save_checkpoint import last_checkpoint, remove_leftovers, save_now

pytestmark = pytest.mark.long

BEST = dict(save_best="score", rule="greater")
BOTH = dict(save_best=["score", "other"], rule="greater")


@pytest.fixture(autouse=True)
def from_the_beginning(monkeypatch):
    """The score rises from 1."""
    monkeypatch.setattr(Steps, "score", 0)


def train(folder, **settings):
    with quick():
        build(folder, **settings).train()


def names(folder, pattern="*.pth*"):
    return sorted(path.name for path in folder.glob(pattern))


def load(path):
    return torch.load(path, weights_only=False)


def tree(folder):
    """Every file's content and every folder below a folder."""
    paths = sorted(folder.rglob("*"))
    return {path: path.read_bytes() if path.is_file() else None for path in paths}


def change(path, **info):
    """Change what a checkpoint says of its run."""
    checkpoint = load(path)
    checkpoint["message_hub"]["runtime_info"].update(info)
    checkpoint["message_hub"]["resumed_keys"].update(dict.fromkeys(info, True))
    torch.save(checkpoint, path)


def test_paths_are_those_of_the_work_folder(tmp_path):
    train(tmp_path, iters=8, max_keep_ckpts=2, **BEST)
    assert names(tmp_path) == ["best_score_iter_8.pth", "iter_7.pth", "iter_8.pth"]
    assert (tmp_path / "last_checkpoint").read_text() == "iter_8.pth"
    info = load(tmp_path / "iter_8.pth")["message_hub"]["runtime_info"]
    assert info["best_ckpt"] == "best_score_iter_8.pth"
    assert info["last_ckpt"] == "iter_8.pth"
    assert str(tmp_path) not in str({name: info[name] for name in info if name != "cfg"})


def test_the_new_one_is_there_before_the_old_one_goes(tmp_path, monkeypatch):
    from condinst.compat import checkpoint_writing

    seen = []

    def watch(hook, runner, name):
        seen.append((name, names(tmp_path), (tmp_path / "last_checkpoint").read_text()))
        return remove(hook, runner, name)

    monkeypatch.setattr(checkpoint_writing, "remove", watch)
    train(tmp_path, iters=8, interval=4, max_keep_ckpts=1, **BEST)
    both = ["best_score_iter_4.pth", "iter_4.pth", "iter_8.pth"]
    assert seen == [
        ("iter_4.pth", both, "iter_8.pth"),
        (
            "best_score_iter_4.pth",
            ["best_score_iter_4.pth", "best_score_iter_8.pth", "iter_8.pth"],
            "iter_8.pth",
        ),
    ]


def test_a_checkpoint_counts_when_it_is_written(tmp_path, monkeypatch):
    """A process that ends meanwhile must not name it, and is not the one that writes it."""
    seen, save = [], Runner.save_checkpoint

    def watch(runner, *args, **kwargs):
        before = last_checkpoint(runner)
        save(runner, *args, **kwargs)
        seen.append((before, last_checkpoint(runner)))

    monkeypatch.setattr(Runner, "save_checkpoint", watch)
    train(tmp_path, iters=6, interval=3, max_keep_ckpts=1)
    first, second = (str(tmp_path / name) for name in ("iter_3.pth", "iter_6.pth"))
    assert seen == [(None, first), (first, second)]


def test_a_copied_folder_leaves_the_original_alone(tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    train(original, iters=4, **BEST)
    shutil.copytree(original, copy)
    before = tree(original)
    train(copy, iters=8, resume=True, **BEST)
    assert tree(original) == before
    assert names(copy) == ["best_score_iter_8.pth", "iter_8.pth"]


FOREIGN = {
    "file": lambda outside: str(outside / "best_score_iter_4.pth"),
    "folder": lambda outside: str(outside),
    "above": lambda outside: "../outside/best_score_iter_4.pth",
    "itself": lambda outside: ".",
    "nothing": lambda outside: "",
    "through a link": lambda outside: "link/best_score_iter_4.pth",
    "a link": lambda outside: "link",
    "a link of the name": lambda outside: "best_score_iter_3.pth",
    "not a best one": lambda outside: "notes_4.pth",
    "number": lambda outside: 4,
    "list": lambda outside: [str(outside)],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_nothing_that_a_checkpoint_names_elsewhere_is_removed(tmp_path, kind):
    best = BOTH if kind in ("folder", "through a link", "list") else BEST
    folder, outside = tmp_path / "run", tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "best_score_iter_4.pth").write_text("precious")
    train(folder, iters=4, **best)
    (folder / "link").symlink_to(outside)
    (folder / "best_score_iter_3.pth").symlink_to(outside)
    (folder / "notes_4.pth").write_text("mine")
    named = FOREIGN[kind](outside)
    change(folder / "iter_4.pth", best_ckpt=named, best_ckpt_score=named, best_ckpt_other=named)
    before = tree(outside)
    train(folder, iters=8, resume=True, **best)
    assert tree(outside) == before
    assert (folder / "notes_4.pth").read_text() == "mine"
    assert (folder / "link").is_symlink()
    assert (folder / "best_score_iter_8.pth").is_file()


@pytest.mark.parametrize(
    "steps", [["../outside/precious", "../outside"], "../outside", [-1, 10**30, None, 4.5], {}, 7]
)
def test_checkpoints_to_keep_are_numbers_of_this_run(tmp_path, steps):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.pth").write_text("precious")
    same = dict(filename_tmpl="{}.pth", max_keep_ckpts=1)
    train(folder, iters=4, **same)
    change(folder / "4.pth", keep_ckpt_ids=steps)
    before = tree(outside)
    train(folder, iters=6, resume=True, **same)
    assert tree(outside) == before
    assert "6.pth" in names(folder)


@pytest.mark.parametrize("score", ["high", None, [1], {"a": 1}])
def test_a_best_score_that_is_none_is_forgotten(tmp_path, score):
    train(tmp_path, iters=4, **BEST)
    change(tmp_path / "iter_4.pth", best_score=score)
    train(tmp_path, iters=8, resume=True, **BEST)
    assert load(tmp_path / "iter_8.pth")["message_hub"]["runtime_info"]["best_score"] == 2.0


def test_a_resumed_run_finds_its_best_one(tmp_path):
    """Also by the absolute path that earlier versions noted."""
    train(tmp_path, iters=4, **BEST)
    change(tmp_path / "iter_4.pth", best_ckpt="/gone/before/best_score_iter_4.pth")
    train(tmp_path, iters=8, resume=True, **BEST)
    assert names(tmp_path, "best*") == ["best_score_iter_8.pth"]


def test_a_run_goes_on_elsewhere_from_a_named_file(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    train(first, iters=4, max_keep_ckpts=2, **BEST)
    before = tree(first)
    second.mkdir()
    (second / "iter_3.pth").write_text("another's")
    source = str(first / "iter_4.pth")
    train(second, iters=8, max_keep_ckpts=2, resume=True, load_from=source, **BEST)
    assert tree(first) == before
    assert names(second) == ["best_score_iter_8.pth", "iter_3.pth", "iter_7.pth", "iter_8.pth"]


def test_a_validation_before_the_first_checkpoint_saves_one_to_resume(tmp_path):
    train(tmp_path, iters=5, interval=100, save_last=False, **BEST)
    assert names(tmp_path) == ["best_score_iter_5.pth", "iter_5.pth"]


def test_checkpoints_can_lie_elsewhere(tmp_path):
    folder = tmp_path / "runs" / "mine"
    train(folder, iters=4, out_dir=str(tmp_path / "kept"), **BEST)
    assert names(tmp_path / "kept" / "mine") == ["best_score_iter_4.pth", "iter_4.pth"]
    assert (folder / "last_checkpoint").read_text() == os.path.join(
        "..", "..", "kept", "mine", "iter_4.pth"
    )


def test_a_link_leads_no_writer_out_of_the_folder(tmp_path):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    for name in ("iter_4.pth", "best_score_iter_4.pth", "last_checkpoint"):
        for path in (name, f"{name}.tmp"):
            (outside / path).write_text("precious")
            (folder / path).symlink_to(outside / path)
    before = tree(outside)
    train(folder, iters=4, interval=4, **BEST)
    assert tree(outside) == before
    assert not (folder / "iter_4.pth").is_symlink()


def test_a_folder_in_the_mark_s_place_stops_nothing(tmp_path):
    (tmp_path / "last_checkpoint").mkdir()
    train(tmp_path, iters=2)
    assert names(tmp_path) == ["iter_2.pth"]


def test_leftovers_are_the_run_s_own(tmp_path):
    for name in (
        "iter_4.pth.tmp",
        "best_a_iter_4.pth.tmp",
        "last_checkpoint.tmp",
        "notes.tmp",
        "b.pth",
    ):
        (tmp_path / name).write_text("")
    (tmp_path / "c.pth.tmp").mkdir()
    (tmp_path / "d.pth.tmp").symlink_to(tmp_path / "notes.tmp")
    assert remove_leftovers(tmp_path) == ["best_a_iter_4.pth.tmp", "iter_4.pth.tmp"]
    assert names(tmp_path, "*") == ["b.pth", "c.pth.tmp", "d.pth.tmp", "notes.tmp"]
    assert remove_leftovers(tmp_path / "missing") == []


class FailAt(Hook):
    """An error at a chosen moment of the third iteration."""

    priority = "VERY_LOW"

    def __init__(self, moment):
        setattr(self, moment, lambda *args, **kwargs: self.act(*args))

    def act(self, runner, *args):
        if runner.iter == 2:
            raise ConnectionError("lost")


@pytest.mark.parametrize(
    ("moment", "saved"), [("before_train_iter", "iter_2.pth"), ("after_train_iter", None)]
)
def test_a_checkpoint_after_an_error(tmp_path, moment, saved):
    """Before the next iteration has changed the weights, and not in the middle of it."""
    with quick():
        runner = build(tmp_path, interval=100, hooks=[FailAt(moment)])
        with pytest.raises(ConnectionError):
            runner.train()
        path = save_now(runner, "test")
    assert path == (saved and str(tmp_path / saved))
    assert names(tmp_path) == ([saved] if saved else [])
    if saved:
        assert load(path)["meta"]["iter"] == 2


def test_nothing_to_save_before_the_first_iteration(tmp_path):
    with quick():
        runner = build(tmp_path)
        assert save_now(runner, "test") is None
