"""Test what condinst report and condinst test --report refuse before reading files."""

import pytest

from condinst.cli import main, report, test
from condinst.report.run import read_run, write_info


def error_of(capsys, *words):
    assert main.main([str(word) for word in words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_mistakes_end_with_one_line(tmp_path, capsys):
    line = error_of(capsys, "report", tmp_path / "gone")
    assert line == f"error: work folder {tmp_path / 'gone'}: no such folder"
    line = error_of(capsys, "report", tmp_path)
    assert line.startswith(f"error: {tmp_path}: not the work folder of a training")
    line = error_of(capsys, "report", tmp_path, "--out", "page.pdf")
    assert line == "error: --out page.pdf: the page is an .html file"


def test_the_folder_of_a_config_is_not_that_of_its_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.py").write_text("a = 1")
    line = error_of(capsys, "report", "mine")
    assert line == (
        "error: mine: no training in it, only a config; condinst train writes to work_dirs/NAME"
    )
    (tmp_path / "work_dirs" / "mine").mkdir(parents=True)
    line = error_of(capsys, "report", "mine")
    assert line.endswith("only a config; did you mean work_dirs/mine?")
    assert error_of(capsys, "report", "mine/mine.py").endswith("did you mean work_dirs/mine?")


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"last": {"iteration": 5}}, "last validation after 5 iterations"),
        ({"last": {"iteration": 1}}, "last validation after 1 iteration"),
        ({}, "0 validations"),
        ({"last": {"iteration": "5"}}, "0 validations"),  # not from our hook
        ([1], "0 validations"),
    ],
)
def test_a_validation_of_a_short_training_is_known(tmp_path, noted, expected):
    (tmp_path / "config.py").write_text("")
    write_info(tmp_path, {"validations": noted})
    assert report._validations(read_run(tmp_path)) == expected


def test_a_config_that_is_broken_is_named(tmp_path, capsys):
    (tmp_path / "broken.py").write_text("a = (")
    (tmp_path / "last_checkpoint").write_text("iter_9.pth")
    assert f"config {tmp_path / 'broken.py'}" in error_of(capsys, "report", tmp_path)


def test_the_page_of_a_test_is_html(repo, tmp_path):
    config = repo / "configs" / "quickstart" / "quickstart_condinst_r18_fpn_shapes.py"
    args = test.parse_args([str(config), "weights.pth", "--report", "page.json"])
    with pytest.raises(ValueError, match="--report page.json: the page is an .html file"):
        test.build_config(args)
