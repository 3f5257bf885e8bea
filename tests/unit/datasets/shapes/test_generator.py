"""The generated dataset: pycocotools is the oracle for its annotations."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from condinst.cli import make_shapes
from condinst.cli.main import main
from condinst.datasets.shapes import generator as shapes
from condinst.datasets.shapes import scene as shapes_scene

NUM = {"train": 60, "val": 20}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "shapes"
    assert shapes.make_shapes(out, num_train=NUM["train"], num_val=NUM["val"], size=160, seed=3)
    return out


@pytest.fixture(scope="module")
def coco(folder):
    return COCO(str(folder / "annotations" / "instances_train.json"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def form(segmentation) -> str:
    if isinstance(segmentation, list):
        return "polygon"
    return "compressed" if isinstance(segmentation["counts"], str) else "uncompressed"


def holes(mask) -> int:
    """Background regions that do not reach the border, by flood fill of the padded image."""
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    return cv2.connectedComponents(outside, connectivity=4)[0] - 2


def test_images_are_where_the_json_says(folder):
    for split, count in NUM.items():
        content = json.loads((folder / "annotations" / f"instances_{split}.json").read_text())
        assert len(content["images"]) == count
        for image in content["images"]:
            pixels = cv2.imread(str(folder / split / image["file_name"]))
            assert pixels.shape == (image["height"], image["width"], 3) == (160, 160, 3)


def test_json_says_what_was_drawn(folder, coco):
    for index in range(10):
        scene = shapes_scene.draw_scene(np.random.default_rng([3, 0, index]), 160)
        image = cv2.imread(str(folder / "train" / f"{index:06d}.png"))
        assert np.array_equal(image[..., ::-1], scene.image)
        annotations = coco.imgToAnns[index + 1]
        assert [a["category_id"] - 1 for a in annotations] == scene.labels.tolist()
        for annotation, mask in zip(annotations, scene.masks, strict=True):
            assert np.array_equal(coco.annToMask(annotation).astype(bool), mask)


def test_areas_and_boxes_are_those_of_the_masks(coco):
    for annotation in coco.anns.values():
        rows, columns = np.nonzero(coco.annToMask(annotation))
        assert annotation["area"] == len(rows) >= 24
        x, y, width, height = annotation["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width - 1, y + height - 1) == (columns.max(), rows.max())
        assert annotation["iscrowd"] == 0


def test_masks_of_a_image_are_disjoint(coco):
    for image_id in coco.imgs:
        layers = [coco.annToMask(a) for a in coco.imgToAnns[image_id]]
        assert not layers or np.sum(layers, axis=0).max() == 1


def test_shapes_hide_each_other(coco):
    """A visible circle or rectangle is concave only where another shape hides it."""
    hidden = 0
    for annotation in coco.anns.values():
        mask = np.ascontiguousarray(coco.annToMask(annotation))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(hull, [cv2.convexHull(np.concatenate(contours))], 1)
        convex = annotation["category_id"] in (1, 2)
        hidden += convex and mask.sum() < 0.9 * hull.sum()
    assert hidden >= 5


def test_the_three_forms_are_mixed_and_holes_are_never_polygons(coco):
    forms = [form(a["segmentation"]) for a in coco.anns.values()]
    assert min(forms.count(f) for f in ("polygon", "compressed", "uncompressed")) >= 10
    with_holes = [a for a in coco.anns.values() if holes(coco.annToMask(a).astype(bool))]
    assert len(with_holes) >= 10
    assert "polygon" not in {form(a["segmentation"]) for a in with_holes}


def test_all_classes_sizes_and_empty_images_occur(coco):
    names = {coco.cats[a["category_id"]]["name"] for a in coco.anns.values()}
    assert names == {"circle", "rectangle", "triangle", "star", "ring"}
    areas = np.array([a["area"] for a in coco.anns.values()])
    assert (areas < 32**2).mean() > 0.1
    assert ((areas >= 32**2) & (areas < 96**2)).mean() > 0.2
    assert (areas >= 96**2).any()
    assert [i for i in coco.imgs if not coco.imgToAnns[i]] == [20, 40, 60]


def test_coverage_adds_up_to_the_area():
    # The filling takes in the border's fine pixels: about 0.1 pixel too wide on each side.
    center = np.array([20.3, 19.6])
    disk = shapes_scene._coverage([shapes_scene._on_circle(64, 1.0, 0.1)], center, 12.0, 40)
    assert disk.sum() == pytest.approx(np.pi * 12**2, rel=0.02)
    ring = [shapes_scene._on_circle(64, radius, 0.1) for radius in (1.0, 0.5)]
    ring = shapes_scene._coverage(ring, center, 12.0, 40)
    assert ring.sum() == pytest.approx(np.pi * (12**2 - 6**2), rel=0.05)
    assert ring[19, 20] == 0.0
    rows, columns = np.mgrid[:40, :40] + 0.5
    assert (disk * columns).sum() / disk.sum() == pytest.approx(20.3, abs=0.1)
    assert (disk * rows).sum() / disk.sum() == pytest.approx(19.6, abs=0.1)


def test_same_seed_same_bytes(folder, tmp_path):
    again = tmp_path / "again"
    shapes.make_shapes(again, num_train=NUM["train"], num_val=NUM["val"], size=160, seed=3)
    assert contents(again) == contents(folder)


def test_other_seed_or_split_other_images_more_images_keep_the_first(folder, tmp_path):
    shapes.make_shapes(tmp_path / "a", num_train=1, num_val=1, size=160, seed=4)
    shapes.make_shapes(tmp_path / "b", num_train=2, num_val=1, size=160, seed=3)
    first, b = (folder / "train" / "000000.png").read_bytes(), contents(tmp_path / "b")
    assert b[str(Path("train", "000000.png"))] == first
    assert b[str(Path("val", "000000.png"))] != first
    assert contents(tmp_path / "a")[str(Path("train", "000000.png"))] != first


def test_nothing_is_written_twice(tmp_path):
    out = tmp_path / "shapes"
    assert shapes.make_shapes(out, num_train=2, num_val=1, size=64)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert not shapes.make_shapes(out, num_train=2, num_val=1, size=64)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_other_parameters_replace_and_lost_files_come_back(tmp_path):
    out = tmp_path / "shapes"
    shapes.make_shapes(out, num_train=3, num_val=1, size=64)
    (out / "notes.txt").write_text("mine")
    assert shapes.make_shapes(out, num_train=2, num_val=1, size=64)
    assert sorted(p.name for p in (out / "train").iterdir()) == ["000000.png", "000001.png"]
    assert (out / "notes.txt").read_text() == "mine"
    (out / "train" / "000001.png").unlink()
    assert shapes.make_shapes(out, num_train=2, num_val=1, size=64)
    assert (out / "train" / "000001.png").is_file()


def test_an_interrupted_run_leaves_no_annotations_and_is_finished_later(tmp_path, monkeypatch):
    out = tmp_path / "shapes"
    shapes.make_shapes(out, num_train=3, num_val=1, size=64, seed=1)

    def interrupt(path, image):
        if path.name == "000002.png":
            raise KeyboardInterrupt
        write(path, image)

    write = shapes._write_image
    monkeypatch.setattr(shapes, "_write_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        shapes.make_shapes(out, num_train=3, num_val=1, size=64, seed=2)
    assert not list((out / "annotations").iterdir())
    monkeypatch.undo()
    assert shapes.make_shapes(out, num_train=3, num_val=1, size=64, seed=2)
    assert not shapes.make_shapes(out, num_train=3, num_val=1, size=64, seed=2)
    assert len(list((out / "annotations").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 63}, r"size: expected 64 to 2048 pixels, got 63"),
        ({"size": 2049}, r"size: expected 64 to 2048 pixels, got 2049"),
        ({"num_train": 0}, r"num_train: expected at least 1 image, got 0"),
        ({"num_val": -1}, r"num_val: expected at least 1 image, got -1"),
        ({"seed": -1}, r"seed: expected 0 or more, got -1"),
    ],
)
def test_bad_numbers_are_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes.make_shapes(tmp_path / "shapes", **arguments)
    assert not (tmp_path / "shapes").exists()


def test_a_folder_of_others_is_refused_and_left_alone(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mine.png").write_bytes(b"image")
    with pytest.raises(ValueError, match=r"found a folder without a readable shapes\.json"):
        shapes.make_shapes(tmp_path)
    with pytest.raises(ValueError, match="expected a folder, found a file"):
        shapes.make_shapes(tmp_path / "train" / "mine.png")
    assert contents(tmp_path) == {str(Path("train", "mine.png")): b"image"}


def test_command(tmp_path, capsys):
    out = str(tmp_path / "shapes")
    options = ["--train", "2", "--val", "1", "--size", "64", "--seed", "5"]
    for said in ("written", "already there"):
        assert main(["make-shapes", "--out", out, *options]) == 0
        assert said in capsys.readouterr().out
    make_shapes.main(["--out", out, *options])  # tools/make_shapes.py
    assert "already there" in capsys.readouterr().out
    assert main(["make-shapes", "--out", out, "--size", "9"]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.endswith("size: expected 64 to 2048 pixels, got 9")
