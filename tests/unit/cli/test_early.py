"""What is said of words before PyTorch is imported: here, folders and images in a wrong place."""

from pathlib import Path

import pytest

from condinst.cli.early import check_config
from condinst.cli.main import main


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder as ``condinst new mine`` and a training of it leave it."""
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/mine.py").write_text("model = dict()\n")
    Path("work_dirs/mine").mkdir(parents=True)
    Path("work_dirs/mine/iter_9.pth").write_bytes(b"PK\x03\x04")
    Path("work_dirs/mine/last_checkpoint").write_text("/moved/since/iter_9.pth")
    Path("empty").mkdir()
    Path("a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train mine", "config mine: is a folder, expected a config file; did you mean {config}?"),
        ("train mine.py", "config mine.py is not a file; did you mean {config}?"),
        ("train empty", "config empty: is a folder, expected a config file"),
        (
            "test work_dirs/mine",
            "work_dirs/mine: is a folder, expected a model; did you mean {checkpoint}?",
        ),
        (
            "predict work_dirs/mine a.png",
            "work_dirs/mine: is a folder, expected a model; did you mean {checkpoint}?",
        ),
        (
            "test mine/mine.py work_dirs/mine",
            "checkpoint work_dirs/mine: is a folder, expected a checkpoint file; did you mean "
            "{checkpoint}?",
        ),
        (
            "test mine/mine.py empty",
            "checkpoint empty: is a folder, expected a checkpoint file",
        ),
        (
            "predict a.png shapes",
            "a.png: this is an image, expected a model, which is written first",
        ),
    ],
)
def test_the_file_that_was_meant_is_named(line, expected, work, capsys):
    assert main(line.split()) == 1
    names = dict(config=Path("mine/mine.py"), checkpoint=Path("work_dirs/mine/iter_9.pth"))
    assert capsys.readouterr().err == f"error: {expected.format(**names)}\n"


@pytest.mark.parametrize("word", ["nuclei", "condinst_r50_fpn_90k"])
def test_the_name_of_a_model_comes_before_a_folder_of_images(word, work):
    Path(word).mkdir()
    check_config(word)
    Path(word, f"{word}.py").write_text("model = dict()\n")  # as condinst new writes
    with pytest.raises(ValueError, match=f"expected a config file; did you mean {word}"):
        check_config(word)


@pytest.mark.parametrize("content", ["gone.pth", "", ".", "\0", "../../mine"])
def test_no_checkpoint_is_named_that_is_not_there(content, work, capsys):
    Path("work_dirs/mine/last_checkpoint").write_text(content)
    assert main(["test", "mine/mine.py", "work_dirs/mine"]) == 1
    said = capsys.readouterr().err
    assert said == "error: checkpoint work_dirs/mine: is a folder, expected a checkpoint file\n"
