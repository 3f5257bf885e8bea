"""``condinst predict`` as a user starts it, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import SMALL, run
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from weight_server import WeightServer

from condinst.cli.main import main
from condinst.inference.predictor import Predictor
from condinst.results.results import Results


@pytest.fixture(scope="module")
def checkpoint(trained) -> Path:
    return trained / "iter_80.pth"


@pytest.fixture(scope="module")
def folder(shapes, tmp_path_factory) -> Path:
    """Three images."""
    folder = tmp_path_factory.mktemp("images")
    for file in sorted((shapes / "train").glob("*.png"))[:3]:
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="module")
def film(folder, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for file in [*folder.glob("*.png")] * 2:
        writer.write(cv2.imread(str(file)))
    writer.release()
    return path


def start(*words: object) -> int:
    return main(["predict", *map(str, words), "--device", "cpu"])


@pytest.fixture(scope="module")
def found(checkpoint, folder) -> dict:
    """The predictor's results by name, with the command's default threshold."""
    predictor = Predictor(SMALL, checkpoint, device="cpu", score_thr=0.3)
    results = {Path(r.path).stem: r for r in predictor(folder)}
    assert sum(map(len, results.values())) > 3
    return results


def test_every_format_at_once(checkpoint, folder, found, tmp_path, capsys):
    out = tmp_path / "out"
    formats = ("coco", "labelme", "png", "json")
    assert start(SMALL, checkpoint, folder, "--out", out, "--format", *formats) == 0
    total = sum(map(len, found.values()))
    assert f"{total} instances in 3 images" in capsys.readouterr().out
    names = [f"{n}{end}" for n in found for end in (".jpg", ".json", "_instances.png")]
    assert {p.name for p in out.iterdir()} == {*names, "annotations.json", "predictions.jsonl"}

    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    coco = COCO(str(out / "annotations.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())][0] == "circle"
    for line, image in zip(lines, coco.loadImgs(coco.getImgIds()), strict=True):
        results = found[Path(line["path"]).stem]
        assert Results.from_dict(line) == results
        assert image["file_name"] == Path(line["path"]).name
        annotations = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert len(annotations) == len(line["instances"]) == len(results)
        for annotation, instance, mask in zip(
            annotations, line["instances"], results.masks, strict=True
        ):
            assert np.array_equal(coco.annToMask(annotation), mask)
            assert annotation["area"] == mask.sum()
            assert np.array_equal(coco_mask.decode(instance["mask"]), mask)

        drawn = Image.open(out / f"{Path(line['path']).stem}.jpg")
        assert drawn.size == (480, 480)  # 5 times as large, for names beside the objects
        small = np.asarray(drawn.resize((96, 96), Image.Resampling.BOX)).astype(int)
        difference = np.abs(small - results.read_image()).mean(axis=2)
        assert difference[results.masks.any(axis=0)].mean() > 20

        numbers = np.asarray(Image.open(out / f"{Path(line['path']).stem}_instances.png"))
        assert np.array_equal(numbers > 0, results.masks.any(axis=0))
        assert np.array_equal(numbers == 1, results.masks[0])

        content = json.loads((out / f"{Path(line['path']).stem}.json").read_text())
        assert (out / content["imagePath"]).resolve() == Path(results.path).resolve()
        assert {s["label"] for s in content["shapes"]} == set(results.names)


def test_one_image_by_the_checkpoint_alone(checkpoint, folder, found, tmp_path, capsys):
    image = folder / "000000.png"
    words = ["--out", tmp_path / "out", "--no-images", "--format", "json", "--score-thr", 0]
    assert start(checkpoint, image, *words) == 0
    (file,) = (tmp_path / "out").iterdir()
    line = json.loads(file.read_text())
    assert len(line["instances"]) > len(found["000000"])


def test_a_video_becomes_a_video(checkpoint, film, tmp_path, capsys):
    out = tmp_path / "out"
    assert start(SMALL, checkpoint, film, "--out", out, "--format", "json", "coco") == 0
    assert "in 6 images" in capsys.readouterr().out
    capture = cv2.VideoCapture(str(out / "film.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 480  # enlarged
    capture.release()
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [f"film.avi#{i}" for i in range(1, 7)]
    assert len(COCO(str(out / "annotations.json")).getImgIds()) == 6


def test_closeups(checkpoint, folder, found, tmp_path):
    out = tmp_path / "out"
    assert start(SMALL, checkpoint, folder, "--out", out, "--no-images", "--closeups") == 0
    assert {path.name for path in out.iterdir()} == {f"{name}_edges.png" for name in found}
    for name, results in found.items():
        shown = Image.open(out / f"{name}_edges.png")
        num = min(3, len(results))
        assert shown.size == (num * 48 * 8 + (num - 1) * 6, 48 * 8)


def test_images_of_the_same_name_do_not_overwrite_each_other(checkpoint, folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert start(checkpoint, folder, other, "--out", tmp_path / "out") == 0
    assert len([*(tmp_path / "out").glob("*.jpg")]) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["FOLDER/none.png"], "none.png: there is no such file or folder"),
        (["FOLDER", "--out", "FOLDER"], "lies there; choose another folder"),
        (["FOLDER", "--no-images"], "nothing would be written"),
        (["FILM", "--format", "labelme"], "for image files, not for videos"),
        ([], "expected an image, folder or video after the model"),
        (["FOLDER", "--device", "cuda:77"], "device='cuda:77': "),
        (["FOLDER", "--batch-size", "0"], "--batch-size 0: expected 1 or more"),
    ],
)
def test_mistakes_are_told_in_one_line(
    words, message, checkpoint, folder, film, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    filled = [w.replace("FOLDER", str(folder)).replace("FILM", str(film)) for w in words]
    if "--device" not in filled:
        filled += ["--device", "cpu"]
    assert main(["predict", str(checkpoint), *filled]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_broken_files(checkpoint, folder, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
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


def test_as_a_process(checkpoint, folder, tmp_path):
    words = ["predict", checkpoint, folder, "--out", tmp_path / "out"]
    done = run("-m", "condinst", *words)
    assert "in 3 images" in done.out
    assert len(done.out.splitlines()) == 2
    assert done.out.startswith(f"model  {checkpoint}\n")
    assert done.err == ""
    assert len([*(tmp_path / "out").iterdir()]) == 3
    done = run("-m", "condinst", "predict", checkpoint, "none.png", code=1)
    assert done.err == "error: none.png: there is no such file or folder\n"


def many(folder: Path, into: Path, count: int) -> Path:
    """So many images, with a broken one in the middle."""
    into.mkdir()
    files = sorted(folder.glob("*.png"))
    for i in range(count):
        shutil.copy(files[i % len(files)], into / f"{i:04d}.png")
    (into / f"{count // 2:04d}.png").write_bytes(b"no image")
    return into


@pytest.mark.parametrize("count", [10, pytest.param(500, marks=pytest.mark.slow)])
def test_what_was_found_before_a_broken_file_is_kept(checkpoint, folder, tmp_path, capsys, count):
    images, out = many(folder, tmp_path / "many", count), tmp_path / "out"
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
    assert {path.name for path in out.iterdir()} == {"annotations.json", "predictions.jsonl"}

    capsys.readouterr()
    assert start(*words, "--skip-broken") == 0
    said = capsys.readouterr().err
    assert re.search(f"^warning: skipped: image file .*{count // 2:04d}.png", said, re.M)
    assert len(json.loads((out / "annotations.json").read_text())["images"]) == count - 1


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_found_before_a_signal_is_kept(checkpoint, folder, tmp_path, monkeypatch, stop):
    from condinst.cli.predict_output import ImageOutput

    plain, out = ImageOutput.write, tmp_path / "out"

    def write(self, results):
        plain(self, results)
        if results.path.endswith("000001.png"):
            signal.raise_signal(stop)

    monkeypatch.setattr(ImageOutput, "write", write)
    before = signal.getsignal(stop)
    try:
        code = start(checkpoint, folder, "--out", out, "--format", "coco", "--no-images")
    except SystemExit as ended:
        code = ended.code
    assert code == 128 + stop
    assert signal.getsignal(stop) is before
    content = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["000000.png", "000001.png"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", ["_instance_map", "_dumps"])
def test_drawings_agree_with_the_dataset_after_a_signal(
    checkpoint, folder, tmp_path, monkeypatch, stop, place
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
        code = start(checkpoint, folder, *words)
    except SystemExit as ended:
        code = ended.code
    assert code == 128 + stop
    content = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["000000.png"]
    lines = (out / "predictions.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["path"]).name for line in lines] == ["000000.png"]
    files = ["000000.jpg", "000000.json", "000000_instances.png"]
    files += ["annotations.json", "predictions.jsonl"]
    assert sorted(path.name for path in out.iterdir()) == files


def test_images_from_the_web(checkpoint, folder, found, tmp_path, capsys):
    with WeightServer((folder / "000000.png").read_bytes()) as server:
        server.content_type = "image/png"
        urls = [server.url("a/..%2f000000.png?size=1"), server.url("b/000000.png")]
        out = tmp_path / "out"
        words = [checkpoint, *urls, "--out", out, "--format", "json", "labelme"]
        assert start(*words) == 0
        assert {path.name for path in (out / "downloads").iterdir()} == {
            "000000.png",
            "000000-2.png",
        }
        assert "in 2 images" in capsys.readouterr().out
        for name in ("000000", "000000-2"):
            content = json.loads((out / f"{name}.json").read_text())
            assert len(content["shapes"]) >= len(found["000000"])
            assert (out / content["imagePath"]).read_bytes() == server.content
        # a page in place of an image ends the command, or is left out
        server.content_type = "text/html"
        assert start(checkpoint, urls[0], "--out", tmp_path / "none") == 1
        said = capsys.readouterr().err
        assert said == f"error: {urls[0]}: the server sent a web page, expected an image\n"
        assert not (tmp_path / "none").exists()
        assert start(checkpoint, urls[0], folder, "--out", out, "--skip-broken") == 0
        assert "in 3 images, 1 skipped" in capsys.readouterr().out
        assert start(checkpoint, server.url("film.mp4"), "--out", out) == 1
        assert "only images are read from the web" in capsys.readouterr().err


def test_a_name_that_no_json_file_can_hold(checkpoint, folder, tmp_path, capsys):
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(folder, images)
    shutil.copy(folder / "000000.png", os.fsencode(images) + b"/odd\xff.png")
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
def test_every_file_that_cannot_be_used_is_skipped(checkpoint, folder, tmp_path, capsys, tile):
    images = tmp_path / "images"
    shutil.copytree(folder, images)
    names = {path.name for path in images.iterdir()}
    said = odd_files(images)
    (images / "folder.png").mkdir()
    (images / "notes.txt").write_text("no image")
    odd = ["new\nline.png", "ü中.png", "annotations.png", "back\\slash.png", "n" * 240 + ".png"]
    for name in odd:
        shutil.copy(folder / "000000.png", images / name)
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
        missing = name in ("loop", "gone")  # links that lead nowhere
        assert re.search("there is no such file" if missing else pattern, error)
    os.mkfifo(tmp_path / "film.mp4")
    assert start(checkpoint, tmp_path / "film.mp4", "--out", tmp_path / "out") == 1
    assert "film.mp4: is a pipe" in capsys.readouterr().err


def test_images_of_one_name_in_two_folders_are_told_apart_in_the_dataset(
    checkpoint, folder, tmp_path
):
    for name in ("left", "right"):
        shutil.copytree(folder, tmp_path / "data" / name)
    out = tmp_path / "out"
    sources = [tmp_path / "data" / name for name in ("left", "right")]
    assert start(checkpoint, *sources, "--out", out, "--no-images", "--format", "coco", "png") == 0
    content = json.loads((out / "annotations.json").read_text())
    assert {image["file_name"] for image in content["images"]} == {
        f"{side}/00000{i}.png" for side in ("left", "right") for i in range(3)
    }
    assert len([*out.glob("*_instances.png")]) == 6
