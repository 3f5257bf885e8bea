"""Test the reader of Cityscapes' instance ids."""

import json

import numpy as np
import pytest

from condinst.dataset_converters import import_data


def _street():
    ids = np.full((30, 40), 7, np.uint16)  # road
    ids[2:6, 2:12] = 26000
    ids[2:6, 12:20] = 26001
    ids[10:20, 2:4] = 24000
    ids[10:20, 20:30] = 24  # a group of persons
    ids[25:28, 0:9] = 29  # a group of caravans, which is none of the 8
    ids[25:28, 20:29] = 29000
    return ids


@pytest.fixture
def city(tmp_path, draw, write_png):
    """Return city(split, name, ids), which writes files in Cityscapes' folders."""

    def write(split, name, ids):
        town, base = name.split("_")[0], f"{split}/{name.split('_')[0]}/{name}"
        assert town
        draw(tmp_path / f"leftImg8bit/{base}_leftImg8bit.png", value=sum(map(ord, name)) % 256)
        write_png(tmp_path / f"gtFine/{base}_gtFine_instanceIds.png", ids)
        write_png(tmp_path / f"gtFine/{base}_gtFine_labelIds.png", (ids // 1000).astype(np.uint8))

    return write


def test_instances_groups_and_parts(city, tmp_path, objects, note):
    for i in range(2):
        city("train", f"ulm_00000{i}_000019", _street())
    city("val", "bonn_000000_000019", _street())
    city("test", "berlin_000000_000019", np.full((30, 40), 3, np.uint16))
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.format == "cityscapes"
    assert imported.classes == (
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
    )
    assert (imported.train.num_images, imported.val.num_images) == (2, 1)
    assert imported.test is None
    assert note(imported, "test split has no objects")
    (found,) = objects(imported.val).values()
    assert sorted((name, a["iscrowd"], a["area"], a["bbox"]) for name, a, _ in found) == [
        ("car", 0, 32, [12, 2, 8, 4]),
        ("car", 0, 40, [2, 2, 10, 4]),
        ("person", 0, 20, [2, 10, 2, 10]),
        ("person", 1, 100, [20, 10, 10, 10]),
    ]
    assert "3 (" in note(imported, "Objects of class 29, which is not evaluated")


def _others(tmp_path, draw, write_png, ids):
    for name in ("a", "b"):
        draw(tmp_path / f"images/{name}.png", value=ord(name))
        write_png(tmp_path / f"ids/{name}_instanceIds.png", ids)


def test_other_classes_are_numbered_and_groups_of_stuff_left_out(
    tmp_path, draw, write_png, all_objects
):
    _others(tmp_path, draw, write_png, _street())
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("class_24", "class_26", "class_29")
    found = all_objects(imported)["a.png"]
    assert sorted((name, a["iscrowd"]) for name, a, _ in found) == [
        ("class_24", 0),
        ("class_24", 1),
        ("class_26", 0),
        ("class_26", 0),
        ("class_29", 0),
        ("class_29", 1),
    ]
    counted = imported.train.num_annotations + imported.val.num_annotations
    assert counted == 12


@pytest.mark.parametrize(
    "names",
    [
        {"26": "car", "24": "person"},
        {"person": 24, "car": 26},
        [{"id": 24, "name": "person"}, {"id": 26, "name": "car"}],
    ],
)
def test_names_from_a_file(tmp_path, draw, write_png, names):
    _others(tmp_path, draw, write_png, _street())
    (tmp_path / "classes.json").write_text(json.dumps(names))
    assert import_data(tmp_path, tmp_path / "out").classes == ("person", "car", "class_29")


def test_a_file_of_names_that_are_none(tmp_path, draw, write_png):
    _others(tmp_path, draw, write_png, _street())
    (tmp_path / "classes.json").write_text('{"a": "b"}')
    with pytest.raises(ValueError, match=r"classes.json: expected class numbers and names"):
        import_data(tmp_path, tmp_path / "out")


def test_forced_upon_a_folder_of_masks(tmp_path, draw, write_png):
    for name in ("a", "b"):
        draw(tmp_path / f"images/{name}.png", value=ord(name))
        write_png(tmp_path / f"masks/{name}.png", _street())
    assert import_data(tmp_path, tmp_path / "one").format == "masks"
    imported = import_data(tmp_path, tmp_path / "two", fmt="cityscapes")
    assert imported.classes == ("class_24", "class_26", "class_29")
