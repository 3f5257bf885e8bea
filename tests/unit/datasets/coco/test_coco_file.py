"""Test what the reader of COCO files refuses, fixes and returns."""

import copy
import json
import math
import re

import numpy as np
import pytest
from small_coco import SQUARE, changed, coco, read

from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.coco_file import parse_coco, read_coco_file
from condinst.datasets.coco.json_stream import load_json

BIG = 10**400


def test_a_sound_file(tmp_path):
    data = coco()
    data["annotations"][1]["segmentation"] = {"size": [40, 60], "counts": [100, 50, 2250]}
    data["annotations"][2] |= {"segmentation": [SQUARE[0], [1, 2, 3, 4]], "iscrowd": 1}
    data["annotations"][3]["segmentation"] = []
    file = read(tmp_path, data, keep_extras=True)
    assert file.problems == file.fixes == file.issues == []
    assert file.categories == [(5, "cat")]
    assert file.image_ids == [1, 2]
    assert file.sizes.tolist() == [[40, 60], [40, 60]]
    assert file.image_index.tolist() == [0, 1, 0, 1, 0]
    assert file.category_index.tolist() == [0] * 5
    assert file.boxes.tolist() == [[10, 10, 20, 20]] * 5
    assert file.crowd.tolist() == [False, False, True, False, False]
    kinds = [Segmentation.POLYGONS, Segmentation.UNCOMPRESSED_RLE, Segmentation.SOME_DEGENERATE]
    assert file.segmentations.tolist() == [*kinds, Segmentation.NONE, Segmentation.POLYGONS]
    assert [list(map(len, file.polygons(i))) for i in range(5)] == [[8], [], [8, 4], [], [8]]
    assert [a.tolist() for a in file.annotations_of_image] == [[0, 2, 4], [1, 3]]
    del data["annotations"][3]["segmentation"]
    assert file.to_coco() == data
    assert read(tmp_path, data).to_coco()["images"] == data["images"]  # with their other keys
    assert "score" not in read(tmp_path, data).annotation(0)


def test_a_dict_in_memory_is_the_same(tmp_path):
    data = coco()
    before = copy.deepcopy(data)
    found = parse_coco("a.json", data, keep_extras=True)
    assert data == before
    assert found.to_coco() == read(tmp_path, data, keep_extras=True).to_coco() == data


@pytest.mark.parametrize(
    ("height", "got"),
    [
        (math.nan, "got nan"),
        (None, "got None"),
        ([40], r"got \[40\]"),
        (40.5, "got 40.5"),
        (True, "got True"),
        pytest.param(BIG, "got a whole number of 1329 bits", id="huge"),
        (10**9, "got 1000000000"),
        (-40, "got -40"),
        ("", "got "),
    ],
)
def test_an_unusable_height_is_a_problem_of_the_file(tmp_path, height, got):
    file = read(tmp_path, changed("images", 1, height=height))
    assert file.sizes.tolist() == [[40, 60], [0, 0]]
    (problem,) = [p for p in file.problems if "usable height and width" in p]
    assert re.search(f"id 2: height {got}", problem)


def test_sizes_from_elsewhere_are_used(tmp_path):
    path = tmp_path / "a.json"
    data = changed("images", 1, height=None)
    del data["images"][1]["width"]
    path.write_text(json.dumps(data))
    assert "id 2: height got None and width missing" in read_coco_file(str(path)).problems[0]
    file = read_coco_file(str(path), sizes={1: (40, 60)})
    assert file.sizes.tolist() == [[40, 60], [40, 60]]
    assert file.images[1] | {"height": 40, "width": 60} == file.images[1]
    assert not file.problems


def test_annotations_by_their_ids(tmp_path):
    """As LIVECell writes the files of one kind of cells."""
    data = coco()
    expected = read(tmp_path, data).to_coco()
    data["annotations"] = {str(entry["id"]): entry for entry in data["annotations"]}
    file = read(tmp_path, data)
    assert file.to_coco() == expected
    assert file.fixes == ["annotations are written as id: annotation, read as a list of them"]


