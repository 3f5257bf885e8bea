"""Test the reader of VIA's exports and projects."""

import math

import numpy as np
import pytest

from condinst.dataset_converters import import_data

POLYGON = {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [6, 6, 18, 18]}


def _region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.fixture
def via(tmp_path, draw, write_json):
    """Return via(regions of a.png, ...), which writes the layout of version 2, 1, or a project."""

    def write(*images, layout=2, name="via.json"):
        entries = {}
        for letter, regions in zip("abcdef", images, strict=False):
            path = draw(tmp_path / f"{letter}.png", value=ord(letter))
            if layout == 1:
                regions = {str(i): region for i, region in enumerate(regions)}
            entry = {"filename": path.name, "size": -1, "regions": regions, "file_attributes": {}}
            entries[path.name + "-1"] = entry
        data = (
            {"_via_settings": {}, "_via_img_metadata": entries} if layout == "project" else entries
        )
        return write_json(tmp_path / name, data)

    return write


@pytest.mark.parametrize("layout", [2, 1, "project"])
def test_layouts(via, tmp_path, all_objects, layout):
    via([_region(POLYGON, kind="cell")], [], layout=layout)
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.format, imported.classes) == ("via", ("cell",))
    ((_, annotation, mask),) = all_objects(imported)["a.png"]
    assert annotation["bbox"] == [10, 6, 20, 12]
    expected = np.zeros((30, 40), bool)
    expected[6:18, 10:30] = True
    np.testing.assert_array_equal(mask, expected)


def test_shapes(via, tmp_path, all_objects):
    shapes = [
        {"name": "rect", "x": 3, "y": 4, "width": 10, "height": 5},
        {"name": "circle", "cx": 20, "cy": 15, "r": 9},
        {"name": "ellipse", "cx": 20, "cy": 15, "rx": 12, "ry": 5, "theta": math.pi / 2},
    ]
    via([_region(shape, label="a") for shape in shapes], [])
    box, circle, ellipse = all_objects(import_data(tmp_path, tmp_path / "out"))["a.png"]
    assert (box[1]["bbox"], box[1]["area"]) == ([3, 4, 10, 5], 50)
    assert abs(circle[1]["area"] / (math.pi * 81) - 1) < 0.03
    np.testing.assert_allclose(circle[1]["bbox"], [11, 6, 18, 18], atol=0.1)
    assert abs(ellipse[1]["area"] / (math.pi * 60) - 1) < 0.05
    np.testing.assert_allclose(ellipse[1]["bbox"], [15, 3, 10, 24], atol=0.1)


def test_the_class_is_the_attribute_that_most_regions_have(via, tmp_path, note):
    first = [_region(POLYGON, name="n1", species="ant"), _region(POLYGON, species="bee")]
    via(first, [_region(POLYGON, name="n2", species={"ant": False, "bee": True})])
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("ant", "bee")
    assert "'species', which 3 of 3 regions have (there are also: name)" in note(
        imported, "attribute"
    )


def test_among_equals_the_one_called_class(via, tmp_path):
    via([_region(POLYGON, author="x", Class="ant")], [])
    assert import_data(tmp_path, tmp_path / "out").classes == ("ant",)


def test_without_attributes_there_is_one_class(via, tmp_path, note):
    via([_region(POLYGON)], [])
    imported = import_data(tmp_path, tmp_path / "out")
    assert imported.classes == ("object",)
    assert note(imported, "no attributes")


def test_folders_of_parts(tmp_path, draw, write_json):
    for split in ("train", "val"):
        draw(tmp_path / split / "x.png", value=len(split))
        entry = {"filename": "x.png", "size": 1, "regions": [_region(POLYGON)]}
        write_json(tmp_path / split / "via_region_data.json", {"x": entry})
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.train.img_dir, imported.val.img_dir) == (tmp_path / "train", tmp_path / "val")


def test_parts_in_the_names_of_the_files(tmp_path, draw, write_json):
    for split in ("train", "val"):
        draw(tmp_path / f"images/{split[0]}.png", value=len(split))
        entry = {"filename": f"{split[0]}.png", "size": 1, "regions": [_region(POLYGON)]}
        write_json(tmp_path / f"via_{split}.json", {"x": entry})
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.train.num_images, imported.val.num_images, imported.seed) == (1, 1, None)


def test_what_is_left_out_is_counted(via, tmp_path, draw, all_objects, note):
    regions = [
        _region({"name": "point", "cx": 3, "cy": 4}, label="a"),
        _region(POLYGON),
        _region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, label="a"),
        _region({"name": "rect", "x": 3, "y": 4, "width": 0, "height": 5}, label="a"),
        _region(POLYGON, label="a"),
        _region(POLYGON, label="a"),
    ]
    via(regions, [], [_region(POLYGON, label="a")])
    (tmp_path / "c.png").unlink()
    draw(tmp_path / "new.png", value=9)
    imported = import_data(tmp_path, tmp_path / "out")
    assert {name: len(found) for name, found in all_objects(imported).items()} == {
        "a.png": 2,
        "b.png": 0,
    }
    for text, place in (
        ("(point)", "a.png, region 0"),
        ("'label', left out", "a.png, region 1"),
        ("fewer than three", "a.png, region 2"),
        ("no pixel", "a.png, region 3"),
        ("negatives", "b.png"),
        ("missing", "c.png"),
        ("no VIA file names", "new.png"),
    ):
        assert f"1 ({place})" in note(imported, text)


def test_another_layout_is_named(tmp_path, write_json):
    path = write_json(tmp_path / "via.json", {"a": {"filename": "a.png", "regions": [{}]}})
    with pytest.raises(ValueError, match=r"via.json: a.png, region 0: not VIA's layout"):
        import_data(path, tmp_path / "out")
    write_json(path, {"a": {"filename": "a.png", "regions": []}, "b": 3})
    with pytest.raises(ValueError, match=r"via.json: not VIA's layout"):
        import_data(path, tmp_path / "out")


def test_a_polygon_of_uneven_lists_is_named(via, tmp_path):
    via([_region({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]})])
    with pytest.raises(ValueError, match=r"via.json: a.png, region 0"):
        import_data(tmp_path, tmp_path / "out")


def test_a_closed_line_is_an_outline(via, tmp_path, all_objects, note):
    open_line = POLYGON | {"name": "polyline"}
    closed = {key: [*values, values[0]] for key, values in list(POLYGON.items())[1:]}
    via([_region(shape | {"name": "polyline"}, kind="cell") for shape in (closed, open_line)], [])
    imported = import_data(tmp_path, tmp_path / "out")
    ((_, annotation, _),) = all_objects(imported)["a.png"]
    assert annotation["bbox"] == [10, 6, 20, 12]
    assert "region 1" in note(imported, "(polyline)")
