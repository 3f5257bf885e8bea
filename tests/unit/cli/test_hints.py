"""What a user of another program types first, and what the commands say to it."""

import pytest

from condinst.cli.hints import _ELSEWHERE
from condinst.cli.main import COMMANDS, main


def error_of(capsys, words):
    assert main(words) == 2
    line, way = capsys.readouterr().err.splitlines()
    assert way.endswith(" --help lists the options)")
    return line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train a.py --batch-size 4", "; use --cfg-options train_dataloader.batch_size=N"),
        ("train a.py --batch_size=4", "; use --cfg-options train_dataloader.batch_size=N"),
        ("train a.py --device cuda", "CUDA_VISIBLE_DEVICES="),
        ("train --config a.py", ": condinst train CONFIG"),
        ("predict --model a.pth --source b.png", ": condinst predict CONFIG CHECKPOINT, or"),
        ("predict shapes --source b.png", ": condinst predict MODEL SOURCE"),
        ("predict shapes b.png --conf 0.5", "; use --score-thr X"),
        ("predict shapes b.png --classes star", 'results["NAME"]'),
        ("new mine --data a --epochs 3", "change them in the config that is written"),
        ("quickstart --epochs 3", "; use --iters N"),
        ("train a.py SOLVER.MAX_ITER 9", "; settings are written after --cfg-options"),
        ("train a.py data=mine", "; settings are written after --cfg-options"),
        ("tile a.json --images a --out b --tile 0", "argument --tile: 0: expected 1 pixel or more"),
        ("train a.py --sed 0", "; did you mean --seed?"),
        ("predict shapes b.png --frames 3", "; did you mean --max-frames?"),
        ("train a.py --time -3m", "--time: expected a value, got -3m; one that begins with a dash"),
        ("train a.py --time --seed 1", "argument --time: expected a value before --seed"),
        ("train a.py --cfg-options max_iters", "max_iters: expected key=value, such as max_iters="),
        ("train a.py --cfg-options a.b", "a.b: expected key=value, such as a.b=VALUE"),
        ("predict shapes b.png --batch_size 2", "; did you mean --batch-size?"),
    ],
)
def test_options_of_other_programs(line, expected, capsys):
    assert expected in error_of(capsys, line.split())


def test_an_option_that_resembles_none_gets_no_hint(capsys):
    assert "did you mean" not in error_of(capsys, ["train", "a.py", "--frobnicate"])


def test_a_value_is_no_option(capsys):
    """The words after "--" and options of the command itself are left to the parser."""
    assert main(["train", "--", "--config"]) == 1
    assert "--config: expected a config file" in capsys.readouterr().err
    assert main(["test", "gone.py", "gone.pth", "--data-root", "gone"]) == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("predict --format coco x.png", "; write MODEL [CHECKPOINT] SOURCE before --format"),
        ("predict --format coco shapes x.png", "; write MODEL [CHECKPOINT] SOURCE before --format"),
        ("predict shapes x.png --format cocoo", "; did you mean coco?"),
        ("predict shapes x.png --format voc", "labels-tiff')"),
        ("train --cfg-options a=1 a.py", "expected key=value; write config before --cfg-options"),
    ],
)
def test_words_after_an_option_that_takes_several(line, expected, capsys):
    assert error_of(capsys, line.split()).endswith(expected)


@pytest.mark.parametrize("command", _ELSEWHERE)
def test_no_hint_hides_an_option(command, capsys):
    """An option of the table would never be reached if the command had it."""
    assert main([command, "--help"]) == 0
    own = {word.strip("[],") for word in capsys.readouterr().out.split() if "--" in word}
    assert command in COMMANDS
    assert not own & _ELSEWHERE[command].keys()


def test_help_is_a_command_too(capsys):
    assert main(["help"]) == 0
    assert "commands:" in capsys.readouterr().out
    assert main(["help", "train"]) == 0
    assert "usage: condinst train " in capsys.readouterr().out
    assert main(["help", "trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err
