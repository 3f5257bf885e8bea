"""Test that `new` opens a json twice, reads it once, and refuses NaN."""

import json
import math
import sys

import pytest
from tiny_data import write_part

from condinst.datasets.coco import coco_file, json_stream
from condinst.new import create

OPENED: list[str] = []
sys.addaudithook(lambda event, args: OPENED.append(str(args[0])) if event == "open" else None)


@pytest.fixture
def folder(tmp_path):
    for name in ("train", "val"):
        images = [[("cat", 20), ("dog", 12)] for _ in range(3)]
        write_part(tmp_path / "data", name, images, ["cat", "dog"])
    return tmp_path / "data"


@pytest.mark.parametrize("of_file", [False, True])
def test_a_json_is_read_once(folder, tmp_path, monkeypatch, of_file):
    """The data have a split, or are one file that has to be split."""
    parsed = []
    real = json_stream.open_json
    for module in (json_stream, coco_file):
        monkeypatch.setattr(module, "open_json", lambda path: (parsed.append(path), real(path))[1])
    train = folder / "annotations" / "instances_train.json"
    OPENED.clear()
    create("x", train if of_file else folder, out=tmp_path / "out", device="cpu")
    assert OPENED.count(str(train)) == 2
    assert len(parsed) == len(set(parsed))
    assert str(train) in parsed


@pytest.mark.parametrize("of_file", [False, True])
@pytest.mark.parametrize("key", ["bbox", "area", "segmentation"])
def test_a_nan_does_not_pass(folder, tmp_path, key, of_file):
    train = folder / "annotations" / "instances_train.json"
    data = json.loads(train.read_text())
    values = dict(bbox=[1, 1, math.nan, 5], area=math.nan, segmentation=[[1, 1, 9, 1, 9, math.nan]])
    data["annotations"][0][key] = values[key]
    train.write_text(json.dumps(data))
    made = create("x", train if of_file else folder, out=tmp_path / "out", device="cpu")
    assert any("fixed" in note and note.endswith(": 1 (id 1)") for note in made.notes)
    written = [
        json.loads((tmp_path / "out" / "annotations" / f"instances_{n}.json").read_text())
        for n in ("train", "val")
        if (tmp_path / "out" / "annotations" / f"instances_{n}.json").exists()
    ]
    found = [entry for part in written for entry in part["annotations"]]
    crowds = [entry["id"] for entry in found if entry["iscrowd"]]
    assert crowds == ([1] if key == "segmentation" else [])
    assert "NaN" not in json.dumps(written)
