"""Test which files condinst new writes, replaces and refuses."""

from __future__ import annotations

import json
import shutil

import pytest
from mmengine.config import Config
from tiny_data import write_part

from condinst.cli.main import main
from condinst.new import create

CLASSES = ["cat", "dog"]
TRAIN = [[("cat", 20), ("dog", 30)], [("dog", 10)], []]


@pytest.fixture
def data(tmp_path):
    write_part(tmp_path / "data", "train", TRAIN, CLASSES)
    write_part(tmp_path / "data", "val", [[("cat", 20)]], CLASSES)
    return tmp_path / "data"


@pytest.fixture
def unsplit(tmp_path):
    write_part(tmp_path / "other", "images", TRAIN * 4, CLASSES)
    return tmp_path / "other"


def run(*words):
    return main(["new", *map(str, words), "--device", "cpu"])


def test_coco_with_a_split_stays_where_it_is(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert run("mine", "--data", "data") == 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["mine.py"]
    assert before == {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    out = capsys.readouterr().out
    assert (tmp_path / "mine" / "mine.py").read_text() in out
    cfg = Config.fromfile(tmp_path / "mine" / "mine.py")
    assert cfg.data_root == f"{data.as_posix()}/"
    commands = out[out.index("next:") :].splitlines()[1:]
    iters = cfg.train_cfg.max_iters
    assert commands == [
        "  condinst train mine/mine.py",
        f"  condinst test mine/mine.py work_dirs/mine/iter_{iters}.pth "
        "--show-dir work_dirs/mine/images",
        f"  condinst predict mine/mine.py work_dirs/mine/iter_{iters}.pth IMAGE --out found",
    ]


def test_a_split_that_was_made_moves_with_the_config(unsplit, tmp_path):
    created = create("mine", unsplit, out=tmp_path / "mine", device="cpu", val_fraction=0.25)
    assert any("3" in note and "9" in note for note in created.notes)
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "mine", moved)
    cfg = Config.fromfile(moved / "mine.py")
    names = []
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        path = loader.dataset.ann_file
        assert path.startswith(moved.as_posix())
        with open(path, encoding="utf-8") as file:
            images = json.load(file)["images"]
        folder = loader.dataset.data_root + loader.dataset.data_prefix.img
        names.append({folder + image["file_name"] for image in images})
    assert [len(n) for n in names] == [9, 3]
    assert not names[0] & names[1]
    assert cfg.val_evaluator.ann_file == cfg.val_dataloader.dataset.ann_file


def test_the_same_command_writes_the_same_bytes(unsplit, tmp_path):
    contents = []
    for name in ("a", "b"):
        create("mine", unsplit, out=tmp_path / name, device="cpu", seed=3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([path.read_bytes() for path in files])
    assert len(contents[0]) == 3
    assert contents[0] == contents[1]


def test_files_that_are_there_are_replaced_by_force_only(data, tmp_path, capsys):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert run("mine", "--data", data, "--out", out) == 1
    assert f"{out}: expected a new or empty folder, found files" in capsys.readouterr().err
    assert run("mine", "--data", data, "--out", out, "--force") == 0
    first = (out / "mine.py").read_text()
    assert run("mine", "--data", data, "--out", out) == 1
    assert "found mine.py" in capsys.readouterr().err
    assert run("mine", "--data", data, "--out", out, "--force", "--model", "r50") == 0
    assert (out / "mine.py").read_text() != first
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a/b"], "'a/b': expected a name"),
        (["mine", "--model", "r51"], "--model r51: expected"),
        (["mine", "--memory", "0.5"], "--memory 0.5: expected a number from 1 to 4096"),
        (["mine", "--val-fraction", "0"], "--val-fraction 0: expected a number between 0 and 1"),
        (["mine", "--val-fraction", "1"], "--val-fraction 1: expected a number between 0 and 1"),
        (["mine", "--val-fraction", "2"], "--val-fraction 2: expected a number from 0 to 1"),
        (["mine", "--data", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    words, message, data, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run("--data", data, *words) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "mine").exists()


def test_no_annotations(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("mine", "--data", tmp_path / "empty", "--out", tmp_path / "out") == 1
    assert str(tmp_path / "empty") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_data_that_training_would_refuse_are_refused_now(data, tmp_path, capsys):
    """A wrong annotated size is found only by the checks of a run."""
    path = data / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    content["images"][0]["width"] = 60
    path.write_text(json.dumps(content))
    assert run("mine", "--data", data, "--out", tmp_path / "out") == 1
    assert "(64 x 48, annotated 60 x 48)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_class_that_mmengine_would_replace_is_refused(data, tmp_path, capsys):
    for split in ("train", "val"):
        path = data / "annotations" / f"instances_{split}.json"
        content = json.loads(path.read_text())
        content["categories"][0]["name"] = "{{$HOME:x}}"
        path.write_text(json.dumps(content))
    assert run("mine", "--data", data, "--out", tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert "class '{{$HOME:x}}': expected a name without '{{'" in err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_mmengine_would_replace_is_refused(data, tmp_path, capsys):
    moved = data.rename(tmp_path / "{{ fileDirname }}")
    assert run("mine", "--data", moved, "--out", tmp_path / "out") == 1
    assert "expected a name without '{{'" in capsys.readouterr().err
