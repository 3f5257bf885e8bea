"""Names of files of others become paths inside one folder, one for each."""

import os
import random
from pathlib import Path

import pytest

from condinst.utils.names import NamesInFolder, printable, printable_lines, safe_part

HOSTILE = [
    *(
        "",
        ".",
        "..",
        "/",
        "//",
        "\\",
        "../x.png",
        "/etc/passwd",
        "a/../../../x.png",
        "..\\..\\x.png",
    ),
    *("C:\\x\\y.png", "c:/x.png", "C:x.png", "\\\\server\\share\\x.png", "x\0y.png", "a\nb.png"),
    *("n" * 300 + ".png", "é" * 200 + ".png", "a/" * 3000 + "x.png", "\ud800.png", "bad\udcff.png"),
    *(
        "con.png",
        "NUL",
        "a.",
        "a ",
        " a",
        "...",
        ". .",
        "x.png/",
        "x.png/y.png",
        "~/x.png",
        "-x.png",
    ),
    *(
        "a:b.png",
        "a|b.png",
        "a?b*.png",
        "${HOME}.png",
        "%2e%2e%2fx.png",
        "a\u0301.png",
        "\u00e1.png",
    ),
]


def write(stem: Path, ending: str = ".png") -> Path:
    path = stem.with_name(f"{stem.name}{ending}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb"):  # fails where another name has it
        return path


def test_hostile_names_stay_inside_and_apart(tmp_path):
    folder = tmp_path / "deep" / "out"
    names = NamesInFolder(folder)
    written = [write(names.take(name), "_0_0_instances.png") for name in HOSTILE * 2]
    inside = os.path.realpath(folder) + os.sep
    assert all(os.path.realpath(path).startswith(inside) for path in written)
    assert len({str(path).casefold() for path in written}) == 2 * len(HOSTILE)
    assert os.listdir(tmp_path) == ["deep"]
    assert os.listdir(tmp_path / "deep") == ["out"]


def test_plain_names_keep_their_folders_and_their_spelling(tmp_path):
    names = NamesInFolder(tmp_path)
    for name, expected in {
        "a.png": "a",
        "train/2020/b c.jpg": "train/2020/b c",
        "Ü.tar.gz": "Ü.tar",
        ".hidden": ".hidden",
        "no_ending": "no_ending",
    }.items():
        assert names.take(name) == tmp_path / expected


def test_names_that_meet_get_numbers(tmp_path):
    names = NamesInFolder(tmp_path, reserved=["annotations"])
    met = [
        "x/a.png",
        "x/a.jpg",
        "X/A.png",
        "../x/a.png",
        "/x/a.png",
        "x/a-2.png",
        "annotations.png",
    ]
    found = [names.take(name).relative_to(tmp_path).as_posix() for name in met]
    assert found == ["x/a", "x/a-2", "X/A-3", "x/a-4", "x/a-5", "x/a-2-2", "annotations-2"]


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    folder.mkdir()
    (folder / "sub").symlink_to(outside)
    (folder / "own").mkdir()
    (folder / "inner").symlink_to(folder / "own")
    names = NamesInFolder(folder)
    assert names.take("inner/a.png") == folder / "inner" / "a"
    with pytest.raises(ValueError, match="a link leads out of"):
        names.take("sub/deeper/a.png")


def test_random_names(tmp_path):
    rng = random.Random(0)
    letters = [
        "..",
        ".",
        "/",
        "\\",
        "a",
        "A",
        ":",
        "\0",
        " ",
        "é",
        "\ud800",
        "x" * 90,
        ".png",
        "-2",
    ]
    names = NamesInFolder(tmp_path)
    paths = [
        write(names.take("".join(rng.choices(letters, k=rng.randint(0, 9))))) for _ in range(500)
    ]
    assert len({str(path).casefold() for path in paths}) == 500
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in paths)


def test_one_part():
    assert safe_part("a/b\\c") == "a_b_c"
    assert safe_part("..") == "unnamed"
    assert len(os.fsencode(safe_part("é" * 200))) <= 150
    assert safe_part("x" * 200) != safe_part("x" * 201)
    assert safe_part("x" * 150) == "x" * 150  # the longest that stays as it is
    assert len(safe_part("x" * 151)) == 150


def test_what_is_printed_cannot_move_the_cursor():
    assert printable("a\n\x1b[2Jb\udcff") == "a\\n\\x1b[2Jb\\udcff"
    assert printable("ü b") == "ü b"


def test_a_name_with_line_ends_cannot_pass_for_a_message():
    text = printable_lines("no class 'a\nerror: all is well\r\x1b]0;title\x07':\n  x\n\ny")
    assert text == ("no class 'a\n  error: all is well\\r\\x1b]0;title\\x07':\n  x\n\n  y")
    assert printable_lines(ValueError("one line")) == "one line"
