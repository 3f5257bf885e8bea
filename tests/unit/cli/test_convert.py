"""``condinst convert``: what it prints, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from condinst.cli import convert, errors
from condinst.cli.main import main


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A small file in the original's layout, in the current folder."""
    monkeypatch.chdir(tmp_path)
    model = {
        "controller.bias": torch.arange(169.0),
        "pixel_mean": torch.zeros(3, 1, 1),
    }
    torch.save({"model": model, "optimizer": {}, "iteration": 7}, "original.pth")
    return "original.pth"


@pytest.mark.parametrize("by", ["command", pytest.param("script", marks=pytest.mark.long)])
def test_there_and_back(source, repo, capsys, by):
    def start(*arguments: str) -> str:
        if by == "command":
            assert main(["convert", *arguments]) == 0
            return capsys.readouterr().out
        command = [sys.executable, str(repo / "tools" / "convert_checkpoint.py"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    out = start(source, "--out", "ours.pth")
    assert out.splitlines() == [
        "reading original.pth ...",
        "read original.pth: original (the original CondInst and BoxInst (AdelaiDet on detectron2))",
        "tensors left out: pixel_mean",
        "not kept: optimizer, iteration",
        "wrote ours.pth: 1 tensors in the layout condinst",
    ]
    out = start("ours.pth", "--out", "back.pth", "--to", "original")
    assert out.splitlines()[-1] == "wrote back.pth: 1 tensors in the layout original"
    back = torch.load("back.pth", weights_only=True)["model"]
    assert back.keys() == {"controller.bias"}
    assert torch.equal(back["controller.bias"], torch.arange(169.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.pth", "--out", "ours.pth"], "error: weights absent.pth: no such file\n"),
        (
            ["original.pth", "--out", "."],
            "error: --out .: is a folder, expected the name of a file\n",
        ),
        (
            ["original.pth", "--out", "o.pth", "--config", "c.py"],
            "error: config c.py is not a file\n",
        ),
    ],
)
def test_mistakes_end_with_one_line(source, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        errors.run(lambda: convert.main(arguments))
    assert ended.value.code == 1
    assert capsys.readouterr().err == message + "(set CONDINST_DEBUG=1 for the traceback)\n"


def test_a_model_that_cannot_be_built_is_named_by_its_key(source, repo, capsys):
    base = repo / "tests" / "helpers" / "small_condinst.py"
    Path("c.py").write_text(f"_base_ = {str(base)!r}\nmodel = dict(neck=dict(nobody=1))")
    with pytest.raises(SystemExit):
        errors.run(lambda: convert.main([source, "--out", "o.pth", "--config", "c.py"]))
    error = capsys.readouterr().err
    assert error.startswith("error: building from the config fails in model.neck (type='FPN'): ")
    assert not Path("o.pth").exists()


def test_the_help_names_every_layout(capsys):
    with pytest.raises(SystemExit):
        convert.parse_args(["--help"])
    out = capsys.readouterr().out
    for layout in ("original", "mmdet2", "caffe2-backbone", "detectron2-backbone", "torchvision-"):
        assert f"\n  {layout}" in out
    assert "python tools/convert_checkpoint.py R-50.pkl --out resnet50_msra.pth" in out
