"""A command replaces what it wrote itself, and nothing else."""

from __future__ import annotations

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
