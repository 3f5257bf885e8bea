"""Which process of ``condinst predict`` does what, and the files that the first one writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from three_instances import make_results

from condinst.cli import predict_progress
from condinst.cli.predict_output import ImageOutput
from condinst.cli.predict_progress import show_progress
from condinst.cli.predict_share import Share, find_share


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_each_source_is_done_once(size):
    shares = [Share(rank, size).choose(10, 3, 1) for rank in range(size)]
    assert sorted(sum(shares, [])) == list(range(13))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_batches_are_those_of_one_process():
    """Five images in batches of two: [0, 1], [2, 3], [4], and then the video."""
    assert Share(0, 2).choose(5, 1, 2) == [0, 1, 4]
    assert Share(1, 2).choose(5, 1, 2) == [2, 3, 5]


def test_torchrun_alone_shares(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert find_share() == Share(0, 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert find_share() == Share(1, 2)


@pytest.mark.parametrize(
    ("size", "of_all", "line"),
    [
        (1, 5, "predicted  3 of 5\n"),
        (2, 1080, "predicted  3 of 5 by process 1 of 2, which share 1,080 images\n"),
        (2, None, "predicted  3 of 5\n"),  # frames of a video, which one process reads
    ],
)
def test_the_progress_says_whose_it_is(monkeypatch, capsys, size, of_all, line):
    """The third image comes after 11 s, and the fifth after 13 s."""
    now = iter([0.0, 1.0, 2.0, 11.0, 11.5, 12.0, 13.0])
    monkeypatch.setattr(predict_progress.time, "monotonic", lambda: next(now))
    results = [make_results(1)[0]] * 5
    assert len(list(show_progress(iter(results), 5, Share(0, size), of_all))) == 5
    assert capsys.readouterr().err == line


def test_other_processes_say_nothing(monkeypatch, capsys):
    monkeypatch.setattr(predict_progress, "_FIRST_LINE", 0)
    assert list(show_progress(iter([1, 2]), 2, Share(1, 2), 4)) == [1, 2]
    assert capsys.readouterr().err == ""


def output(folder: Path, **options) -> ImageOutput:
    settings = dict(draw=False, boxes=True, closeups=False)
    return ImageOutput(folder, ["coco", "json", "png"], ("cat", "dog"), **settings | options)


def test_two_processes_write_what_one_writes(tmp_path):
    """Names that collide, an image given twice, and one that the second process cannot read."""
    sources = [Path(name) for name in ("a.png", "A.jpg", "a.png", "b.png", "c.png")]
    results = {s: make_results(i + 1, path=s)[0] for i, s in enumerate(dict.fromkeys(sources[:3]))}
    results[sources[4]] = make_results(3, path=sources[4])[0]

    def write(target: ImageOutput, chosen: list[int]) -> None:
        target.name_sources(sources, chosen)
        with target:
            for number in chosen:
                if sources[number] in results:  # b.png is skipped
                    target.write(results[sources[number]])

    write(output(tmp_path / "one"), [0, 1, 2, 3, 4])
    outputs = [output(tmp_path / "two", collect=True) for _ in range(2)]
    for rank, target in enumerate(outputs):
        write(target, Share(rank, 2).choose(5, 0, 1))
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").glob("[!.]*")}
    assert not (tmp_path / "two/annotations.json").exists()
    outputs[0].write_parts([*outputs[1].parts, *outputs[0].parts])
    written = (tmp_path / "two").glob("[!.]*")
    assert {path.name: path.read_bytes() for path in written} == files
    lines = files["predictions.jsonl"].decode().splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["a.png", "A.jpg", "a.png", "c.png"]
    names = {"a", "A-2", "a-3", "c"}
    assert {name for name in files if name.endswith(".png")} == {
        f"{n}_instances.png" for n in names
    }
