"""The words of ``condinst demo``; the page itself is tested in tests/integration/test_demo.py."""

from __future__ import annotations

import pytest
from fixed_predictor import write_image

from condinst.cli import demo
from condinst.cli.main import main
from condinst.deploy import OnnxPredictor


@pytest.fixture
def served(monkeypatch):
    """The arguments with which the page would be served."""
    calls = []
    monkeypatch.setattr(demo, "serve", lambda *args: calls.append(args))
    monkeypatch.setattr(demo, "check_gradio", lambda: None)
    return calls


def test_a_name_of_the_index(served, capsys):
    assert main(["demo", "nuclei"]) == 0
    ((model, settings, host, port, ready),) = served
    assert (model.name, host, port) == ("nuclei", "127.0.0.1", None)
    assert model.is_loading  # after the page is served
    assert (settings.score_thr, settings.folder) == (0.3, ())
    ready("http://127.0.0.1:1/")
    assert "page   http://127.0.0.1:1/" in capsys.readouterr().out


def test_a_folder_of_this_machine(served, tmp_path):
    write_image(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no image")
    assert main(["demo", "nuclei", str(tmp_path), "--port", "80", "--score-thr", "0.5"]) == 0
    ((_, settings, _, port, _),) = served
    assert (settings.folder, settings.folder_name) == ([tmp_path / "a.png"], tmp_path.name)
    assert (settings.score_thr, port) == (0.5, 80)


def test_an_exported_file(served, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_bytes(b"x")
    made = []
    monkeypatch.setattr(OnnxPredictor, "__init__", lambda self, *a, **k: made.append((a, k)))
    assert main(["demo", str(tmp_path / "model.onnx"), "--tile", "64"]) == 0
    ((model, *_),) = served
    assert model.name == "model.onnx"
    model.load()
    ((path,), options) = made[0]
    assert path == str(tmp_path / "model.onnx")
    assert options["tile"] == (64, 64)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nuclei", "here", "there"], "here there: expected one folder of images"),
        (["nuclei", "no_such"], "no_such: expected a folder of images"),
        (["nuclei", "--port", "70000"], "--port 70000: expected a number from 1 to 65535"),
        (["nuclei", "--score-thr", "30"], "--score-thr 30: expected a number from 0 to 1"),
        (["nuclei", "--max-frames", "0"], "--max-frames 0: expected 1 or more"),
        (["no_such.onnx"], "model file no_such.onnx: no such file"),
        (["nuclee"], "nuclee"),
    ],
)
def test_what_is_refused(served, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1
    assert not served
