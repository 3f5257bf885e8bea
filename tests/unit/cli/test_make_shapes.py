"""The count that is printed while images are generated."""

import pytest

from condinst.cli.main import main
from condinst.cli.make_shapes import ImageCounter


def test_the_count_is_printed_every_few_seconds(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("condinst.cli.make_shapes.time.monotonic", lambda: now[0])
    counter = ImageCounter(seconds=5)
    for number, seconds in enumerate((4.0, 5.0, 9.0, 10.0), start=1):
        now[0] = 100 + seconds
        counter(number, 2000)
    assert capsys.readouterr().out == "2 of 2,000 images\n4 of 2,000 images\n"


def test_nothing_is_printed_after_the_last_image(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("condinst.cli.make_shapes.time.monotonic", lambda: now[0])
    counter = ImageCounter()
    now[0] = 60
    counter(3, 3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("seconds", [0, 1000])
def test_the_command_counts_all_images(seconds, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ImageCounter.__init__, "__defaults__", (float(seconds),))
    assert main(["make-shapes", "--train", "2", "--val", "2", "--size", "64"]) == 0
    counts = ["1 of 4 images", "2 of 4 images", "3 of 4 images"] if seconds == 0 else []
    assert capsys.readouterr().out.splitlines()[1:-1] == counts
