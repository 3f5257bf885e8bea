"""Compare fixed annotations with shapely, pycocotools and calculations by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from broken_data import LOOP, SQUARE, annotation, rle, sound_data, write, write_json
from PIL import Image
from pycocotools import mask as coco_mask

from condinst.data_report import examine, fix_files, read_source


def fixed(folder, data):
    """Return the fixed annotations by id, and the whole file."""
    path = folder / "set" / "ann.json"
    path.parent.mkdir(exist_ok=True)
    if not (path.parent / "images").exists():
        write(folder / "set", sound_data())
    write_json(folder / "set", data)
    (result,) = fix_files(examine([read_source(str(path))]), folder / "out")
    written = json.loads(result.path.read_text())
    return {ann["id"]: ann for ann in written["annotations"]}, written


def changed(number, **changes):
    data = sound_data()
    data["annotations"][number - 1] |= changes
    return data


@pytest.mark.parametrize("number", [1, 3])
def test_a_box_is_made_from_polygons_or_pixels(tmp_path, number):
    annotations, _ = fixed(tmp_path, changed(number, bbox=[0, 0, 0, 5]))
    assert annotations[number]["bbox"] == [10, 10, 20, 20]


def test_a_box_ends_where_the_image_does(tmp_path):
    polygon = [-5, 10, 15, 10, 15, 30, -5, 30]
    data = changed(1, segmentation=[polygon], bbox=[-5, 10, 20, 20])
    annotations, _ = fixed(tmp_path, data)
    assert annotations[1]["bbox"] == [0, 10, 15, 20]
    assert annotations[1]["segmentation"] == [polygon]


def test_an_area_is_that_of_the_pixels(tmp_path):
    annotations, _ = fixed(tmp_path, changed(1, area=0))
    assert annotations[1]["area"] == 400
    assert annotations[5]["extra"] == "kept"


def test_a_filled_outline_has_the_area_inside_it(tmp_path):
    """The loop encloses 12 px twice, which the even-odd rule makes a hole."""
    data = changed(1, segmentation=[LOOP], bbox=[0, 0, 10, 10], area=80)
    annotations, _ = fixed(tmp_path, data)
    polygons = [shapely.Polygon(np.reshape(p, (-1, 2))) for p in annotations[1]["segmentation"]]
    assert all(polygon.is_valid for polygon in polygons)
    assert shapely.union_all(polygons).area == pytest.approx(92)
    assert annotations[1]["area"] == 92


def test_a_hole_that_stays_becomes_an_rle(tmp_path):
    """A frame around an empty middle, whose ends cross: filled, all but the middle."""
    frame = [0, 0, 30, 0, 30, 30, 0, 30, 0, -4, 10, -4, 10, 20, 20, 20, 20, 10, 8, 10, 8, 0]
    shape = shapely.make_valid(
        shapely.Polygon(np.reshape(frame, (-1, 2))), method="structure", keep_collapsed=False
    )
    inside = sum(
        shape.contains(shapely.Point(x + 0.5, y + 0.5)) for x in range(64) for y in range(48)
    )
    data = changed(1, segmentation=[frame], bbox=[0, 0, 30, 30], area=inside)
    annotations, _ = fixed(tmp_path, data)
    mask = annotations[1]["segmentation"]
    assert coco_mask.area(dict(mask, counts=mask["counts"].encode())) == inside


@pytest.mark.parametrize(
    ("box", "pixels"),
    [([10.5, 10.5, 70, 19], [10, 10, 54, 20]), ([10.5, 10.5, 19, 70], [10, 10, 20, 38])],
    ids=["beyond the right edge", "beyond the lower edge"],
)
def test_an_object_without_a_mask_becomes_a_crowd_region(tmp_path, box, pixels):
    """Of the pixels that its box touches in an image of 64 x 48."""
    data = changed(1, segmentation=[[10, 10, 30, 30]], bbox=box)
    annotations, _ = fixed(tmp_path, data)
    crowd = annotations[1]
    assert (crowd["iscrowd"], crowd["bbox"], crowd["area"]) == (1, pixels, pixels[2] * pixels[3])
    rle = coco_mask.merge(coco_mask.frPyObjects(crowd["segmentation"], 48, 64))
    assert coco_mask.toBbox(rle).tolist() == crowd["bbox"]


def test_without_a_mask_and_a_box_nothing_is_left(tmp_path):
    annotations, _ = fixed(tmp_path, changed(1, segmentation=[], bbox=[100, 10, 20, 20]))
    assert sorted(annotations) == [2, 3, 4, 5]


def test_only_the_useless_polygon_is_dropped(tmp_path):
    """The points of the dropped polygon were part of the box."""
    data = changed(1, segmentation=[SQUARE, [10, 10, 40, 40, 45, 45]], bbox=[10, 10, 35, 35])
    annotations, _ = fixed(tmp_path, data)
    assert annotations[1]["segmentation"] == [SQUARE]
    assert annotations[1]["bbox"] == [10, 10, 20, 20]


def test_boxes_without_masks_stay_boxes(tmp_path):
    """Boxes without masks, as for BoxInst, stay without masks."""
    data = sound_data()
    for ann in data["annotations"]:
        del ann["segmentation"]
    data["annotations"][0]["bbox"] = [50, 10, 20, 20]
    data["annotations"][1]["bbox"] = [50, 10, 0, 20]
    data["annotations"][2]["area"] = None
    annotations, _ = fixed(tmp_path, data)
    assert sorted(annotations) == [1, 3, 4, 5]
    assert (annotations[1]["bbox"], annotations[1]["area"]) == ([50, 10, 14, 20], 280)
    assert annotations[3]["area"] == 400


def test_images_of_one_file_are_joined(tmp_path):
    data = sound_data()
    data["images"].append(data["images"][0] | {"id": 4})
    data["annotations"] += [
        annotation(6, 4, 1, [2, 2, 8, 2, 8, 8, 2, 8]),
        annotation(7, 4, 1, SQUARE),
    ]
    annotations, written = fixed(tmp_path, data)
    assert [image["id"] for image in written["images"]] == [1, 2, 3]
    # number 7 is number 1 again, once they are in one image
    assert {i: ann["image_id"] for i, ann in annotations.items()} == {
        1: 1,
        2: 1,
        3: 2,
        4: 2,
        5: 3,
        6: 1,
    }


def test_names_and_ids_that_are_there_twice(tmp_path):
    data = sound_data()
    data["categories"].append({"id": 9, "name": "cat"})
    data["annotations"][0]["category_id"] = 9
    data["annotations"][2]["id"] = 2
    annotations, written = fixed(tmp_path, data)
    assert written["categories"] == sound_data()["categories"]
    assert annotations[1]["category_id"] == 1
    assert sorted(annotations) == [1, 2, 4, 5, 6]
    assert annotations[6]["image_id"] == 2


def test_the_size_of_an_image_is_known_from_its_rles(tmp_path):
    """RLEs state their image's size; polygons may come from the image before a resize."""
    data = sound_data()
    for number in (0, 1):
        data["images"][number] |= {"width": 128, "height": 96}
    annotations, written = fixed(tmp_path, data)
    assert [(i["id"], i["width"], i["height"]) for i in written["images"]] == [
        (2, 64, 48),
        (3, 64, 48),
    ]
    assert sorted(annotations) == [3, 4, 5]
    assert annotations[3]["segmentation"] == rle(10, 10, 20, 20)
    assert annotations[3]["iscrowd"] == 0


