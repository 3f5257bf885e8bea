"""The words of every command: none may be empty."""

import pytest
from PIL import Image

from condinst.cli import test as test_command
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


# options that do nothing in this company, even where they are given their default
IDLE = [
    ("predict nuclei a.png --tile-overlap 0.2", "--tile-overlap: does nothing without --tile"),
    ("predict nuclei a.png --tile-ov=0.3", "--tile-overlap: does nothing without --tile"),
    ("demo nuclei --tile-standard-pred", "--tile-standard-pred: does nothing without --tile"),
    ("test a.py --tile-match-threshold 0.5", "--tile-match-threshold: does nothing without"),
    ("test a.py --show-score-thr 0.3", "--show-score-thr: does nothing without --show-dir"),
    ("test a.py --score-thr 0.3", "--score-thr: does nothing without --metric"),
    ("export a.py --num-check-images 8", "--num-check-images: does nothing without --check-imag"),
    ("export a.py --num-calibration-images 8", "--num-calibration-images: does nothing without"),
    ("predict a.pth a.png --no-images --no-boxes", "--no-boxes: does nothing beside --no-images"),
    ("predict a.pth a.png --names all --no-images", "--names: does nothing beside --no-images"),
    ("info a.py --no-memory --device cpu", "--device: does nothing beside --no-memory"),
]


@pytest.mark.parametrize(("line", "expected"), IDLE)
def test_an_option_that_does_nothing(line, expected, capsys):
    assert main(line.split()) == 2
    assert f"error: argument {expected}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["a.py --tile 9 --tile-overlap 0.1", "a.py --show-dir d --show-score-thr 0.5"]
)
def test_the_same_options_in_company(line):
    assert test_command.parse_args(line.split()).config == "a.py"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("predict a.pth a.png --score-thr abc", "argument --score-thr: abc: expected a number\n"),
        ("predict a.pth a.png --score-thr 0,5", "0,5: expected a number; did you mean 0.5?\n"),
        ("predict a.pth a.png --batch-size 1.5", "--batch-size: 1.5: expected a whole number\n"),
        ("train a.py --early-stop x", "argument --early-stop: x: expected a whole number\n"),
        ("new a --data d --val-fraction x", "argument --val-fraction: x: expected a number\n"),
        ("predict a.pth a.png --format coco,json", "several are written --format coco json\n"),
        ("train a.py --log wandb,mlflow", "several are written --log wandb --log mlflow\n"),
    ],
)
def test_what_is_no_number_and_no_choice(line, expected, capsys):
    assert main(line.split()) == 2
    assert expected in capsys.readouterr().err


# what is known before PyTorch is imported, beside the words themselves
EARLY = [
    ("export shapes --int8 --calibration-images . --fp16", "--int8 --fp16: expected only one"),
    ("export shapes --format pt2 --check-images .", "--check-images: does nothing with --format"),
    ("export shapes --format pt2 --batch-size 2", "--batch-size: does nothing with --format pt2 "),
    ("predict shapes a.png --max-frames 3", "--max-frames: works for videos and streams, and no"),
    ("new a --data . --masks instances --format yolo", "--masks: is for masks, not for --format"),
    ("predict shapes a.png --tile 9 --tile-overlap 2", "--tile-overlap 2.0: expected 0 or more, "),
]


@pytest.mark.parametrize(("line", "expected"), EARLY)
def test_options_that_contradict(line, expected, tmp_path, monkeypatch, capsys):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {expected}")
    assert captured.out == ""  # no word that PyTorch is being imported
