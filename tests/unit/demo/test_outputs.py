"""Drawings and downloads of the page follow its threshold and classes."""

import json
import zipfile
from io import BytesIO

import cv2
import numpy as np
import pytest
from fixed_predictor import FixedPredictor, write_image, write_video
from PIL import Image
from pycocotools import mask as coco_mask
from three_instances import SIZE, make_results

from condinst.demo.findings import find
from condinst.demo.outputs import DOWNLOADS, View, choose, draw, for_display


@pytest.fixture
def one(tmp_path):
    *_, (findings, _) = find(FixedPredictor(), [write_image(tmp_path / "a.png")], tmp_path, 9)
    return findings


@pytest.fixture
def two(tmp_path):
    files = [write_image(tmp_path / name) for name in ("a.png", "b.png")]
    *_, (findings, _) = find(FixedPredictor(), files, tmp_path, 9)
    return findings


def test_the_view_chooses_by_score_and_class():
    results, _ = make_results()  # dog 0.9, cat 0.5, dog 0.25
    assert len(choose(results, View(0.05))) == 3
    assert choose(results, View(0.5)).scores.tolist() == [np.float32(0.9), np.float32(0.5)]
    assert choose(results, View(0.51)).names.tolist() == ["dog"]
    assert choose(results, View(0.3, ("cat",))).names.tolist() == ["cat"]
    assert len(choose(results, View(0.6, ("cat",)))) == 0
    # the threshold of the page is float64, and the scores are float32
    assert len(choose(make_results(scores=[0.9, 0.7, 0.3])[0], View(0.7))) == 2


def test_drawings_show_the_chosen_instances(one):
    plain = View(0.3, boxes=False, names=False)
    drawn = draw(one.items[0], plain)
    assert drawn.shape == (*SIZE, 3)
    assert np.abs(drawn[25, 5].astype(int) - 90).max() > 20  # the cat
    assert np.abs(drawn[50, 40].astype(int) - 90).max() == 0  # the dog of 0.25
    assert draw(one.items[0], View(0.3)).shape == (SIZE[0] * 6, SIZE[1] * 6, 3)  # with names


def test_a_large_drawing_is_reduced_for_the_page():
    assert for_display(np.zeros((1000, 4096, 3), np.uint8)).shape == (500, 2048, 3)
    small = np.zeros((10, 2048, 3), np.uint8)
    assert for_display(small) is small


def test_downloads_of_one_image(one, tmp_path):
    view = View(0.3)
    paths = {what: write(one, view, tmp_path) for what, write in DOWNLOADS.items()}
    names = ["annotations.json", "a_labels.png", "a_drawn.jpg"]
    assert [path.name for path in paths.values()] == names
    content = json.loads(paths["COCO json"].read_text())
    _, masks = make_results(2)
    read = [coco_mask.decode(row["segmentation"]) for row in content["annotations"]]
    assert np.array_equal(read, masks)
    labels = np.asarray(Image.open(paths["Label map"]))
    assert np.array_equal(labels, masks[0] + 2 * masks[1])
    assert Image.open(paths["Drawn image"]).size == (SIZE[1] * 6, SIZE[0] * 6)


def test_downloads_of_two_images_are_zip_files(two, tmp_path):
    content = json.loads(DOWNLOADS["COCO json"](two, View(0.6), tmp_path).read_text())
    assert [row["image_id"] for row in content["annotations"]] == [1, 2]
    with zipfile.ZipFile(DOWNLOADS["Label map"](two, View(0.6), tmp_path)) as archive:
        assert archive.namelist() == ["a.png", "b.png"]
        labels = np.asarray(Image.open(BytesIO(archive.read("b.png"))))
    assert np.array_equal(labels, make_results()[1][0])
    with zipfile.ZipFile(DOWNLOADS["Drawn image"](two, View(0.6), tmp_path)) as archive:
        assert archive.namelist() == ["a.jpg", "b.jpg"]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".png", ".png", ".zip", ".zip"]


def test_downloads_of_a_video(tmp_path):
    film = write_video(tmp_path / "film.avi", 3)
    *_, (findings, _) = find(FixedPredictor(), [film], tmp_path, 9)
    path = DOWNLOADS["Drawn image"](findings, View(0.3, names=False), tmp_path)
    assert path.name == "film_drawn.webm"
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == 3
    with zipfile.ZipFile(DOWNLOADS["Label map"](findings, View(0.3), tmp_path)) as archive:
        assert archive.namelist() == [f"film_00000{i}.png" for i in (1, 2, 3)]
