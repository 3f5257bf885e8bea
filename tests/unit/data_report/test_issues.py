"""Test that exactly the planted issues are found, and that fixing removes them."""

import contextlib
import io
import json

import broken_data
import numpy as np
import pytest
from broken_data import CASES, sound_data, write, write_json
from pycocotools.coco import COCO

from condinst.data_report import examine, fix_files, read_source
from condinst.data_report.issue_types import KINDS
from condinst.datasets.coco.coco_file import read_coco_file


def place(examination, item):
    file = examination.source.file
    if item.annotation is not None:
        return file.ann_ids[item.annotation]
    if item.image is not None:
        return ("image", file.image_ids[item.image])
    return item.file.rpartition("/")[2] or item.detail


def named(case):
    number = [c.kind for c in CASES[: CASES.index(case)]].count(case.kind)
    return f"{case.kind}-{number}"


@pytest.fixture
def broken(request, tmp_path):
    case, data = request.param, sound_data()
    write(tmp_path / "set", data)
    case.put(data, tmp_path / "set")
    return case, write_json(tmp_path / "set", data)


@pytest.mark.parametrize("broken", CASES, indirect=True, ids=named)
def test_found_there_and_nothing_else(broken):
    case, path = broken
    (found,) = examine([read_source(str(path))])
    assert set(found.issues) == {case.kind, *case.along}
    assert [place(found, item) for item in found.issues[case.kind].items] == case.places


@pytest.mark.parametrize("broken", CASES, indirect=True, ids=named)
def test_fixed(broken, tmp_path):
    case, path = broken
    before = path.read_bytes()
    source = read_source(str(path))
    (written,) = fix_files(examine([source]), tmp_path / "out")
    assert path.read_bytes() == before
    (again,) = examine([read_source(str(written.path), source.images)])
    assert not [key for key in again.issues if KINDS[key].fix]
    assert (case.kind in again.issues) == (not KINDS[case.kind].fix)
    assert read_coco_file(str(written.path)).problems == []
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(written.path))
    for ann in coco.loadAnns(coco.getAnnIds()):
        if case.kind == "no_mask" and ann["id"] == 1:
            assert "segmentation" not in ann  # its box is an annotation of its own
        else:
            assert coco.annToMask(ann).any()
    fixed = {change.issue for change in written.changes}
    assert fixed == {case.kind} if KINDS[case.kind].fix else fixed == set()


def test_objects_without_a_mask_are_no_issue_where_training_learns_from_their_boxes(tmp_path):
    data = sound_data()
    data["annotations"][0]["segmentation"] = []
    path = str(write(tmp_path / "set", data))
    (found,) = examine([read_source(path)])
    assert set(found.issues) == {"no_mask"}
    (found,) = examine([read_source(path, allow_box_only=True)])
    assert found.issues == {}


def test_every_kind_is_tried():
    others = {"leak", "flat_image", "corner_boxes", "no_images", "no_annotations"}
    assert {case.kind for case in CASES} | others == set(KINDS)


def test_sound_data(tmp_path):
    path = write(tmp_path / "set", sound_data())
    (found,) = examine([read_source(str(path))])
    assert found.issues == {}
    assert found.looked_at == "All 3 images were read and decoded."
    (fixed,) = fix_files([found], tmp_path / "out")
    assert json.loads(fixed.path.read_text()) == sound_data()
    assert fixed.changes == []


def test_another_mask_of_the_same_extent_is_another_object(tmp_path):
    """Box, class and the number of points equal those of annotation 1."""
    data = sound_data()
    write(tmp_path / "set", data)
    other = [10, 10, 30, 10, 30, 30, 11, 29]
    for polygon in (other, broken_data.SQUARE[2:] + broken_data.SQUARE[:2], other):
        number = len(data["annotations"]) + 1
        made = broken_data.annotation(number, 1, 1, polygon, bbox=[10, 10, 20, 20], area=390)
        data["annotations"].append(made)
    (found,) = examine([read_source(str(write_json(tmp_path / "set", data)))])
    (item,) = found.issues["same_annotation"].items
    assert place(found, item) == 8


def test_an_image_of_no_size(tmp_path):
    data = sound_data()
    write(tmp_path / "set", data)
    data["images"][0]["width"] = 0
    data["annotations"] = data["annotations"][2:]
    (found,) = examine([read_source(str(write_json(tmp_path / "set", data)))])
    assert "flat_image" in found.issues
    (fixed,) = fix_files([found], tmp_path / "out")
    assert json.loads(fixed.path.read_text())["images"][0]["width"] == broken_data.WIDTH


