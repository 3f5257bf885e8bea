"""Results: choosing, RLE, COCO's, labelme's and supervision's forms."""

import json
import subprocess
import sys

import numpy as np
import pandas
import pytest
import supervision
from pycocotools import mask as coco_mask
from three_instances import SIZE, make_results

from condinst.masks.crop import Crop
from condinst.results.formats import coco_category_ids
from condinst.results.results import Instance, Results

COCO_80_IDS = {0: 1, 11: 13, 79: 90}  # person, stop sign, toothbrush


def test_masks_names_and_types():
    results, masks = make_results()
    assert np.array_equal(results.masks, masks)
    assert results.masks.dtype == bool
    assert results.names.tolist() == ["dog", "cat", "dog"]
    assert results.areas.tolist() == [270, 200, 400]
    assert results.crops[0].mask.shape == (10, 30)
    assert (results.crops[0].x, results.crops[0].y) == (10, 5)
    types = results.boxes.dtype, results.scores.dtype, results.labels.dtype
    assert types == (np.float32, np.float32, np.int64)
    assert repr(results) == "Results(image, 80 x 60: 2 dog, 1 cat)"


def test_choosing():
    results, masks = make_results(path="a.png")
    assert len(results) == 3
    good = results[results.scores > 0.3]
    assert good.scores.tolist() == pytest.approx([0.9, 0.5])
    assert np.array_equal(good.masks, masks[:2])
    assert good.path == "a.png"
    assert results[-1].labels.tolist() == [1]
    assert results[[2, 0]].names.tolist() == ["dog", "dog"]
    assert len(results[5:]) == 0
    assert [one.names.tolist() for one in results] == [["dog"], ["cat"], ["dog"]]
    with pytest.raises(IndexError):
        results[3]


def test_label_map_has_the_higher_score_on_top():
    results, masks = make_results()
    covered = masks.any(axis=0)
    expected = np.where(covered, masks.argmax(axis=0) + 1, 0)  # best first
    assert np.array_equal(results.to_label_map(), expected)
    assert results.to_label_map().dtype == np.uint16
    turned = results[[2, 0, 1]]  # numbers are the places in the results, whatever the order
    assert np.array_equal(turned.to_label_map(), np.array([0, 2, 3, 1])[expected])
    assert not results[:0].to_label_map().any()


