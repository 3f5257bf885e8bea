"""Test the reader of labelme's files."""

import base64
import contextlib
import io
import json
import math
import os

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from condinst.dataset_converters import import_data
from condinst.masks.crop import Crop
from condinst.results.results import Results


def _shape(points, label="cat", kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None} | more


def _png(mask):
    data = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture
def labeled(tmp_path, draw, write_json):
    """Return labeled(name, shapes), which writes an image of 40 x 30 and its file."""

    def write(name, shapes, **more):
        draw(tmp_path / f"{name}.png", value=len(list(tmp_path.rglob("*.png"))))
        data = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"{name.split('/')[-1]}.png",
            "imageData": None,
            "imageHeight": 30,
            "imageWidth": 40,
        }
        return write_json(tmp_path / f"{name}.json", data | more)

    return write


def _one(labeled, tmp_path, all_objects, shapes):
    """Return the objects of an image with these shapes, in a folder with another image."""
    labeled("a", shapes)
    labeled("b", [_shape([[1, 1], [5, 1], [5, 5]])])
    return all_objects(import_data(tmp_path, tmp_path / "out"))["a.png"]


def test_polygon_and_rectangle(labeled, tmp_path, all_objects):
    shapes = [
        _shape([[10, 6], [30, 6], [30, 18.5], [10, 18.5]], "dog"),
        _shape([[20, 25], [5, 20]], kind="rectangle"),
    ]
    polygon, box = _one(labeled, tmp_path, all_objects, shapes)
    assert polygon[0] == "dog"
    assert polygon[1]["bbox"] == [10, 6, 20, 12.5]
    assert polygon[1]["segmentation"] == [[10, 6, 30, 6, 30, 18.5, 10, 18.5]]
    assert box[1]["bbox"] == [5, 20, 15, 5]
    assert box[1]["area"] == box[2].sum() == 75


def test_circle(labeled, tmp_path, all_objects):
    shapes = [_shape([[20, 15], [20, 25]], kind="circle")]
    ((_, annotation, mask),) = _one(labeled, tmp_path, all_objects, shapes)
    y, x = np.mgrid[:30, :40] + 0.5
    exact = np.hypot(x - 20, y - 15) <= 10
    assert (mask != exact).sum() < 0.03 * math.pi * 100
    np.testing.assert_allclose(annotation["bbox"], [10, 5, 20, 20], atol=0.1)


def test_mask_keeps_its_hole_and_place(labeled, tmp_path, all_objects):
    small = np.ones((6, 8), bool)
    small[2:4, 3:5] = False
    shapes = [_shape([[11, 7], [18, 12]], kind="mask", mask=_png(small))]
    ((_, annotation, mask),) = _one(labeled, tmp_path, all_objects, shapes)
    expected = np.zeros((30, 40), bool)
    expected[7:13, 11:19] = small
    np.testing.assert_array_equal(mask, expected)
    assert annotation["area"] == 44


def test_groups_are_one_instance_each(labeled, tmp_path, all_objects):
    def square(x, y):
        return [[x, y], [x + 4, y], [x + 4, y + 4], [x, y + 4]]

    shapes = [
        _shape(square(0, 0), group_id=1),
        _shape(square(20, 20), group_id=1),
        _shape(square(10, 10), "dog", group_id=1),
        _shape(square(30, 0), group_id=2),
        _shape([[32, 2], [35, 5]], kind="mask", mask=_png(np.ones((4, 4))), group_id=2),
        _shape(square(0, 20)),
        _shape(square(6, 20)),
    ]
    found = _one(labeled, tmp_path, all_objects, shapes)
    assert [(name, int(mask.sum())) for name, _, mask in found] == [
        ("cat", 32),
        ("dog", 16),
        ("cat", 16 + 16 - 4),
        ("cat", 16),
        ("cat", 16),
    ]


