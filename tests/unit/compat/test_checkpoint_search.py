"""The newest whole checkpoint of a folder, whatever the folder's mark says."""

import logging
import os
import shutil

import mmengine
import pytest
import torch
from mmengine.runner import find_latest_checkpoint

from condinst.compat.checkpoint_search import newest_whole


def save(folder, name, iteration, started=None, content=0.0):
    folder.mkdir(exist_ok=True)
    hub = {"runtime_info": {} if started is None else {"run_started": started}}
    weights = {"w": torch.full((100,), content)}
    path = folder / name
    torch.save({"state_dict": weights, "meta": {"iter": iteration}, "message_hub": hub}, path)
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    """One bit of the weights."""
    data = bytearray(path.read_bytes())
    data[data.index(torch.full((4,), 7.0).numpy().tobytes())] ^= 1
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path):
    """A run that has kept three."""
    folder = tmp_path / "run"
    for iteration in (8, 9, 10):  # 10 is after 9 as a number, not as a word
        save(folder, f"iter_{iteration}.pth", iteration, content=7.0)
    (folder / "last_checkpoint").write_text("iter_10.pth")
    return folder


def newest(folder, **arguments):
    found = newest_whole(folder, **arguments)
    return found and found[0].name


def test_it_is_the_one_with_the_most_iterations(folder):
    assert newest(folder) == "iter_10.pth"
    assert newest_whole(folder)[1] == {"iter": 10}
    assert find_latest_checkpoint(str(folder)) == str(folder / "iter_10.pth")


@pytest.mark.parametrize("text", ["", "\n", "iter_7.pth", "/elsewhere/iter_99.pth", "\0\xff", "."])
def test_the_mark_has_no_say(folder, text):
    (folder / "last_checkpoint").write_text(text)
    assert newest(folder) == "iter_10.pth"


@pytest.mark.parametrize("target", [None, "/dev/zero"], ids=["pipe", "device"])
def test_a_mark_or_a_checkpoint_that_never_ends_is_not_read(folder, target):
    for name in ("last_checkpoint", "iter_11.pth"):
        (folder / name).unlink(missing_ok=True)
        if target is None:
            os.mkfifo(folder / name)
        else:
            (folder / name).symlink_to(target)
    assert newest(folder) == "iter_10.pth"


def test_nor_is_it_needed(folder):
    mark = folder / "last_checkpoint"
    mark.unlink()
    assert newest(folder) == "iter_10.pth"
    mark.mkdir()
    assert newest(folder) == "iter_10.pth"
    mark.rmdir()
    mark.symlink_to("/nowhere")
    assert newest(folder) == "iter_10.pth"


def test_a_copied_folder_goes_on_from_its_own(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "last_checkpoint").write_text(str(folder / "iter_10.pth"))
    assert newest_whole(copy)[0] == copy / "iter_10.pth"


@pytest.mark.parametrize("harm", [cut, flip, lambda path: path.write_bytes(b"")])
def test_a_damaged_one_is_passed_over_by_name(folder, harm, monkeypatch):
    said = []
    monkeypatch.setattr(mmengine.logging, "print_log", lambda *words: said.append(words))
    harm(folder / "iter_10.pth")
    assert newest(folder) == "iter_9.pth"
    ((text, _, level),) = said
    assert str(folder / "iter_10.pth") in text
    assert level == logging.WARNING


def test_what_is_no_file_of_a_training_is_passed_over(folder):
    torch.save({"w": torch.ones(1)}, folder / "iter_11.pth")
    (folder / "iter_12.pth").mkdir()
    (folder / "iter_12.pth" / "rank0.pth").touch()
    (folder / "iter_13.pth").symlink_to("nowhere")
    save(folder, "best_coco_segm_mAP_iter_14.pth", 14)
    save(folder, "iter_15.pth.tmp", 15)
    save(folder, "resnet_18.pth", 18)
    torch.save({"meta": {"iter": "many"}}, folder / "iter_16.pth")
    assert newest(folder) == "iter_10.pth"
    assert newest(folder, folders=True) == "iter_12.pth"  # for a strategy it may be one


def test_a_strategy_s_folder_is_found(tmp_path):
    (tmp_path / "iter_4.pth").mkdir()
    (tmp_path / "iter_4.pth" / "rank0.pth").touch()
    (tmp_path / "iter_5.pth").mkdir()
    assert newest(tmp_path, folders=True) == "iter_4.pth"


def test_none_that_is_whole_is_an_error_and_no_new_start(folder):
    for path in folder.glob("*.pth"):
        cut(path)
    with pytest.raises(
        ValueError, match=r"run: none of its .* whole \(iter_10.pth, iter_9.pth, iter_8.pth\)"
    ):
        newest_whole(folder)


def test_only_a_best_one_is_an_error_that_says_how_to_use_it(tmp_path):
    path = save(tmp_path, "best_coco_segm_mAP_iter_5.pth", 5)
    with pytest.raises(ValueError, match=f"only checkpoint is {path.name}.*load_from={path}"):
        newest_whole(tmp_path)


def test_a_folder_without_any_or_none_at_all(tmp_path):
    (tmp_path / "config.py").touch()
    assert newest_whole(tmp_path) is None
    assert newest_whole(tmp_path / "missing") is None


def test_epochs_and_iterations_meet(tmp_path):
    """A signal in the middle of an epoch saves by the iteration."""
    save(tmp_path, "epoch_2.pth", 200)
    save(tmp_path, "iter_150.pth", 150)
    assert newest(tmp_path) == "epoch_2.pth"
    save(tmp_path, "iter_250.pth", 250)
    assert newest(tmp_path) == "iter_250.pth"


def test_names_of_one_s_own(tmp_path):
    save(tmp_path, "state-03.pth", 3)
    save(tmp_path, "state-10.pth", 10)
    assert newest(tmp_path) is None
    assert newest(tmp_path, template="state-{:02d}.pth") == "state-10.pth"
    (tmp_path / "last_checkpoint").write_text("state-03.pth")
    assert newest(tmp_path) == "state-10.pth"


def test_a_run_that_was_begun_anew_in_a_used_folder(tmp_path):
    """What the older run has left is older, though it has more iterations."""
    old = [save(tmp_path, f"iter_{n}.pth", n, started=100.0) for n in (70, 80, 90)]
    new = [save(tmp_path, f"iter_{n}.pth", n, started=200.0) for n in (10, 20)]
    for second, path in enumerate([*old, *new]):
        os.utime(path, (second, second))
    assert newest(tmp_path) == "iter_20.pth"