def test_nothing_found():
    results, _ = make_results(num=0)
    assert results.masks.shape == (0, *SIZE)
    assert results.rles == results.polygons == results.to_coco() == results.names.tolist() == []
    assert (results.names == "dog").dtype == bool
    assert len(results["dog"]) == len(results[results.names == "dog"]) == 0
    assert results.to_labelme()["shapes"] == []
    assert repr(results) == "Results(image, 80 x 60: nothing)"
    assert len(results[results.scores > 0.3]) == 0
    image = np.full((*SIZE, 3), 90, np.uint8)
    assert np.array_equal(results.draw(image, enlarge=False), image)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(scores=[0.9]), "expected equal numbers of boxes, .*'scores': 1"),
        (dict(labels=[0, 1, 2]), r"labels: expected 0 to 1, got \[0, 1, 2\]"),
        (dict(image_size=(59, 80)), r"crop of 20 x 20 pixels at \(30, 40\): .* of 80 x 59"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_results(**fields)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_rles_are_those_of_pycocotools(density):
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(1, 30, 2)
        mask = rng.random((height, width)) < density
        results = one(mask)
        expected = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert results.rles == [{**expected, "counts": expected["counts"].decode()}]


def test_rles_of_long_runs():
    mask = np.zeros((3000, 2500), bool)
    mask[:, 1300:] = True  # 3.9 million pixels, then 3.6 million to the end
    mask[7, 3] = True
    expected = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert one(mask).rles[0]["counts"] == expected["counts"].decode()


def one(mask):
    """Results of a single mask."""
    return Results(
        image_size=mask.shape,
        boxes=[[0, 0, 1, 1]],
        scores=[1],
        labels=[0],
        crops=[Crop.of(mask)],
        class_names=("a",),
    )


def test_coco():
    results, masks = make_results()
    found = results.to_coco(image_id=42)
    json.dumps(found)
    assert [d["image_id"] for d in found] == [42] * 3
    assert [d["category_id"] for d in found] == [2, 1, 2]
    assert found[2]["bbox"] == [30, 40, 20, 20.5]
    decoded = coco_mask.decode([d["segmentation"] for d in found]).transpose(2, 0, 1)
    assert np.array_equal(decoded, masks)
    assert [d["category_id"] for d in results.to_coco(category_ids=[7, 9])] == [9, 7, 9]
    with pytest.raises(ValueError, match="expected one for each of the 2 classes, got 1"):
        results.to_coco(category_ids=[7])


def test_cocos_own_ids():
    names = ("person", *(f"name {i}" for i in range(78)), "toothbrush")
    for label, category in COCO_80_IDS.items():
        results, _ = make_results(num=1, labels=[label], class_names=names)
        assert results.to_coco()[0]["category_id"] == category


def test_cocos_own_ids_are_those_of_the_annotations(datasets):
    file = datasets / "coco_tiny" / "annotations" / "instances_val2017.json"
    categories = json.loads(file.read_text())["categories"]
    results, _ = make_results(num=1, labels=[0], class_names=[c["name"] for c in categories])
    assert len(categories) == 80
    assert coco_category_ids(results.class_names) == [c["id"] for c in categories]


def test_labelme():
    results, masks = make_results(path="somewhere/a.png")
    content = json.loads(json.dumps(results.to_labelme(tolerance=0)))
    assert content["imagePath"] == "a.png"
    assert (content["imageHeight"], content["imageWidth"]) == SIZE
    shapes = content["shapes"]
    assert [shape["label"] for shape in shapes] == ["dog", "cat", "cat", "dog"]
    assert [shape["group_id"] for shape in shapes] == [None, 1, 1, None]
    for numbers, mask in (([0], masks[0]), ([1, 2], masks[1]), ([3], masks[2])):
        drawn = [fill(shapes[i]["points"]) for i in numbers]
        assert np.array_equal(np.any(drawn, axis=0), mask)
    empty, _ = make_results(num=1, crops=[Crop.of(np.zeros(SIZE, bool))])
    shape = empty.to_labelme()["shapes"][0]
    assert (shape["shape_type"], shape["points"]) == ("rectangle", [[10, 5], [40, 15]])


def fill(points):
    rles = coco_mask.frPyObjects([np.ravel(points).tolist()], *SIZE)
    return coco_mask.decode(rles)[:, :, 0].astype(bool)


def test_json():
    results, masks = make_results(path="a.png")
    content = json.loads(results.to_json())
    assert (content["path"], content["height"], content["width"]) == ("a.png", 60, 80)
    second = content["instances"][1]
    assert (second["label"], second["name"], second["score"]) == (0, "cat", 0.5)
    assert second["box"] == [0, 20, 80, 30]
    assert np.array_equal(coco_mask.decode(second["mask"]), masks[1])


def test_a_single_instance_has_its_values_under_their_names():
    results, masks = make_results()
    one = results[1]
    assert isinstance(one, Instance)
    assert isinstance(one, Results)
    assert (one.name, one.label, one.score, one.area) == ("cat", 0, 0.5, 200)
    assert one.box.tolist() == [0, 20, 80, 30]
    assert np.array_equal(one.mask, masks[1])
    assert np.array_equal(coco_mask.decode(one.rle), masks[1])
    assert len(one.polygon) == 2
    assert repr(one) == "Instance(cat 0.50, box 0, 20, 80, 30, 200 pixels)"
    assert one.to_json() == results[1:2].to_json()
    assert type(one[:]) is Results


def test_merging():
    results, masks = make_results(path="a.png")
    assert Results.merge([results[1:], results[:1]]) == results
    other, _ = make_results(num=1, class_names=("bird", "cat"), path="b.png", scores=[0.6])
    merged = Results.merge([results, other])
    assert merged.class_names == ("cat", "dog", "bird")
    assert merged.names.tolist() == ["dog", "cat", "cat", "dog"]
    assert merged.scores.tolist() == pytest.approx([0.9, 0.6, 0.5, 0.25])
    assert np.array_equal(merged.masks, masks[[0, 0, 1, 2]])
    assert merged.path is None
    nothing = Results.merge([results[:0], results[:0]])
    assert len(nothing) == 0
    with pytest.raises(ValueError, match="merge: expected results of one image, .* of none"):
        Results.merge([])
    wide, _ = make_results(num=0, image_size=(60, 90))
    with pytest.raises(ValueError, match="got image sizes 80 x 60, 90 x 60"):
        Results.merge([results, wide])


def test_a_table():
    results, _ = make_results()
    table = results.to_dataframe()
    assert table.columns.tolist() == ["name", "label", "score", "x1", "y1", "x2", "y2", "area"]
    assert table["name"].tolist() == ["dog", "cat", "dog"]
    assert table.iloc[2, 3:].tolist() == [30, 40, 50, 60.5, 400]
    assert table.groupby("name")["area"].sum().to_dict() == {"cat": 200, "dog": 670}
    assert len(results[:0].to_dataframe()) == 0


@pytest.mark.parametrize("convert", [np.asarray, pandas.DataFrame])
def test_several_arrays_are_not_one(convert):
    results, _ = make_results()
    with pytest.raises(TypeError, match=r"results\.to_dataframe\(\) or .*to_dict"):
        convert(results)
    assert len(pandas.DataFrame(results.to_dict()["instances"])) == 3


def test_supervision():
    results, masks = make_results()
    found = results.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert np.array_equal(found.xyxy, results.boxes)
    assert np.array_equal(found.mask, masks)
    assert found.confidence.tolist() == results.scores.tolist()
    assert found.class_id.tolist() == [1, 0, 1]
    assert found["class_name"].tolist() == ["dog", "cat", "dog"]
    nothing, _ = make_results(num=0)
    assert len(nothing.to_supervision()) == 0


WITHOUT_THE_TRAINING_SIDE = """
import sys

for name in ("torch", "cv2", "mmcv", "mmengine", "mmdet", "pycocotools", "supervision", "pandas"):
    sys.modules[name] = None  # importing it fails
import numpy as np
from condinst import Results
from condinst.masks.crop import Crop

results = Results(
    image_size=(50, 60),
    boxes=[[5, 6, 30, 40]],
    scores=[0.9],
    labels=[0],
    crops=[Crop(np.ones((34, 25), bool), 5, 6)],
    class_names=("cat",),
    image=np.zeros((50, 60, 3), np.uint8),
)
results.save(sys.argv[1])
assert Results.from_json(results.to_json()) == results
assert results._repr_html_() and results["cat"] == results
assert results.to_coco() and results.to_labelme() and results.to_json() and results.polygons
for convert in (results.to_supervision, results.to_dataframe):
    try:
        convert()
    except ImportError as error:
        print(error)
"""


def test_numpy_and_pillow_are_enough(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_TRAINING_SIDE, tmp_path / "a.png"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        'to_supervision() needs supervision: pip install "condinst[track]"',
        "to_dataframe() needs pandas: pip install pandas",
    ]
    assert (tmp_path / "a.png").is_file()


def test_arguments_of_other_types():
    results, _ = make_results()
    for parts, name in ((3, "parts=3"), (results, "parts=Results"), ([results, None], "parts.1.=")):
        with pytest.raises(TypeError, match=rf"^{name}.*: expected .*Results of "):
            Results.merge(parts)
    for ids in (3, "b", [1.5, 2]):
        with pytest.raises(
            ValueError, match=r"^category_ids=.*: expected one for each of the 2 cl"
        ):
            results.to_coco(category_ids=ids)
    with pytest.raises(TypeError, match=r"^text=3: expected the text of to_json\(\)$"):
        Results.from_json(3)
