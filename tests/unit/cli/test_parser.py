"""The words of every command: none may be empty."""

import pytest

from condinst.cli import train
from condinst.cli.main import main

# every option and argument that takes a path, in every command
PATHS = [
    "new mine --data @",
    "new mine --data d --out @",
    "new @ --data d",
    "train @",
    "train a.py --work-dir @",
    "train a.py --resume @",
    "test a.py @",
    "test a.py a.pth --out @",
    "test a.py a.pth --show-dir @",
    "test a.py a.pth --report @",
    "report @",
    "report folder --out @",
    "predict a.pth @",
    "predict @ a.png",
    "predict a.pth a.png --out @",
    "export a.pth --out @",
    "export a.pth --check-images @",
    "export a.pth --calibration-images @",
    "convert @ --out a.pth",
    "convert a.pth --out @",
    "convert a.pth --out b.pth --config @",
    "browse a.py --out @",
    "tile a.json --images @ --out o --tile 9",
    "tile a.json --images i --out @ --tile 9",
    "info @",
    "doctor @",
    "doctor --data @",
    "doctor --data a.json --images @",
    "doctor --data a.json --html @",
    "doctor --data a.json --fix @",
    "quickstart --work-dir @",
    "quickstart --data @",
    "make-shapes --out @",
]


@pytest.mark.parametrize("line", PATHS)
def test_an_empty_path_is_not_the_current_folder(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = line.split()
    at = words.index("@")
    assert main(["" if word == "@" else word for word in words]) == 2
    place = f"argument {words[at - 1]}" if words[at - 1].startswith("-") else "an argument"
    line, way = capsys.readouterr().err.splitlines()
    assert line.endswith(f" error: {place}: expected a value, got an empty text")
    assert way == f"(condinst {words[0]} --help lists the options)"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_value_after_an_equals_sign(capsys):
    assert main(["train", "a.py", "--work-dir="]) == 2
    assert "argument --work-dir: expected a value, got an empty text" in capsys.readouterr().err


def test_the_scripts_of_tools_refuse_it_too(capsys):
    with pytest.raises(SystemExit) as ended:
        train.parse_args(["a.py", "--work-dir", ""])
    assert ended.value.code == 2
    assert "argument --work-dir: expected a value, got an empty text" in capsys.readouterr().err


def test_a_setting_may_be_an_empty_text():
    args = train.parse_args(["a.py", "--cfg-options", "data_root=", "a.b=c=", "--seed=1"])
    assert args.cfg_options == {"data_root": "", "a.b": "c="}
