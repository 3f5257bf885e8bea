"""The arrays of results, equality, and names that other libraries use."""

import copy
import pickle
import traceback

import numpy as np
import pytest
import torch
from three_instances import make_results
from torchvision.ops import box_convert

from condinst.masks.crop import Crop
from condinst.results.results import Results


@pytest.mark.parametrize("form", ["xyxy", "xywh", "cxcywh"])
def test_forms_of_boxes_are_those_of_torchvision(form):
    results, _ = make_results()
    expected = box_convert(torch.from_numpy(results.boxes), "xyxy", form).numpy()
    assert np.array_equal(getattr(results, form), expected)
    assert getattr(results[:0], form).shape == (0, 4)


def test_counts_begin_with_the_best():
    results, _ = make_results()
    assert list(results.counts.items()) == [("dog", 2), ("cat", 1)]
    assert results[:0].counts == {}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal(copied):
    results, _ = make_results(path="a.png")
    assert copied(results) == results
    assert copied(results) is not results


def test_what_makes_results_differ():
    results, masks = make_results()
    assert results == make_results()[0]
    assert results == make_results(class_names=("cat", "dog", "star"))[0]
    assert results == make_results(image=np.zeros((60, 80, 3), np.uint8))[0]
    moved = [Crop.of(mask) for mask in [masks[0], masks[1], masks[1]]]
    for changed in (
        dict(path="a.png"),
        dict(image_size=(61, 80)),
        dict(scores=[0.9, 0.5, 0.2]),
        dict(labels=[1, 1, 1]),
        dict(boxes=np.zeros((3, 4))),
        dict(crops=moved),
        dict(class_names=("cat", "wolf")),
    ):
        assert results != make_results(**changed)[0], changed
    assert results != results[:2]
    assert results != [results]
    assert results[0] == results[:1]


@pytest.mark.parametrize(
    ("name", "here"),
    [("conf", "scores"), ("class_id", "labels"), ("bboxes", "boxes"), ("to_df", "to_dataframe")],
)
def test_a_name_of_another_library_leads_to_ours(name, here):
    results, _ = make_results()
    with pytest.raises(AttributeError, match=f"no attribute {name!r}: see {here}"):
        getattr(results, name)
    assert hasattr(results, here)


def test_other_names_are_just_missing():
    results, _ = make_results()
    with pytest.raises(AttributeError, match="no attribute 'anything'$"):
        getattr(results, "any" + "thing")
    assert not hasattr(results, "anything")


def test_tracks_go_with_their_instances():
    results, _ = make_results(track_ids=[7, 3, 9])
    assert results[[2, 0]].track_ids.tolist() == [9, 7]
    assert results["cat"].track_ids.tolist() == [3]
    assert [row["track_id"] for row in results.to_coco()] == [7, 3, 9]
    assert [row["track_id"] for row in results.to_dict()["instances"]] == [7, 3, 9]
    assert results.to_supervision().tracker_id.tolist() == [7, 3, 9]
    read = type(results).from_json(results.to_json())
    assert read == results
    assert read.track_ids.tolist() == [7, 3, 9]
    plain, _ = make_results()
    assert plain != results
    assert "track_id" not in plain.to_dict()["instances"][0]
    with pytest.raises(ValueError, match="equal numbers of .*track_ids"):
        make_results(track_ids=[1])


@pytest.mark.parametrize("wrong", [-1, "one", 1.5, True])
def test_a_wrong_track_is_refused(wrong):
    content = make_results(track_ids=[1, 2, 3])[0].to_dict()
    content["instances"][1]["track_id"] = wrong
    with pytest.raises(ValueError, match=r"instances\[1\].track_id: expected a number"):
        Results.from_dict(content)
    del content["instances"][1]["track_id"]
    with pytest.raises(ValueError, match="track_id in all instances or in none"):
        Results.from_dict(content)


def test_a_track_has_a_number_and_a_color():
    image = np.zeros((60, 80, 3), np.uint8)
    first, second = (make_results(1, track_ids=[number])[0] for number in (1, 2))
    plain = [r.draw(image, names=False, boxes=False)[6, 12] for r in (first, second)]
    assert not np.array_equal(*plain)
    assert not np.array_equal(first.draw(image), make_results(1, labels=[1])[0].draw(image))


@pytest.mark.parametrize(
    ("name", "way"),
    [("shwo", "; did you mean show?"), ("to_cocoo", "; did you mean to_coco?"), ("qqq", "")],
)
def test_a_misspelt_name(name, way):
    with pytest.raises(AttributeError) as raised:
        getattr(make_results()[0], name)
    assert str(raised.value) == f"'Results' object has no attribute {name!r}{way}"
    shown = "".join(traceback.format_exception(raised.value))
    assert shown.lower().count("did you mean") == bool(way)  # Python adds none of its own


def test_a_tolerance_is_a_number():
    for value, kind in (("a", TypeError), (-1, ValueError)):
        with pytest.raises(kind, match=f"^tolerance={value!r}: expected a number of pixels, 0 or"):
            make_results()[0].to_polygons(value)
