"""Test that the facts on a dataset are those it was made with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_data import write_part

from condinst.new.facts import collect_facts, describe, notes_on

CLASSES = ["cat", "dog", "hat"]
TRAIN = [[("cat", 10), ("cat", 20)], [("dog", 30)], [], [("cat", 40), ("dog", 4), ("cat", 25)]]
VAL = [[("cat", 10)] * 5]


@pytest.fixture
def splits(tmp_path):
    return write_part(tmp_path, "train", TRAIN, CLASSES), write_part(tmp_path, "val", VAL, CLASSES)


def test_counts_and_sizes(splits):
    facts = collect_facts(*splits)
    assert facts.classes == ("cat", "dog")
    assert facts.unused == ("hat",)
    assert (facts.num_train, facts.num_val) == (4, 1)
    assert (facts.num_objects, facts.num_negatives) == (6, 1)
    assert facts.images_per_class == (2, 2)
    assert facts.object_sizes == pytest.approx(
        np.quantile([10, 20, 30, 40, 4, 25], [0.1, 0.5, 0.9])
    )
    assert (facts.size, facts.largest, facts.smallest_side) == ((64, 48), (64, 48), 48)
    assert facts.aspect == pytest.approx(64 / 48)
    assert (facts.busiest, facts.busiest_file) == (5, "0.png")
    assert facts.masks == (True, True)
    assert "classes without objects, left out: hat" in notes_on(facts)
    said = dict(describe(facts))
    assert said["images"] == "4 to train on, 1 to validate on"
    assert said["without objects"] == "1 training images"


def test_crowds_and_empty_boxes_are_no_objects(splits):
    path = splits[0].ann_file
    data = json.loads(path.read_text())
    data["annotations"][0]["iscrowd"] = 1
    data["annotations"][1]["bbox"][2] = 0
    path.write_text(json.dumps(data))
    facts = collect_facts(*splits)
    assert facts.num_objects == 4
    assert facts.num_negatives == 2


def test_boxes_alone(tmp_path):
    train = write_part(tmp_path, "train", TRAIN, CLASSES, masks=False)
    facts = collect_facts(train, write_part(tmp_path, "val", VAL, CLASSES))
    assert facts.masks == (False, True)


def test_masks_for_a_part_of_the_objects(splits):
    """Of the training objects 5 of 6 lose their masks, one of them a crowd; of the others one."""
    for part, empty in zip(splits, ((None, [], [[]], [], []), ([],)), strict=True):
        data = json.loads(part.ann_file.read_text())
        for annotation, mask in zip(data["annotations"], empty, strict=False):
            annotation["segmentation"] = mask
        data["annotations"][0]["iscrowd"] = int(part is splits[0])
        part.ann_file.write_text(json.dumps(data))
    facts = collect_facts(*splits)
    assert facts.masks == (True, True)
    assert facts.box_only == (4, 1)
    assert facts.mixed == (True, True)
    notes = notes_on(facts)
    assert any(note.startswith("4 of 5 training objects have a box and no mask") for note in notes)
    assert any(note.startswith("1 validation objects have a box") for note in notes)
    assert "4 of 5 training objects have only a box" in dict(describe(facts))["masks"]


@pytest.mark.parametrize("photographs", [True, False])
def test_whether_objects_grow_with_their_image(tmp_path, photographs):
    sizes = [(50, 50), (100, 100), (200, 200), (400, 400)]
    sides = [10, 21, 39, 80] if photographs else [20, 21, 19, 20]
    train = write_part(tmp_path, "train", [[("cat", side)] for side in sides], ["cat"], sizes=sizes)
    val = write_part(tmp_path, "val", [[("cat", 9)]], ["cat"])
    assert collect_facts(train, val).grows is photographs


def test_a_class_that_only_validation_has(tmp_path):
    train = write_part(tmp_path, "train", [[("cat", 9)]], CLASSES)
    facts = collect_facts(train, write_part(tmp_path, "val", [[("dog", 9)]], CLASSES))
    assert facts.classes == ("cat", "dog")
    assert "classes in no training image, which cannot be learned: dog" in notes_on(facts)


def test_other_categories_in_validation(tmp_path):
    train = write_part(tmp_path, "train", TRAIN, CLASSES)
    val = write_part(tmp_path, "val", [[("cow", 9)]], ["cow"])
    with pytest.raises(ValueError, match=r"instances_val\.json: its categories are cow, those of"):
        collect_facts(train, val)


def test_nothing_to_learn(tmp_path):
    train = write_part(tmp_path, "train", [[], []], CLASSES)
    val = write_part(tmp_path, "val", VAL, CLASSES)
    with pytest.raises(
        ValueError,
        match=r"instances_train\.json: expected objects to learn .*: its 2 images have no",
    ):
        collect_facts(train, val)
    with pytest.raises(
        ValueError, match=r"instances_train\.json: expected objects to measure .*, found none"
    ):
        collect_facts(val, train)


def test_a_broken_file_and_a_missing_image(splits):
    (splits[0].img_dir / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.png: image not found"):
        collect_facts(*splits)
    splits[0].ann_file.write_text("{")
    with pytest.raises(ValueError, match=r"instances_train\.json: not JSON"):
        collect_facts(*splits)


def test_repeated_ids_are_told(splits):
    path = splits[0].ann_file
    data = json.loads(path.read_text())
    data["annotations"][1]["id"] = 1
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="ids used more than once: 1"):
        collect_facts(*splits)
