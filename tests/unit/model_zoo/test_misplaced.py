"""What stands in the place of a model is said in Python as by the commands."""

import re
from pathlib import Path

import pytest

from condinst.cli.early import check_model_words
from condinst.inference.setup import load
from condinst.model_zoo.misplaced import is_folder


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A config, a training with a checkpoint, an empty folder and an image."""
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/mine.py").write_text("model = dict()\n")
    Path("work_dirs/mine").mkdir(parents=True)
    Path("work_dirs/mine/iter_9.pth").write_bytes(b"PK\x03\x04")
    Path("work_dirs/mine/last_checkpoint").write_text("/moved/since/iter_9.pth")
    Path("empty").mkdir()
    Path("a.onnx").write_bytes(b"\x08\x09")
    Path("a.PNG").write_bytes(b"\x89PNG\r\n\x1a\n")


LAST, CONFIG = Path("work_dirs/mine/iter_9.pth"), Path("mine/mine.py")
EXPORTED = (
    "a.onnx: this is an exported file, expected a config or a checkpoint; condinst demo shows it, "
    "and the predictors of condinst.deploy run it (docs/deploy.md)"
)
SWAPPED = "a config comes before its checkpoint"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.PNG",), "a.PNG: this is an image, expected a model, which is written first"),
        (("a.PNG", LAST), "a.PNG: this is an image, expected a model, which is written first"),
        (
            ("work_dirs/mine",),
            f"work_dirs/mine: is a folder, expected a model; did you mean {LAST}?",
        ),
        (("mine",), f"config mine: is a folder, expected a config file; did you mean {CONFIG}?"),
        (("empty", LAST), "config empty: is a folder, expected a config file"),
        ((LAST, CONFIG), f"{LAST}: this is a checkpoint, expected a config (.py); {SWAPPED}"),
        (
            (CONFIG, CONFIG),
            f"checkpoint {CONFIG}: this is a config, expected a checkpoint (.pth); {SWAPPED}",
        ),
        (
            (CONFIG, "work_dirs/mine"),
            "checkpoint work_dirs/mine: is a folder, expected a checkpoint file; did you mean "
            f"{LAST}?",
        ),
        (("a.onnx",), EXPORTED),
        ((CONFIG, "a.onnx"), EXPORTED),
        ((CONFIG, "empty"), "checkpoint empty: is a folder, expected a checkpoint file"),
    ],
)
def test_python_and_the_commands_say_the_same(work, words, message):
    config, checkpoint = [*words, None][:2]
    for kind in (str, Path):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            load(kind(config), checkpoint and kind(checkpoint))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_model_words(str(config), checkpoint and str(checkpoint))


def test_the_name_of_a_model_comes_before_a_folder_of_images(work):
    Path("shapes").mkdir()
    assert load("shapes", None)[2].endswith("shapes.pth")
    assert load("shapes", "shapes")[2].endswith("shapes.pth")


def test_what_cannot_be_a_path_is_no_folder():
    assert not is_folder("a\0b")
