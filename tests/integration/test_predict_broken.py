"""What ``condinst predict`` leaves of a run with broken files or an end by a signal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL
from PIL import Image

from condinst.cli.main import main


def start(*words: object) -> int:
    return main(["predict", *map(str, words), "--device", "cpu"])


def test_broken_files(checkpoint, three_images, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    shutil.copytree(three_images, mixed)
    (mixed / "000000.png").write_text("no image")
    out = tmp_path / "out"
    assert start(checkpoint, mixed, "--out", out) == 1
    assert "000000.png" in capsys.readouterr().err
    capsys.readouterr()
    assert start(checkpoint, mixed, "--out", out, "--skip-broken") == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"warning: skipped: image file .*000000\.png: .*\n", said.err)
    assert "images, 1 skipped, " in said.out
    assert len([*out.glob("*.jpg")]) == 2


def many(folder: Path, into: Path, count: int) -> Path:
    """So many images, with a broken one in the middle."""
    into.mkdir()
    files = sorted(folder.glob("*.png"))
    for i in range(count):
        shutil.copy(files[i % len(files)], into / f"{i:04d}.png")
    (into / f"{count // 2:04d}.png").write_bytes(b"no image")
    return into


@pytest.mark.parametrize("count", [10, pytest.param(500, marks=pytest.mark.slow)])
def test_what_was_found_before_a_broken_file_is_kept(
    checkpoint, three_images, tmp_path, capsys, count
):
    images, out = many(three_images, tmp_path / "many", count), tmp_path / "out"
    words = [SMALL, checkpoint, images, "--out", out, "--format", "coco", "json"]
    words += ["--batch-size", 4, "--no-images"]
    assert start(*words) == 1
    error = capsys.readouterr().err
    assert f"{count // 2:04d}.png" in error
    assert error.startswith("error: ")
    kept = [f"{i:04d}.png" for i in range(count // 2)]
    content = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == kept
    assert {a["image_id"] for a in content["annotations"]} <= {i["id"] for i in content["images"]}
    lines = (out / "predictions.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["path"]).name for line in lines] == kept
    assert {path.name for path in out.glob("[!.]*")} == {"annotations.json", "predictions.jsonl"}

    capsys.readouterr()
    assert start(*words, "--skip-broken") == 0
    said = capsys.readouterr().err
    assert re.search(f"^warning: skipped: image file .*{count // 2:04d}.png", said, re.M)
    assert len(json.loads((out / "annotations.json").read_text())["images"]) == count - 1


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_found_before_a_signal_is_kept(
    checkpoint, three_images, tmp_path, monkeypatch, stop
):
    from condinst.cli.predict_output import ImageOutput

    plain, out = ImageOutput.write, tmp_path / "out"

    def write(self, results):
        plain(self, results)
        if results.path.endswith("000001.png"):
            signal.raise_signal(stop)

    monkeypatch.setattr(ImageOutput, "write", write)
    before = signal.getsignal(stop)
    try:
        code = start(checkpoint, three_images, "--out", out, "--format", "coco", "--no-images")
    except SystemExit as ended:
        code = ended.code
    assert code == 128 + stop
    assert signal.getsignal(stop) is before
    content = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["000000.png", "000001.png"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", ["_instance_map", "json_text"])
def test_drawings_agree_with_the_dataset_after_a_signal(
    checkpoint, three_images, tmp_path, monkeypatch, stop, place
):
    """The signal comes after the second image is drawn and before the dataset has it."""
    from condinst.cli import predict_output

    plain, out, calls = getattr(predict_output, place), tmp_path / "out", []

    def interrupted(content):
        calls.append(content)
        if len(calls) == 2:
            signal.raise_signal(stop)
        return plain(content)

    monkeypatch.setattr(predict_output, place, interrupted)
    words = ["--out", out, "--format", "coco", "labelme", "png", "json"]
    try:
        code = start(checkpoint, three_images, *words)
    except SystemExit as ended:
        code = ended.code
    assert code == 128 + stop
    content = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["000000.png"]
    lines = (out / "predictions.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["path"]).name for line in lines] == ["000000.png"]
    files = ["000000.jpg", "000000.json", "000000_instances.png"]
    files += ["annotations.json", "predictions.jsonl"]
    assert sorted(path.name for path in out.glob("[!.]*")) == files


def test_a_name_that_no_json_file_can_hold(checkpoint, three_images, tmp_path, capsys):
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(three_images, images)
    shutil.copy(three_images / "000000.png", os.fsencode(images) + b"/odd\xff.png")
    words = [checkpoint, images, "--out", out]
    assert start(*words, "--format", "coco") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: image file ")
    assert "odd\\udcff.png: its name is not UTF-8, and no JSON file can hold it" in said
    assert not out.exists()
    assert start(*words, "--format", "coco", "--skip-broken") == 0
    assert "in 3 images, 1 skipped" in capsys.readouterr().out
    from condinst.datasets.coco import read_coco_file

    assert read_coco_file(str(out / "annotations.json"))  # our own reader takes it
    assert start(*words, "--format", "png") == 0  # no JSON file, no limit
    assert "in 4 images" in capsys.readouterr().out


def odd_files(folder: Path) -> dict[str, str]:
    """Files that cannot be used, and what is said of them."""
    Image.fromarray(np.zeros((1, 20000, 3), np.uint8)).save(folder / "thin.png")
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(folder / "large.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no image")
    return {
        "thin": r"20*00 x 1 .* too thin",
        "large": "has 200 x 200 = 40,000 pixels, more than the 30,000",
        "pipe": "is a pipe, expected a file",
        "device": "is a device, expected a file",
        "loop": "Too many levels of symbolic links",
        "gone": "image file not found",
        "empty": "the file is empty",
        "text": "not an image",
    }


@pytest.mark.parametrize("tile", [[], ["--tile", 2000]])
def test_every_file_that_cannot_be_used_is_skipped(
    checkpoint, three_images, tmp_path, capsys, tile
):
    images = tmp_path / "images"
    shutil.copytree(three_images, images)
    names = {path.name for path in images.iterdir()}
    said = odd_files(images)
    (images / "folder.png").mkdir()
    (images / "notes.txt").write_text("no image")
    odd = ["new\nline.png", "ü中.png", "annotations.png", "back\\slash.png", "n" * 240 + ".png"]
    for name in odd:
        shutil.copy(three_images / "000000.png", images / name)
    out = tmp_path / "out"
    words = ["--out", out, "--format", "coco", "labelme", "json", "png", "--skip-broken"]
    assert start(checkpoint, images, *words, "--max-pixels", 30_000, *tile) == 0
    printed = capsys.readouterr()
    told = [line for line in printed.err.splitlines() if line.startswith("warning: skipped: ")]
    assert f"{len(said)} skipped" in printed.out
    assert len(told) == len(said)
    for name, pattern in said.items():
        assert any(re.search(pattern, text) and f"{name}.png" in text for text in told), (
            name,
            told,
        )
    found = json.loads((out / "annotations.json").read_text())
    used = {*names, *odd}
    assert {image["file_name"] for image in found["images"]} == used
    assert len([*out.glob("*.jpg")]) == len(used)
    assert len([*out.glob("*_instances.png")]) == len(used)
    lines = (out / "predictions.jsonl").read_text().splitlines()
    assert {Path(json.loads(line)["path"]).name for line in lines} == used


def test_an_odd_file_by_name_is_one_line(checkpoint, tmp_path, capsys):
    for name, pattern in odd_files(tmp_path).items():
        limit = ["--max-pixels", 30_000]
        assert start(checkpoint, tmp_path / f"{name}.png", "--out", tmp_path / "out", *limit) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert f"{name}.png" in error
        links = {"loop": "Too many levels of symbolic links", "gone": "no such file or folder"}
        assert re.search(links.get(name, pattern), error)
    os.mkfifo(tmp_path / "film.mp4")
    assert start(checkpoint, tmp_path / "film.mp4", "--out", tmp_path / "out") == 1
    assert "film.mp4: is a pipe" in capsys.readouterr().err