REFUSED_FILES = {
    "too many pixels": (changed("images", 1, height=10**6, width=10**6), "at most 1073741824 pi"),
    "id a list": (changed("images", 1, id=[2]), r"images\[1\]: id: expected a whole.*got \[2\]"),
    "id true": (changed("images", 1, id=True), "id: expected a whole number or text, got True"),
    "id NaN": (changed("images", 1, id=math.nan), "id: expected a whole number or text, got nan"),
    "id 1.5": (changed("images", 1, id=1.5), "id: expected a whole number or text, got 1.5"),
    "id 2**63": (
        changed("images", 1, id=2**63),
        r"id: expected a whole number below 2\*\*63 or text, got 9223372036854775808",
    ),
    "id null": (changed("images", 1, id=None), "id: expected a whole number or text, got None"),
    "id huge": (changed("images", 1, id=BIG), "id: .*got a whole number of 1329 bits"),
    "ids of two kinds": (changed("images", 1, id="b"), "images: expected ids of one kind"),
    "name null": (changed("images", 0, file_name=None), r"images\[0\] \(id 1\): file_name.*None"),
    "name empty": (changed("images", 0, file_name=""), "file_name: .*got an empty text"),
    "name with NUL": (changed("images", 0, file_name="a\0b"), r"file_name: .*got 'a\\x00b'"),
    "name a number": (changed("images", 0, file_name=7), "file_name: .*got 7"),
    "half a character": (changed("images", 0, file_name="\ud800"), r"file_name: .*got '\\ud800'"),
    "category null": (
        changed("categories", 0, name=None),
        r"categories\[0\] \(id 5\): name: expected text, got None",
    ),
    "category id null": (changed("categories", 0, id=None), r"categories\[0\]: id: .*None"),
    "annotation id a dict": (
        changed("annotations", 3, id={"a": 1}),
        r"annotations\[3\]: id: expected a whole number or text, got {'a': 1}",
    ),
    "annotations a dict": ({**coco(), "annotations": {}}, "annotations: expected a list, got {}"),
    "annotations text": ({**coco(), "annotations": "x"}, "annotations: expected a list, got x"),
    "an annotation a number": (
        {**coco(), "annotations": [7]},
        r"annotations\[0\] needs the keys id, .*got 7",
    ),
    "an image a list": ({**coco(), "images": [[]]}, r"images\[0\] needs the keys id"),
    "images null": ({**coco(), "images": None}, "none under images"),
    "a list": ([coco()], "the top level is a list"),
    "images twice": ('{"images": [], "categories": [], "images": []}', "images is given twice"),
    "cut": (json.dumps(coco())[:-30], "not JSON: .* at line 1 column"),
    "something after it": (json.dumps(coco()) + "]", "not JSON: Extra data"),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_a_file_that_is_refused(tmp_path, name):
    data, message = REFUSED_FILES[name]
    with pytest.raises(ValueError, match=message):
        read(tmp_path, data)


REFUSED_ANNOTATIONS = {
    "image id a list": (dict(image_id=[1]), "image_id", r"a whole number or text, got \[1\]"),
    "image id true": (dict(image_id=True), "image_id", "got True"),
    "category id null": (dict(category_id=None), "category_id", "got None"),
    "category id a dict": (dict(category_id={}), "category_id", "got {}"),
    "box null": (dict(bbox=None), "bbox", r"expected 4 number\(s\), got None"),
    "box of NaN": (dict(bbox=[math.nan, 1, 1, 1]), "bbox", r"got \[nan, 1, 1, 1\]"),
    "box of infinity": (dict(bbox=[1, 1, math.inf, 1]), "bbox", "inf"),
    "box of maps": (dict(bbox=[5e5, 4e6, 30, 30]), "bbox", "at most 1048576"),
    "box huge": (dict(bbox=[BIG, 1, 1, 1]), "bbox", "expected 4"),
    "box of 3": (dict(bbox=[1, 2, 3]), "bbox", r"got \[1, 2, 3\]"),
    "box nested": (dict(bbox=[[1], 2, 3, 4]), "bbox", "expected 4"),
    "box text": (dict(bbox="1 2 3 4"), "bbox", "expected 4"),
    "box of words": (dict(bbox=["a", 2, 3, 4]), "bbox", "expected 4"),
    "box of the word nan": (dict(bbox=["nan", 2, 3, 4]), "bbox", "expected 4"),
    "area null": (dict(area=None), "area", r"expected 1 number\(s\) of pixels, got None"),
    "area NaN": (dict(area=math.nan), "area", "got nan"),
    "area huge": (dict(area=BIG), "area", "1329 bits"),
    "area 1e300": (dict(area=1e300), "area", r"1e\+300"),
    "crowd 2": (dict(iscrowd=2), "iscrowd", "expected 0 or 1, got 2"),
    "crowd a list": (dict(iscrowd=[]), "iscrowd", r"expected 0 or 1, got \[\]"),
    "crowd a word": (dict(iscrowd="no"), "iscrowd", "expected 0 or 1, got no"),
    "ignore NaN": (dict(ignore=math.nan), "ignore", "expected 0 or 1, got nan"),
    "polygon NaN": (dict(segmentation=[[1, 2, math.nan, 4, 5, 6]]), "polygon", "got nan"),
    "polygon null": (dict(segmentation=[[1, 2, None, 4, 5, 6]]), "polygon", "got None"),
    "polygon infinite": (dict(segmentation=[[1, 2, 3, 4, 5, -math.inf]]), "polygon", "got -inf"),
    "polygon 1e8": (
        dict(segmentation=[*SQUARE, [1, 2, 1e8, 4, 5, 6]]),
        "polygon",
        "polygon 1: expected pixels, at most 1048576, got 100000000.0",
    ),
    "polygon of a map": (dict(segmentation=[[5e5, 4.1e6, 5e5, 4.2e6, 6e5, 4e6]]), "polygon", "41"),
    "polygon huge": (dict(segmentation=[[1, 2, BIG, 4, 5, 6]]), "polygon", "1329 bits"),
    "polygon of words": (dict(segmentation=[["a", 2, 3, 4, 5, 6]]), "polygon", "got a"),
    "polygon of dicts": (dict(segmentation=[[{}, 2, 3, 4, 5, 6]]), "polygon", "got {}"),
    "polygon of lists": (dict(segmentation=[[1, [2], 3, 4, 5, 6]]), "polygon", r"got \[2\]"),
    "polygon text": (dict(segmentation=["1 2 3"]), "segmentation", "1 2 3"),
    "segmentation 7": (dict(segmentation=7), "segmentation", "got 7"),
    "segmentation {}": (dict(segmentation={}), "segmentation", "got {}"),
    "rle negative": (
        dict(segmentation={"size": [40, 60], "counts": [-1, 2401]}),
        "rle",
        r"cover 2400 pixels, the image has 2400 \(some counts are negative\)",
    ),
    "rle short": (
        dict(segmentation={"size": [40, 60], "counts": [100, 5]}),
        "rle",
        "cover 105 pixels, the image has 2400",
    ),
    "rle that overflows": (
        dict(segmentation={"size": [40, 60], "counts": [2**62] * 4 + [2400]}),
        "rle",
        "the image has 2400",
    ),
    "rle of halves": (dict(segmentation={"size": [40, 60], "counts": [0.5, 2399.5]}), "rle", "nei"),
    "rle of NaN": (dict(segmentation={"size": [40, 60], "counts": [math.nan]}), "rle", "neither"),
    "rle huge": (dict(segmentation={"size": [40, 60], "counts": [BIG]}), "rle", "neither"),
    "rle size text": (dict(segmentation={"size": "40", "counts": [2400]}), "rle", "of size '40'"),
    "rle size huge": (
        dict(segmentation={"size": [10**9, 10**9], "counts": "abc"}),
        "rle",
        r"of size \[1000000000, 1000000000\]",
    ),
    "rle of other letters": (
        dict(segmentation={"size": [40, 60], "counts": "zz\u00e9"}),
        "rle",
        "not compressed RLE",
    ),
    "rle of half a character": (
        dict(segmentation={"size": [40, 60], "counts": "\ud800"}),
        "rle",
        "not compressed RLE",
    ),
    "rle without counts": (dict(segmentation={"size": [40, 60]}), "rle", "needs the keys counts"),
}


@pytest.mark.parametrize("name", REFUSED_ANNOTATIONS)
def test_an_annotation_that_is_refused(tmp_path, name):
    changes, rule, message = REFUSED_ANNOTATIONS[name]
    file = read(tmp_path, changed("annotations", 3, **changes))
    [issue] = file.issues
    assert (issue.rule, issue.where, issue.index, issue.id) == (rule, "annotations", 3, 13)
    assert not issue.fixed
    with pytest.raises(ValueError, match=message):
        raise ValueError(issue.text)
    [problem] = file.problems
    assert f"id 13: {issue.text} (annotations[3])" in problem
    json.dumps(file.annotation(3), allow_nan=False)  # what can be used of it
    assert file.annotation(2) == read(tmp_path, coco()).annotation(2)


FIXED = {
    "box": (dict(bbox=["10", 10, " 20.0", 20]), "text"),
    "area": (dict(area="400"), "text"),
    "polygon": (dict(segmentation=[["10", *SQUARE[0][1:]]]), "text"),
    "pairs": (dict(segmentation=[[[10, 10], [30, 10], [30, 30], [10, 30]]]), "pairs"),
    "one list of pairs": (dict(segmentation=[[10, 10], [30, 10], [30, 30], [10, 30]]), "pairs"),
    "flat": (dict(segmentation=SQUARE[0]), "flat"),
    "crowd": (dict(iscrowd="0"), "flags"),
    "ignore": (dict(ignore="false"), "flags"),
    "image id text": (dict(image_id="2"), "id"),
    "category id text": (dict(category_id="5"), "id"),
}


@pytest.mark.parametrize("name", FIXED)
def test_an_annotation_that_is_fixed(tmp_path, name):
    changes, rule = FIXED[name]
    file = read(tmp_path, changed("annotations", 3, **changes))
    [issue] = file.issues
    assert (issue.rule, issue.index, issue.fixed) == (rule, 3, True)
    assert file.problems == []
    assert file.fixes[0].startswith("1 ")
    assert "id 13" in file.fixes[0]
    assert file.to_coco() == {**read(tmp_path, coco()).to_coco()}


def test_a_crowd_written_as_text(tmp_path):
    assert read(tmp_path, changed("annotations", 3, iscrowd="1")).crowd.tolist()[3]


def test_images_and_categories_that_are_fixed(tmp_path):
    data = coco()
    data["images"][0] |= {"height": "40", "id": 1.0}
    data["categories"][0]["name"] = 7
    file = read(tmp_path, data)
    assert file.problems == []
    assert file.sizes[0].tolist() == [40, 60]
    assert file.image_ids == [1, 2]
    assert file.categories == [(5, "7")]
    assert len(file.fixes) == 3


def test_text_ids(tmp_path):
    """The digits of an id and the number are one id, where only one of them is there."""
    data = coco()
    for image in data["images"]:
        image["id"] = str(image["id"])
    file = read(tmp_path, data)
    assert file.image_index.tolist() == [0, 1, 0, 1, 0]
    assert file.problems == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_other_encodings(tmp_path, encoding):
    data = coco()
    data["images"][0]["file_name"] = "Bäume/€.png"
    path = tmp_path / "train.json"
    path.write_bytes(json.dumps(data, ensure_ascii=False).encode(encoding))
    assert read_coco_file(str(path)).file_names[0] == "Bäume/€.png"


def test_every_entry_is_counted_and_the_first_named(tmp_path):
    data = coco()
    for annotation in data["annotations"]:
        annotation["area"] = None
    [problem] = read(tmp_path, data).problems
    assert problem.startswith("5 wrong values of area in annotations, id 10: expected 1")
    assert problem.count("expected") == 3
    assert np.isnan(read(tmp_path, data).areas).all()


def test_many_compressed_rles_are_all_looked_at(tmp_path):
    """Each of thousands, not a sample."""
    data = coco()
    sound = {"size": [40, 60], "counts": "P[2"}  # 0, 11 and 2 in base 32: 2400
    entries = [{**data["annotations"][0], "id": i, "segmentation": sound} for i in range(5000)]
    entries[4321] |= {"segmentation": {"size": [40, 60], "counts": "P[1"}}
    data["annotations"] = entries
    [issue] = read(tmp_path, data).issues
    assert (issue.index, issue.rule) == (4321, "rle")


@pytest.mark.parametrize("read_file", [read_coco_file, load_json])
@pytest.mark.parametrize(
    ("content", "reason"), [(None, "file not found"), ("{", "not JSON: "), ("", "not JSON: ")]
)
def test_the_message_names_the_file(tmp_path, read_file, content, reason):
    path = tmp_path / "val.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: {reason}") as raised:
        read_file(str(path))
    assert str(raised.value).count(str(path)) == 1
