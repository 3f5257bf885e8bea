"""Results read back from JSON, and files that hold something else."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from three_instances import SIZE, make_results

from condinst.images.limit import VARIABLE
from condinst.results.results import Results


def test_reading_back_what_was_written():
    results, masks = make_results(path="a.png", class_names=("cat", "dog", "star"))
    read = Results.from_json(results.to_json())
    assert read == results
    assert read.class_names == ("cat", "dog", "star")
    assert np.array_equal(read.masks, masks)
    assert read.scores.dtype == np.float32
    assert Results.from_json(results.to_json(indent=1).encode()) == results
    nothing = Results.from_dict(results[:0].to_dict())
    assert len(nothing) == len(nothing["star"]) == 0
    assert nothing.boxes.shape == (0, 4)


def test_without_class_names_those_of_the_instances_are_known():
    results, _ = make_results(labels=[3, 0, 3], class_names=("cat", "cow", "hen", "dog", "star"))
    content = results.to_dict()
    del content["class_names"]  # as in a line of predictions.jsonl
    read = Results.from_dict(content)
    assert read == results
    assert read.class_names == ("cat", "class 1", "class 2", "dog")
    assert Results.from_dict(content, results.class_names).class_names == results.class_names
    with pytest.raises(ValueError, match=r"instances\[0\]: label 3 is named 'dog'"):
        Results.from_dict(content, ("a", "b"))


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_masks_are_those_that_pycocotools_decodes(density):
    rng = np.random.default_rng(0)
    for _ in range(100):
        height, width = (int(side) for side in rng.integers(1, 30, 2))
        mask = rng.random((height, width)) < density
        rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
        rle["counts"] = rle["counts"].decode()
        row = dict(label=0, name="a", score=1, box=[0, 0, 1, 1], mask=rle)
        read = Results.from_dict(dict(path=None, height=height, width=width, instances=[row]))
        assert np.array_equal(read.masks[0], mask)
        crop = read.crops[0].mask
        assert not crop.size or (
            crop.any(axis=1)[[0, -1]].all() and crop.any(axis=0)[[0, -1]].all()
        )


def test_a_run_over_several_columns_and_runs_of_no_length():
    counts = [70, 60, 0, 10, 0, 0, 4660]  # 70 pixels from place 70 on: columns 1 and 2
    row = dict(label=0, name="a", score=1, box=[0, 0, 1, 1], mask=dict(size=SIZE, counts=counts))
    read = Results.from_dict(dict(height=60, width=80, instances=[row]))
    expected = np.zeros(4800, bool)
    expected[70:140] = True
    assert np.array_equal(read.masks[0], expected.reshape(80, 60).T)


def change(**fields):
    """The content of one instance, with changed fields; a field with a dot is the instance's."""
    content = make_results(num=1)[0].to_dict()
    for name, value in fields.items():
        place = content["instances"][0] if name.startswith("i_") else content
        place[name.removeprefix("i_")] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "results: expected the text of to_json"),
        (b"\xff\xfe\xfd", "results: expected the text of to_json"),
        ("[" * 100_000, "results: expected the text of to_json"),
        ("[]", "results: expected an object, got list"),
        ("{}", "results: height: expected a number of pixels, got None"),
        (change(height=0), "height: expected a number of pixels, got 0"),
        (change(width=True), "width: expected a number of pixels, got True"),
        (change(width=10**9), "results: the image has 1000000000 x 60"),
        (change(path=3), "path: expected text or null, got 3"),
        (change(instances={}), "instances: expected a list"),
        (change(instances=[3]), r"instances\[0\]: expected an object"),
        (change(class_names="cat"), "class_names: expected a list of names"),
        (change(class_names=["cat"]), r"instances\[0\]: label 1 is named 'dog'"),
        (change(i_label=-1), r"instances\[0\].label: expected a number from 0"),
        (change(i_label=10**9), r"instances\[0\].label: expected a number from 0"),
        (change(i_name=None), r"instances\[0\].name: expected text"),
        (change(i_score=1.5), r"instances\[0\].score: expected a number from 0 to 1, got 1.5"),
        (change(i_score=float("nan")), r"instances\[0\].score: .* got nan"),
        (change(i_score="high"), r"instances\[0\].score: .* got 'high'"),
        (change(i_box=[1, 2, 3]), r"instances\[0\].box: expected \[x1, y1, x2, y2\]"),
        (change(i_box=[1, 2, 3, 10**400]), r"instances\[0\].box: expected"),
        (change(i_box=[1, 2, 3, float("inf")]), r"instances\[0\].box: expected"),
        (change(i_mask=None), r"instances\[0\].mask: expected an RLE, got None"),
        (change(i_mask={}), r"instances\[0\].mask: its RLE needs the keys"),
        (change(i_mask=dict(size=[60, 80], counts="zz")), r"instances\[0\].mask: its "),
        (change(i_mask=dict(size=[6, 8], counts=[48])), r"instances\[0\].mask: its RLE is of size"),
        (change(i_mask=dict(size=[60, 80], counts=[1])), r"instances\[0\].mask: its RLE counts"),
    ],
)
def test_what_is_no_results(text, message):
    with pytest.raises(ValueError, match=message):
        Results.from_json(text)


def test_a_small_text_of_many_large_masks_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(60 * 80))
    content = json.loads(change(i_mask=dict(size=[60, 80], counts=[0, 4800])))
    content["instances"] *= 4
    assert len(Results.from_dict(content)) == 4
    content["instances"] *= 2
    with pytest.raises(ValueError, match="the masks have more than 19,200 pixels"):
        Results.from_dict(content)
