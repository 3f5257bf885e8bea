"""What predict writes for labeling programs, read back by `condinst new`'s readers."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from three_instances import SIZE, make_results

from condinst.cli.annotation_output import AnnotationOutput
from condinst.cli.predict_output import ImageOutput
from condinst.dataset_converters import import_data
from condinst.masks.crop import Crop
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.results.results import Results

KINDS = ["labelme", "cvat", "labelstudio", "yolo"]


def write(folder: Path, kinds: list[str], images: dict[str, dict]) -> Path:
    """Write images and their results; return the output folder."""
    out = folder / "out"
    no_drawing = dict(draw=False, boxes=False, closeups=False)
    with ImageOutput(out, kinds, ("cat", "dog"), **no_drawing) as output:
        for name, fields in images.items():
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", SIZE[::-1], (0, len(list(path.parent.iterdir())), 200)).save(path)
            output.write(make_results(path=path, **fields)[0])
    return out


def read(source: Path, into: Path, fmt: str | None = None) -> dict[str, list]:
    """Return name -> (class, mask) of each object, as `condinst new` converts them."""
    imported = import_data(source, into, val_fraction=0.5, fmt=fmt)
    found: dict[str, list] = {}
    for split in (imported.train, imported.val):
        content = json.loads(Path(split.ann_file).read_text())
        names = {c["id"]: c["name"] for c in content["categories"]}
        images = {image["id"]: image for image in content["images"]}
        for image in images.values():
            found[Path(image["file_name"]).name] = []
        for entry in content["annotations"]:
            image, shape = images[entry["image_id"]], entry["segmentation"]
            if isinstance(shape, list):
                shape = polygons_to_rle(shape, image["height"], image["width"])
            mask = coco_mask.decode(shape).astype(bool)
            found[Path(image["file_name"]).name].append((names[entry["category_id"]], mask))
    return found


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_hole_and_two_parts_are_read_back(tmp_path, kind):
    out = write(tmp_path, [kind], {"a.png": {}, "empty.png": dict(num=0)})
    if kind in ("cvat", "labelstudio"):  # the files name the images, which lie elsewhere
        source = tmp_path / "images"
        name = "annotations.xml" if kind == "cvat" else "labelstudio.json"
        (source / name).write_bytes((out / name).read_bytes())
    else:
        source = out / "yolo" if kind == "yolo" else tmp_path
    fmt = {"labelstudio": "label-studio"}.get(kind, kind)
    found = read(source, tmp_path / "new", fmt)
    assert found["empty.png"] == []
    _, masks = make_results()
    assert [name for name, _ in found["a.png"]] == ["dog", "cat", "dog"]
    for (_, mask), expected in zip(found["a.png"], masks, strict=True):
        assert np.array_equal(mask, expected)  # corners of whole pixels: nothing is lost


def blobs(size: tuple[int, int], num: int) -> list[np.ndarray]:
    """Draw wavy blobs from 4 to 60 pixels across, every third with a hole, every fourth cut."""
    rng = np.random.default_rng(5)
    ys, xs = np.mgrid[: size[0], : size[1]] + 0.5
    masks = []
    for number in range(num):
        radius = float(np.geomspace(2, 30, num)[number])
        x, y = rng.uniform(0, size[1]), rng.uniform(0, size[0])
        angle, distance = np.arctan2(ys - y, xs - x), np.hypot(ys - y, xs - x)
        wave = 1 + 0.25 * np.sin(rng.integers(2, 6) * angle + rng.uniform(0, 6))
        mask = distance < radius * wave
        if number % 3 == 0:
            mask &= distance > 0.4 * radius
        if number % 4 == 0:
            mask &= np.abs(xs - x) > 0.1 * radius
        masks.append(mask)
    return masks


@pytest.mark.parametrize("kind", KINDS)
def test_wavy_objects_keep_their_masks(tmp_path, kind):
    size, names = (301, 407), ('a & <b> "c"', "größe")  # percent and fractions are not exact
    masks = [mask for mask in blobs(size, 40) if mask.any()]
    results = Results(
        image_size=size,
        boxes=np.zeros((len(masks), 4)),
        scores=np.linspace(1, 0.5, len(masks)),
        labels=np.arange(len(masks)) % 2,
        crops=[Crop.of(mask) for mask in masks],
        class_names=names,
        path=tmp_path / "in" / "a b%ü.png",
    )
    (tmp_path / "in").mkdir()
    Image.new("RGB", size[::-1]).save(results.path)
    Image.new("RGB", (50, 50)).save(tmp_path / "in" / "other.png")
    output = AnnotationOutput(tmp_path, [kind], names)
    output.write(results, "a b%ü")
    nothing = results[:0]
    nothing.path = str(tmp_path / "in" / "other.png")
    nothing.image_size = (50, 50)
    output.write(nothing, "other")
    output.finish()
    for file in ("annotations.xml", "labelstudio.json", "a b%ü.json", "other.json"):
        if (tmp_path / file).is_file():
            (tmp_path / file).rename(tmp_path / "in" / file)
    found = read(tmp_path / ("yolo" if kind == "yolo" else "in"), tmp_path / "new")
    objects = found["a b%ü.png"]
    assert found["other.png"] == []
    assert [name for name, _ in objects] == results.names.tolist()
    for (_, mask), expected in zip(objects, masks, strict=True):
        assert iou(mask, expected) >= 0.98


def test_label_studio_finds_images_and_controls(tmp_path):
    out = write(tmp_path, ["labelstudio"], {"a b.png": {}})
    (task,) = json.loads((out / "labelstudio.json").read_text())
    path, _, query = task["data"]["image"].partition("?d=")
    assert path == "/data/local-files/"
    assert Path("/", urllib.parse.unquote(query)) == tmp_path / "images" / "a b.png"
    config = ElementTree.parse(out / "labelstudio_config.xml").getroot()
    controls = {c.get("name"): c.tag for c in config if c.get("toName") == "image"}
    (prediction,) = task["predictions"]
    for region in prediction["result"]:
        control = controls[region["from_name"]]
        assert control.lower() == region["type"]
        labels = [label.get("value") for label in config.find(control)]
        assert set(region["value"][region["type"]]) <= set(labels)
    kinds = [region["type"] for region in prediction["result"]]
    assert kinds == ["brushlabels", "brushlabels", "polygonlabels"]  # a hole, two parts, neither
    assert [r["score"] for r in prediction["result"]] == pytest.approx([0.9, 0.5, 0.25])


def test_cvat_shapes(tmp_path):
    out = write(tmp_path, ["cvat"], {"a.png": {}, "b.png": dict(num=1)})
    root = ElementTree.parse(out / "annotations.xml").getroot()
    labels = [label.findtext("name") for label in root.iter("label")]
    assert labels == [label["name"] for label in json.loads((out / "cvat_labels.json").read_text())]
    first, second = root.iter("image")
    assert (first.get("name"), first.get("width"), first.get("height")) == ("a.png", "80", "60")
    assert [shape.tag for shape in second] == ["mask"]
    mask, *polygons = first
    assert mask.get("label") == "dog"
    # 10 rows of 30 pixels: 3 full, then 3 with 10 pixels of hole after 10, then 4 full
    assert mask.get("rle") == "0, 100, 10, 20, 10, 20, 10, 130"
    assert [mask.get(key) for key in ("left", "top", "width", "height")] == ["10", "5", "30", "10"]
    parts = [p for p in polygons if p.get("label") == "cat"]
    assert len({p.get("group_id") for p in parts}) == 1
    assert len(parts) == 2
    assert [p.get("group_id") for p in polygons if p.get("label") == "dog"] == [None]


def test_yolo_copies_images(tmp_path):
    out = write(tmp_path, ["yolo"], {"a.png": {}, "b.png": dict(num=0)}) / "yolo"
    for name in ("a", "b"):
        copied = out / "images" / "train" / f"{name}.png"
        assert copied.read_bytes() == (tmp_path / "images" / f"{name}.png").read_bytes()
    rows = (out / "labels" / "train" / "a.txt").read_text().splitlines()
    assert [row.split()[0] for row in rows] == ["1", "0", "1"]
    assert rows[2].split()[1:3] == ["0.3750000", "0.6666667"]  # x 30 of 80, y 40 of 60
    assert (out / "labels" / "train" / "b.txt").read_text() == ""
    assert (out / "classes.txt").read_text() == "cat\ndog\n"


@pytest.mark.parametrize("kind", ["cvat", "labelstudio", "yolo"])
def test_names_that_a_format_cannot_hold(tmp_path, kind):
    with pytest.raises(ValueError, match=r"--format .*class name 'a\\nb'"):
        AnnotationOutput(tmp_path, [kind], ("a\nb",))


def test_a_mask_without_pixels_is_its_box(tmp_path):
    results, _ = make_results(path="x.png")
    results.crops[2] = Crop.of(np.zeros(SIZE, bool))
    output = AnnotationOutput(tmp_path, ["cvat"], ("cat", "dog"))
    output.write(results, "x")
    output.finish()
    shapes = ElementTree.parse(tmp_path / "annotations.xml").getroot().find("image")
    expected = "30.00,40.00;50.00,40.00;50.00,60.00;30.00,60.00"  # within the image's 60 rows
    assert shapes[-1].get("points") == expected


def test_an_image_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fails(*args):
        raise OSError("disk full")

    out = tmp_path / "out"
    path = tmp_path / "a.png"
    Image.new("RGB", SIZE[::-1]).save(path)
    no_drawing = dict(draw=False, boxes=False, closeups=False)
    with ImageOutput(out, KINDS, ("cat", "dog"), **no_drawing) as output:
        output.write(make_results(path=path)[0])
        monkeypatch.setattr(output, "write_data", fails)
        with pytest.raises(OSError, match="disk full"):
            output.write(make_results(path=path)[0])
    assert sorted(p.name for p in out.rglob("a*") if p.is_file()) == [
        "a.json",
        "a.png",
        "a.txt",
        "annotations.xml",
    ]
    assert len(json.loads((out / "labelstudio.json").read_text())) == 1
