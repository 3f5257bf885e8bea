"""A command replaces what it wrote itself, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_disk import small_disk

from condinst.cli.own_files import OwnFiles


def own(folder: Path) -> OwnFiles:
    return OwnFiles("--out", folder, ".list", "condinst x")


def write(files: OwnFiles, *names: str, text: str = "ours") -> None:
    paths = [files.folder / name for name in names]
    with files.writing(paths):
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


def test_what_an_earlier_run_wrote_is_replaced(tmp_path):
    """Files in folders below, and of a name with a line end, too."""
    names = ["a.jpg", "below/b.png", "line\nend.jpg"]
    write(own(tmp_path / "out"), *names)
    write(own(tmp_path / "out"), *names, text="again, longer")
    assert [(tmp_path / "out" / name).read_text() for name in names] == ["again, longer"] * 3
    write(own(tmp_path / "out"), *names)


def test_files_of_others_stay(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_text("theirs")
    (tmp_path / "d.jpg").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"^--out .*: b.jpg there is not from condinst x, and .*"):
        write(own(tmp_path), "new.jpg", "b.jpg")
    message = "a.jpg there .* would be replaced, as would 2 other files; choose another folder$"
    with pytest.raises(ValueError, match=message):
        own(tmp_path).check([tmp_path / name for name in ("a.jpg", "new.jpg", "b.jpg", "d.jpg")])
    assert (tmp_path / "b.jpg").read_text() == "theirs"
    assert not (tmp_path / "new.jpg").exists()
    assert (tmp_path / "d.jpg").is_symlink()
    write(own(tmp_path), "new.jpg")  # beside them


def test_what_was_changed_since_stays(tmp_path):
    write(own(tmp_path), "a.json")
    (tmp_path / "a.json").write_text("ours, corrected")
    with pytest.raises(ValueError, match="a.json there was changed after condinst x had written"):
        write(own(tmp_path), "a.json")
    assert (tmp_path / "a.json").read_text() == "ours, corrected"
    (tmp_path / "a.json").unlink()
    write(own(tmp_path), "a.json")


def test_a_run_that_was_killed_while_it_wrote(tmp_path):
    path = tmp_path / "a.jpg"
    killed = own(tmp_path).writing([path])
    killed.__enter__()  # and nothing after it
    path.write_text("half")
    write(own(tmp_path), "a.jpg", text="whole")
    assert path.read_text() == "whole"


def test_half_a_line_of_a_full_disk(tmp_path):
    write(own(tmp_path), "a.jpg")
    with (tmp_path / ".list").open("a") as file:
        file.write('\n["b.jp')
    write(own(tmp_path), "c.jpg")
    write(own(tmp_path), "a.jpg", "c.jpg", text="again")
    (tmp_path / "b.jpg").write_text("theirs")
    with pytest.raises(ValueError, match="b.jpg there is not from"):
        write(own(tmp_path), "b.jpg")


def test_a_full_disk(tmp_path):
    """The list cannot be written: nothing else is written, and no empty list is left."""
    folder = tmp_path / "disk"
    with small_disk(folder, 4096) as says:
        (folder / "other.txt").write_bytes(b"x" * 4096)
        with pytest.raises(OSError, match=rf"{folder}/.list: cannot be written: {says}"):
            write(own(folder), "a.jpg")
        assert [path.name for path in folder.iterdir()] == ["other.txt"]


def test_processes_that_write_to_one_folder(tmp_path):
    first, second = own(tmp_path), own(tmp_path)
    write(first, "a.jpg")
    write(second, "b.jpg")
    write(second, "a.jpg", text="of the second")
    write(first, "a.jpg", "b.jpg")


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder", "file of others"])
def test_a_list_of_others_is_refused(tmp_path, kind):
    """Nothing is written through a link out of the folder, and a pipe is not waited for."""
    folder, outside = tmp_path / "out", tmp_path / "outside"
    folder.mkdir()
    mark = folder / ".list"
    if kind == "pipe":
        os.mkfifo(mark)
    elif kind == "folder":
        mark.mkdir()
    elif kind == "file of others":
        mark.write_text("a,b\n")
    else:
        if kind == "link":
            outside.write_text("")
        mark.symlink_to(outside)
    with pytest.raises(ValueError, match="--out .*: .list there is not from condinst x; choose"):
        own(folder)
    if kind == "link":
        assert outside.read_text() == ""
    elif kind == "dangling link":
        assert not outside.exists()


def test_lines_of_others_in_a_list(tmp_path):
    write(own(tmp_path), "a.jpg")
    with (tmp_path / ".list").open("a") as file:
        file.write("\n[[], {}]\n5\n" + "[" * 100_000 + '\n["../b.jpg", null]\n')
    write(own(tmp_path), "a.jpg", text="again")
    (tmp_path / "b.jpg").write_text("theirs")
    with pytest.raises(ValueError, match="b.jpg there is not from"):
        write(own(tmp_path), "b.jpg")


def test_processes_that_begin_together(tmp_path):
    """Both find no list; the line between their headings still counts."""
    write(own(tmp_path / "1"), "a.jpg")
    write(own(tmp_path / "2"), "b.jpg", text="longer")
    first, second = ((tmp_path / name / ".list").read_bytes() for name in "12")
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / ".list").write_bytes(first + second)
    (folder / "a.jpg").write_text("ours")
    (folder / "b.jpg").write_text("longer")
    write(own(folder), "a.jpg", "b.jpg", text="again")
    (folder / "a.jpg").write_text("corrected since")
    with pytest.raises(ValueError, match="a.jpg there was changed"):
        write(own(folder), "a.jpg")


def test_a_list_that_cannot_be_written_stays(tmp_path, monkeypatch):
    write(own(tmp_path), "a.jpg")
    before = (tmp_path / ".list").read_bytes()
    files = own(tmp_path)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refused)
        with pytest.raises(OSError, match="Permission denied"):
            files.begin([tmp_path / "b.jpg"])
    assert (tmp_path / ".list").read_bytes() == before