def test_round_trip_of_our_own_labelme_files(datasets, tmp_path, all_objects, iou):
    source = json.loads((datasets / "coco_tiny/annotations/instances_val2017.json").read_text())
    names = {category["id"]: category["name"] for category in source["categories"]}
    expected = {}
    for image in source["images"][:12]:
        kept = [
            a for a in source["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]
        ]
        kept = [a for a in kept if a["area"] > 400]
        if not kept:
            continue
        size = (image["height"], image["width"])
        rles = [coco_mask.merge(coco_mask.frPyObjects(a["segmentation"], *size)) for a in kept]
        img_path = tmp_path / image["file_name"]
        img_path.write_bytes((datasets / "coco_tiny/val2017" / image["file_name"]).read_bytes())
        results = Results(
            boxes=np.array([[0, 0, 1, 1]] * len(kept), np.float32),
            scores=np.ones(len(kept), np.float32),
            labels=np.arange(len(kept)),
            crops=[Crop.of(coco_mask.decode(rle)) for rle in rles],
            class_names=tuple(names[a["category_id"]] for a in kept),
            image_size=size,
            path=str(img_path),
        )
        img_path.with_suffix(".json").write_text(json.dumps(results.to_labelme(tolerance=0)))
        expected[image["file_name"]] = (results.names, coco_mask.decode(rles))
    found = all_objects(import_data(tmp_path, tmp_path / "out"))
    assert len(expected) > 8
    for name, (labels, masks) in expected.items():
        assert [label for label, *_ in found[name]] == list(labels)
        for index, (_, _, mask) in enumerate(found[name]):
            assert iou(mask, masks[:, :, index].astype(bool)) > 0.97


def test_folders_of_parts(labeled, tmp_path):
    for name in ("train/a", "train/b", "valid/c", "test/d"):
        labeled(name, [_shape([[1, 1], [9, 1], [9, 9]])])
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.seed is None
    assert [s.num_images for s in (imported.train, imported.val, imported.test)] == [2, 1, 1]
    assert imported.val.img_dir == tmp_path / "valid"


def test_classes_are_sorted(labeled, tmp_path):
    labeled("a", [_shape([[1, 1], [9, 1], [9, 9]], name) for name in ("dog", "ant", "cat")])
    labeled("b", [])
    assert import_data(tmp_path, tmp_path / "out").classes == ("ant", "cat", "dog")


def test_what_is_left_out_is_counted(labeled, tmp_path, draw, all_objects, note):
    good = _shape([[1, 1], [9, 1], [9, 9]])
    labeled(
        "a",
        [
            _shape([[1, 1], [9, 9]], kind="line"),
            _shape([[1, 1], [9, 9]]),
            _shape([[5.1, 5.1], [5.2, 5.1], [5.2, 5.2]]),
            good,
        ],
    )
    labeled("b", [])
    labeled("lost", [good])
    (tmp_path / "lost.png").unlink()
    draw(tmp_path / "new.png", value=99)
    imported = import_data(tmp_path, tmp_path / "out")
    found = all_objects(imported)
    assert len(found["a.png"]) == 1
    assert found["b.png"] == []
    assert set(found) == {"a.png", "b.png"}
    assert "1 (a.json, shape 0)" in note(imported, "(line)")
    assert "1 (a.json, shape 1)" in note(imported, "fewer than three")
    assert "1 (a.json, shape 2)" in note(imported, "no pixel")
    assert "1 (b.png)" in note(imported, "negatives")
    assert "1 (lost.json)" in note(imported, "labelme files without an image")
    assert "1 (new.png)" in note(imported, "without a labelme file")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"points": [[1, 1]]}, r"a.json: shapes\[0\]: .*needs the key label"),
        (_shape([[1, 1], ["x", 2], [3, 3]]), r"a.json: shapes\[0\]"),
        (_shape([[1, 1]], kind="rectangle"), r"a.json: shapes\[0\]"),
        (_shape([[1, 1], [2, 2]], kind="mask", mask="&"), r"a.json: shapes\[0\]"),
        (
            _shape([[38, 1], [45, 9]], kind="mask", mask=_png(np.ones((8, 8)))),
            r"a.json: shapes\[0\].*8 x 8 at 38, 1 leaves the image of 40 x 30",
        ),
    ],
)
def test_broken_shapes_are_named(labeled, tmp_path, shape, message):
    labeled("a", [shape])
    with pytest.raises(ValueError, match=message):
        import_data(tmp_path, tmp_path / "out")


def test_another_size_than_stated_is_an_error(labeled, tmp_path):
    labeled("a", [], imageWidth=80)
    with pytest.raises(ValueError, match=r"a.png: the image is 40 x 30 .* say 80 x 30"):
        import_data(tmp_path, tmp_path / "out")


