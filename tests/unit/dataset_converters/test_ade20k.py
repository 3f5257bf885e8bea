"""Test the reader of ADE20K's full annotations, and of its maps of classes and instances."""

import json

import numpy as np
import pytest
from PIL import Image

from condinst.dataset_converters import import_data

CLASSES = {"wall": 2978, "cat": 401}  # number = red // 10 * 256 + green
NAMES = ("ADE_train_1", "ADE_train_2")
H, W = 30, 40


def areas():
    """Return three areas: a wall and two cats."""
    found = [np.zeros((H, W), bool) for _ in range(3)]
    found[0][:8] = found[1][12:20, 4:14] = found[2][12:20, 24:34] = True
    return found


def write(folder, names_file):
    for number, name in enumerate(NAMES):
        Image.new("RGB", (W, H), (number * 90, 5, 5)).save(folder / f"{name}.jpg")
        pixels = np.zeros((H, W, 3), np.uint8)
        for area, label, blue in zip(areas(), ("wall", "cat", "cat"), (9, 30, 255), strict=True):
            pixels[area] = (CLASSES[label] // 256 * 10, CLASSES[label] % 256, blue)
        Image.fromarray(pixels).save(folder / f"{name}_seg.png")
        Image.fromarray(pixels * 0).save(folder / f"{name}_parts_1.png")
        names_file(folder / name)


def json_of(base):
    entries = [{"id": i, "name": n, "name_ndx": v} for i, (n, v) in enumerate(CLASSES.items())]
    data = {"annotation": {"filename": base.name, "imsize": [H, W, 3], "object": entries}}
    base.with_suffix(".json").write_text(json.dumps(data))


def text_of(base):
    rows = ["wall", "cat", "cat"]
    lines = [f'{i:03d} # 0 # 0 # {n} # {n} # ""' for i, n in enumerate(rows, 1)]
    (base.parent / f"{base.name}_atr.txt").write_text(
        "\n".join([*lines, '001 # 1 # 0 # x # x # ""'])
    )


@pytest.mark.parametrize("names_file", [json_of, text_of])
def test_instances_and_names(tmp_path, all_objects, names_file):
    write(tmp_path, names_file)
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.format, imported.classes) == ("ade20k", ("cat", "wall"))
    for name in NAMES:
        found = {(n, mask.tobytes()) for n, _, mask in all_objects(imported)[f"{name}.jpg"]}
        labels = ("wall", "cat", "cat")
        assert found == {(n, a.tobytes()) for n, a in zip(labels, areas(), strict=True)}


def test_a_class_that_the_json_lacks(tmp_path, note):
    def without_cat(base):
        json_of(base)
        path = base.with_suffix(".json")
        path.write_text(path.read_text().replace("401", "7"))

    write(tmp_path, without_cat)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("class_401", "wall")
    assert note(imported, "class 401, which has no name")


def test_a_row_that_is_none(tmp_path):
    write(tmp_path, lambda base: (base.parent / f"{base.name}_atr.txt").write_text("1 # x\n"))
    with pytest.raises(ValueError, match=r"_atr.txt: line 1: expected instance # part level"):
        import_data(tmp_path, tmp_path / "out")


def maps(folder, sub, pixels):
    for number, name in enumerate(NAMES):
        for place in ("images", sub):
            (folder / place / "training").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (W, H), (number * 90, 5, 5)).save(folder / f"images/training/{name}.jpg")
        Image.fromarray(pixels).save(folder / f"{sub}/training/{name}.png")


def test_red_is_the_class_and_green_the_number(tmp_path, all_objects, note):
    wall, first, second = areas()
    pixels = np.zeros((H, W, 3), np.uint8)
    pixels[wall], pixels[first], pixels[second] = (1, 1, 0), (5, 1, 0), (5, 2, 0)
    maps(tmp_path, "annotations_instance", pixels)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("class_1", "class_5")
    assert note(imported, "red is the class")
    for found in all_objects(imported).values():
        assert sorted((n, int(m.sum())) for n, _, m in found) == [
            ("class_1", 320),
            ("class_5", 80),
            ("class_5", 80),
        ]


def test_classes_of_all_pixels(tmp_path, all_objects):
    wall, first, second = areas()
    pixels = np.full((H, W), 3, np.uint8)
    pixels[wall], pixels[first], pixels[second] = 1, 5, 5
    maps(tmp_path, "annotations", pixels)
    with pytest.raises(ValueError, match=r"If each pixel has a class.*--masks classes"):
        import_data(tmp_path, tmp_path / "out")
    rows = ("1\t0\t1\t1\t1\twall", "3\t0\t1\t1\t1\tfloor, flooring", "5\t0\t1\t1\t0\tcat")
    table = "\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *rows])
    (tmp_path / "objectInfo150.txt").write_text(table)
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("wall", "floor, flooring", "cat")
    for found in all_objects(imported).values():
        assert sorted(n for n, *_ in found) == ["cat", "cat", "floor, flooring", "wall"]