def test_every_fix_is_listed(tmp_path):
    data = changed(1, area=0)
    (tmp_path / "x").mkdir()
    fixed(tmp_path, data)
    with open(tmp_path / "out" / "fixes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "dataset": "ann",
            "issue": "area_zero",
            "action": "area made from the mask",
            "annotation": "1",
            "image": "1",
            "file": "1.png",
        }
    ]


def test_no_file_is_overwritten(tmp_path):
    folder = tmp_path / "annotations"
    path = write(folder, sound_data())
    before = path.read_bytes()
    found = examine([read_source(str(path))])
    with pytest.raises(ValueError, match=r"ann\.json exists and is the file to fix itself"):
        fix_files(found, tmp_path)
    fix_files(found, tmp_path / "out")
    with pytest.raises(ValueError, match=r"ann\.json exists; choose a new folder"):
        fix_files(found, tmp_path / "out")
    assert path.read_bytes() == before


def test_files_of_one_name_are_named_by_their_set(tmp_path):
    sources = [
        read_source(str(write(tmp_path / name, sound_data())), name=name) for name in ("a", "b")
    ]
    for n in (1, 2, 3):  # the images of b are others
        shown = Image.fromarray(np.full((48, 64, 3), 50 * n, np.uint8))
        shown.save(tmp_path / "b" / "images" / f"{n}.png")
    written = fix_files(examine(sources), tmp_path / "out")
    assert [r.path.name for r in written] == ["a.json", "b.json"]


def test_a_folder_that_cannot_be_made(tmp_path):
    found = examine([read_source(str(write(tmp_path / "set", sound_data())))])
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"ann\.json: cannot be written"):
        fix_files(found, tmp_path / "out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    found = examine([read_source(str(write(tmp_path / "set", sound_data())))])
    folder = tmp_path / "out" / "annotations"
    folder.mkdir(parents=True)
    plain = Path.write_bytes

    def write_to_full(path, data):
        return plain(Path("/dev/full") if path.name.startswith("ann.json") else path, data)

    monkeypatch.setattr(Path, "write_bytes", write_to_full)
    with pytest.raises(OSError, match=r"ann\.json: cannot be written: No space left"):
        fix_files(found, tmp_path / "out")
    assert list(folder.iterdir()) == []


def test_a_file_of_lvis_keeps_its_keys(tmp_path):
    """LVIS has coco_url in place of file_name, no iscrowd, and its own keys."""
    data = sound_data()
    for image in data["images"]:
        image["coco_url"] = f"http://images.example/{image.pop('file_name')}"
        image |= {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
    for category in data["categories"]:
        category["frequency"] = "f"
    for entry in data["annotations"]:
        entry.pop("iscrowd", None)
    names = [image["coco_url"].rpartition("/")[2] for image in data["images"]]
    data["annotations"][0]["area"] = None
    annotations, written = fixed(tmp_path, data)
    assert annotations[1]["area"] > 0
    assert {entry["iscrowd"] for entry in written["annotations"]} == {0}
    assert [image["file_name"].rpartition("/")[2] for image in written["images"]] == names
    assert all(image["neg_category_ids"] == [1] for image in written["images"])
    assert all(category["frequency"] == "f" for category in written["categories"])