def test_broken_json_is_named(labeled, tmp_path):
    path = labeled("a", [])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match=r"a.json: not JSON"):
        import_data(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["", '{"shapes": [{"label": "a", ', '{"shapes": null}', "{}", "[]"]
)
def test_a_damaged_file_beside_its_image_is_refused(tmp_path, draw, write_json, text):
    for name in ("a", "b"):
        draw(tmp_path / f"data/{name}.png")
        shapes = [{"label": "x", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}]
        write_json(tmp_path / f"data/{name}.json", {"shapes": shapes, "imagePath": f"{name}.png"})
    (tmp_path / "data/b.json").write_text(text)
    with pytest.raises(ValueError, match=r"data/b\.json"):
        import_data(tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize("name", ["9.json", "data.yaml", "labels/a.txt"])
def test_a_pipe_is_not_waited_for(tmp_path, draw, write_json, name):
    draw(tmp_path / "data/a.png")
    shapes = [{"label": "x", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}]
    write_json(tmp_path / "data/a.json", {"shapes": shapes, "imagePath": "a.png"})
    path = tmp_path / "data" / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with contextlib.suppress(ValueError):  # told by name, or not read at all
        import_data(tmp_path / "data", tmp_path / "out")


def test_labelmes_own_labels_are_no_classes(labeled, tmp_path, all_objects, note):
    good = _shape([[1, 1], [9, 1], [9, 9]])
    ignored = {**_shape([[12, 1], [20, 1], [20, 9]]), "label": "__ignore__"}
    for name in ("a", "b"):
        labeled(name, [good, ignored, {**good, "label": "_background_"}])
    imported = import_data(tmp_path, tmp_path / "out")
    assert "__ignore__" not in imported.classes
    assert len(imported.classes) == 1
    for found in all_objects(imported).values():
        assert [annotation["iscrowd"] for _, annotation, _ in found] == [0, 1]
    assert note(imported, "Regions labeled __ignore__")


def test_rectangles_alone_are_boxes(labeled, tmp_path, note):
    for name in ("a", "b"):
        labeled(name, [_shape([[2, 3], [9, 13]], kind="rectangle")])
    imported = import_data(tmp_path, tmp_path / "out")
    assert "BoxInst" in note(imported, "All 2 objects are boxes")
    (entry,) = json.loads(imported.train.ann_file.read_text())["annotations"]
    assert (entry["bbox"], entry["area"]) == ([2, 3, 7, 10], 70)
    assert "segmentation" not in entry
    labeled("c", [_shape([[1, 1], [9, 1], [9, 9]])])
    imported = import_data(tmp_path, tmp_path / "out")
    assert note(imported, "2 objects are rectangles, 1 have other outlines")


def test_shapes_of_one_group_are_told(labeled, tmp_path, note):
    for name in ("a", "b"):
        places = ((1, 1), (12, 1), (1, 12))
        shapes = [_shape([[x, y], [x + 8, y], [x + 8, y + 8]]) for x, y in places]
        labeled(name, [{**shape, "group_id": 0} for shape in shapes])
    assert note(import_data(tmp_path, tmp_path / "out"), "6 shapes joined into 2 instances")


def test_an_image_that_only_the_json_holds(labeled, tmp_path, all_objects, note):
    for name in ("a", "b"):
        labeled(name, [_shape([[1, 1], [9, 1], [9, 9]])])
    for name in ("a", "b"):
        path, image = tmp_path / f"{name}.json", tmp_path / f"{name}.png"
        data = json.loads(path.read_text())
        data["imageData"] = base64.b64encode(image.read_bytes()).decode()
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / path.name).write_text(json.dumps(data), encoding="utf-16")
        path.unlink()
        image.unlink()
    imported = import_data(tmp_path, tmp_path / "out")
    assert [len(found) for found in all_objects(imported).values()] == [1, 1]
    written = sorted((tmp_path / "out/images").rglob("*.png"))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "images/deep/a.png",
        "images/deep/b.png",
    ]
    assert note(imported, "2 (deep/a.json, deep/b.json)")
    again = import_data(tmp_path, tmp_path / "out")
    assert again.train.num_images == imported.train.num_images


def test_an_image_of_another_case_is_named(labeled, tmp_path):
    labeled("a", [_shape([[1, 1], [9, 1], [9, 9]])])
    (tmp_path / "a.png").rename(tmp_path / "A.PNG")
    with pytest.raises(ValueError, match=r"'?a.png'? is missing, but A.PNG is there"):
        import_data(tmp_path, tmp_path / "out")


def test_a_turned_rectangle(labeled, tmp_path, all_objects):
    points = [[20, 5], [30, 15], [20, 25], [10, 15]]
    (found,) = _one(labeled, tmp_path, all_objects, [_shape(points, kind="rotation")])
    assert found[1]["segmentation"] == [[20, 5, 30, 15, 20, 25, 10, 15]]


def test_labels_that_differ_by_case_or_spaces_are_told(labeled, tmp_path, note):
    triangle = [[1, 1], [5, 1], [5, 5]]
    labeled("a", [_shape(triangle, "cat"), _shape(triangle, "Cat "), _shape(triangle, "dog")])
    labeled("b", [_shape(triangle, "cat"), _shape(triangle, "dog")])
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("Cat ", "cat", "dog")
    assert "'Cat ', 'cat' are read as different classes" in note(imported, "Warning")
