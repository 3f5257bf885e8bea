"""``condinst predict`` as a user starts it, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
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
def film(three_images, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for file in [*three_images.glob("*.png")] * 2:
        writer.write(cv2.imread(str(file)))
    writer.release()
    return path


def start(*words: object) -> int:
    return main(["predict", *map(str, words), "--device", "cpu"])


@pytest.fixture(scope="module")
def found(checkpoint, three_images) -> dict:
    """The predictor's results by name, with the command's default threshold."""
    predictor = Predictor(SMALL, checkpoint, device="cpu", score_thr=0.3)
    results = {Path(r.path).stem: r for r in predictor(three_images)}
    assert sum(map(len, results.values())) > 3
    return results


def test_every_format_at_once(checkpoint, three_images, found, tmp_path, capsys):
    out = tmp_path / "out"
    formats = ("coco", "labelme", "png", "json")
    assert start(SMALL, checkpoint, three_images, "--out", out, "--format", *formats) == 0
    total = sum(map(len, found.values()))
    assert f"{total} instances in 3 images" in capsys.readouterr().out
    names = [f"{n}{end}" for n in found for end in (".jpg", ".json", "_instances.png")]
    assert {p.name for p in out.glob("[!.]*")} == {*names, "annotations.json", "predictions.jsonl"}

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


@pytest.mark.parametrize(("kind", "ending"), [("labels", "png"), ("labels-tiff", "tif")])
def test_label_maps(checkpoint, three_images, found, tmp_path, kind, ending):
    out = tmp_path / "out"
    words = [SMALL, checkpoint, three_images, "--out", out, "--no-images", "--format", kind]
    assert start(*words) == 0
    assert {p.name for p in (out / "labels").iterdir()} == {f"{n}.{ending}" for n in found}
    for name, results in found.items():
        with Image.open(out / "labels" / f"{name}.{ending}") as image:
            assert np.array_equal(np.asarray(image), results.to_label_map())
    assert sum(results.to_label_map().any() for results in found.values()) > 0


def test_one_image_by_the_checkpoint_alone(checkpoint, three_images, found, tmp_path, capsys):
    image = three_images / "000000.png"
    words = ["--out", tmp_path / "out", "--no-images", "--format", "json", "--score-thr", 0]
    assert start(checkpoint, image, *words) == 0
    (file,) = (tmp_path / "out").glob("[!.]*")
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


def test_dark_images_are_noted_once(checkpoint, tmp_path, capsys):
    (tmp_path / "dark").mkdir()
    for name in "ab":
        pixels = np.arange(96 * 96, dtype=np.uint16).reshape(96, 96) % 4096
        Image.fromarray(pixels).save(tmp_path / "dark" / f"{name}.png")
    assert start(checkpoint, tmp_path / "dark", "--out", tmp_path / "out") == 0
    assert capsys.readouterr().err.count("note: the 16-bit images use 6.2% of their range") == 1


def test_closeups(checkpoint, three_images, found, tmp_path):
    out = tmp_path / "out"
    assert start(SMALL, checkpoint, three_images, "--out", out, "--no-images", "--closeups") == 0
    assert {path.name for path in out.glob("[!.]*")} == {f"{name}_edges.png" for name in found}
    for name, results in found.items():
        shown = Image.open(out / f"{name}_edges.png")
        num = min(3, len(results))
        assert shown.size == (num * 48 * 8 + (num - 1) * 6, 48 * 8)


def test_images_of_the_same_name_do_not_overwrite_each_other(checkpoint, three_images, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(three_images, other)
    assert start(checkpoint, three_images, other, "--out", tmp_path / "out") == 0
    assert len([*(tmp_path / "out").glob("*.jpg")]) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["FOLDER/none.png"], "none.png: there is no such file or folder"),
        (["FOLDER", "--out", "FOLDER"], "lies there; choose another folder"),
        (["FOLDER", "--no-images"], "nothing would be written"),
        (["FILM", "--format", "labelme"], "for image files, not for videos"),
        ([], "expected an image, folder or video after the model"),
        (["FOLDER", "--device", "cuda:77"], "cuda:77"),
        (["FOLDER", "--batch-size", "0"], "--batch-size 0: expected 1 or more"),
    ],
)
def test_mistakes_are_told_in_one_line(
    words, message, checkpoint, three_images, film, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in three_images.iterdir()}
    filled = [w.replace("FOLDER", str(three_images)).replace("FILM", str(film)) for w in words]
    if "--device" not in filled:
        filled += ["--device", "cpu"]
    assert main(["predict", str(checkpoint), *filled]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert {path: path.read_bytes() for path in three_images.iterdir()} == before


@pytest.mark.long
def test_as_a_process(checkpoint, three_images, tmp_path):
    words = ["predict", checkpoint, three_images, "--out", tmp_path / "out"]
    done = run("-m", "condinst", *words)
    assert "in 3 images" in done.out
    assert len(done.out.splitlines()) == 2
    assert done.out.startswith(f"model  {checkpoint}\n")
    assert done.err == ""
    assert len([*(tmp_path / "out").glob("[!.]*")]) == 3
    done = run("-m", "condinst", "predict", checkpoint, "none.png", code=1)
    assert done.err == "error: none.png: there is no such file or folder\n"


def test_images_of_one_name_in_two_folders_are_told_apart_in_the_dataset(
    checkpoint, three_images, tmp_path
):
    for name in ("left", "right"):
        shutil.copytree(three_images, tmp_path / "data" / name)
    out = tmp_path / "out"
    sources = [tmp_path / "data" / name for name in ("left", "right")]
    assert start(checkpoint, *sources, "--out", out, "--no-images", "--format", "coco", "png") == 0
    content = json.loads((out / "annotations.json").read_text())
    assert {image["file_name"] for image in content["images"]} == {
        f"{side}/00000{i}.png" for side in ("left", "right") for i in range(3)
    }
    assert len([*out.glob("*_instances.png")]) == 6


def test_images_from_the_web(checkpoint, three_images, found, tmp_path, capsys):
    with WeightServer((three_images / "000000.png").read_bytes()) as server:
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
        assert start(checkpoint, urls[0], three_images, "--out", out, "--skip-broken") == 0
        assert "in 3 images, 1 skipped" in capsys.readouterr().out
        assert start(checkpoint, server.url("film.mp4"), "--out", out) == 1
        assert "only images are read from the web" in capsys.readouterr().err