def test_an_image_of_both_sets(tmp_path):
    """The image has another name and another format in the second dataset."""
    train, val = sound_data(), sound_data()
    for image in val["images"]:
        image |= {"id": image["id"] + 10, "file_name": f"{image['id'] + 10}.png"}
    for ann in val["annotations"]:
        ann["image_id"] += 10
    paths = [write(tmp_path / "train", train), write(tmp_path / "val", val)]
    kept = broken_data.Image.open(tmp_path / "train" / "images" / "2.png")
    kept.save(tmp_path / "val" / "images" / "13.png", compress_level=1)
    sources = [read_source(str(path), name=path.parent.name) for path in paths]
    found = examine(sources)
    assert [list(e.issues) for e in found] == [["leak"], []]
    (item,) = found[0].issues["leak"].items
    assert (found[0].source.file.image_ids[item.image], item.detail) == (2, "in val as 13.png")
    fixed = fix_files(found, tmp_path / "out")
    assert [r.path.name for r in fixed] == ["train.json", "val.json"]
    left = json.loads(fixed[0].path.read_text())
    assert [image["id"] for image in left["images"]] == [1, 3]
    assert [ann["id"] for ann in left["annotations"]] == [1, 2, 5]
    assert json.loads(fixed[1].path.read_text()) == val


def test_sound_annotations(datasets):
    """COCO's category ids have gaps."""
    tiny = datasets / "coco_tiny" / "annotations"
    for name in ("train", "val"):
        (found,) = examine([read_source(str(tiny / f"instances_{name}2017.json"))])
        assert list(found.issues) == ["category_gaps"]
        assert found.looked_at == "All 80 images were read and decoded."


def test_boxes_written_as_corners_are_rewritten(tmp_path):
    data = sound_data()
    for ann in data["annotations"]:
        x, y, width, height = ann["bbox"]
        ann["bbox"] = [x, y, x + width, y + height]
    write(tmp_path / "set", sound_data())
    source = read_source(str(write_json(tmp_path / "set", data)))
    examinations = examine([source])
    assert "corner_boxes" in examinations[0].issues
    (fixed,) = fix_files(examinations, tmp_path / "out")
    written = json.loads(fixed.path.read_text())["annotations"]
    boxes = [ann["bbox"] for ann in sound_data()["annotations"]]
    assert [ann["bbox"] for ann in written] == boxes
    assert read_coco_file(str(fixed.path)).problems == []


def test_an_outline_of_points_in_a_random_order_is_measured_in_bounds(tmp_path):
    """An outline of 100,000 points with 10^9 crossings gets the area of its pixels."""
    points = np.random.default_rng(0).random((100_000, 2)) * (60, 44)
    data = sound_data()
    data["annotations"][0]["segmentation"] = [points.ravel().tolist()]
    write(tmp_path / "set", sound_data())
    source = read_source(str(write_json(tmp_path / "set", data)))
    examinations = examine([source])
    assert [crossing.annotation for crossing in examinations[0].masks.crossings] == [0]
    (fixed,) = fix_files(examinations, tmp_path / "out")
    found = json.loads(fixed.path.read_text())["annotations"][0]
    assert found["segmentation"]["size"] == [broken_data.HEIGHT, broken_data.WIDTH]
    assert read_coco_file(str(fixed.path)).problems == []


@pytest.mark.parametrize(
    ("emptied", "kind"), [("images", "no_images"), ("annotations", "no_annotations")]
)
def test_an_empty_list_is_an_error_that_stays(tmp_path, emptied, kind):
    data = dict(
        images=[dict(id=1, file_name="a.png", height=9, width=9)],
        annotations=[],
        categories=[dict(id=1, name="a")],
    )
    data[emptied] = []
    # two folders deep: images are also looked for above a file, where other tests have theirs
    path = tmp_path / "set" / "annotations" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(data))
    (found,) = examine([read_source(str(path))])
    assert KINDS[kind].status == "error"
    assert kind in found.issues
    assert len(found.issues[kind].items) == 1
    (fixed,) = fix_files([found], tmp_path / "out")
    (again,) = examine([read_source(str(fixed.path), str(tmp_path))])
    assert kind in again.issues
