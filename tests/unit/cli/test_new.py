"""What ``condinst new`` says about the data besides the config; its settings: tests/unit/new."""

import json
import shutil

import pytest

from condinst.cli import new
from condinst.cli.main import main
from condinst.datasets.shapes.generator import make_shapes


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, num_train=6, num_val=4, size=96)
    return folder


@pytest.fixture
def spoiled(shapes, tmp_path):
    """The generated dataset, with one box that is not that of its mask."""
    data = tmp_path / "data"
    shutil.copytree(shapes, data)
    path = data / "annotations" / "instances_val.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"][2] /= 2
    path.write_text(json.dumps(content))
    return data


def run(data, tmp_path, capsys):
    words = ["new", "mine", "--data", str(data), "--out", str(tmp_path / "mine")]
    assert main([*words, "--from-scratch", "--device", "cpu"]) == 0
    return capsys.readouterr().out


def test_issues_of_the_annotations_are_listed(spoiled, tmp_path, capsys):
    out = run(spoiled, tmp_path, capsys)
    assert "\nissues:\n  warning  val: box and mask disagree, 1 place\n" in out
    assert "lists and explains each" in out.splitlines()[-1]


def test_sound_data_have_none(shapes, tmp_path, capsys):
    assert "issues" not in run(shapes, tmp_path, capsys)


def test_many_annotations_are_left_to_the_doctor(spoiled, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(new, "_EXAMINED", 10)
    out = run(spoiled, tmp_path, capsys)
    assert "issues" not in out
    assert "condinst doctor" in out.splitlines()[-1]


def test_missing_images_are_said_last(shapes, tmp_path, capsys):
    """After the config and the notes, which are long, and on standard error."""
    data = tmp_path / "data"
    shutil.copytree(shapes, data)
    for number in range(4):
        (data / "train" / f"{number:06d}.png").unlink()
    words = ["new", "mine", "--data", str(data), "--out", str(tmp_path / "mine")]
    assert main([*words, "--from-scratch", "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert said.startswith(
        "warning: 4 of the 10 images that the annotations name (40%) are missing"
    )
