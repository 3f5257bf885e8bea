"""Test the tables of classes beside masks."""

import json

import numpy as np
import pytest

from condinst.dataset_converters import import_data


def _write(tmp_path, draw, write_png, masks, images="images/{}.png", folder="masks/{}.png"):
    for name, pixels in zip("ab", masks, strict=True):
        draw(tmp_path / images.format(name), value=ord(name))
        write_png(tmp_path / folder.format(name), pixels)


def _areas(all_objects, imported):
    return {
        name: sorted((label, a["area"]) for label, a, _ in found if not a["iscrowd"])
        for name, found in all_objects(imported).items()
    }


def _classes(values=(1, 2), dtype=np.uint8):
    mask = np.zeros((30, 40), dtype)
    mask[2:6, 2:12] = values[0]
    mask[10:20, 5:8] = values[1]
    return mask


EXPECTED = {"a.png": [("cat", 40), ("dog", 30)], "b.png": [("cat", 40), ("dog", 30)]}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("class_names.txt", "_background_\ncat\ndog\n"),  # labelme2voc
        ("labels.txt", "__ignore__\n_background_\ncat\ndog\n"),  # what labelme2voc reads
        ("labels.txt", "cat\ndog\n"),  # CVAT's MOTS
        ("label_colors.txt", "0 0 0 background\n9 1 0 cat\n18 2 0 dog\n"),
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:9,1,0::\ndog:1,1,1::\n",
        ),
    ],
)
def test_names_by_line(tmp_path, draw, write_png, all_objects, note, file, text):
    _write(tmp_path, draw, write_png, [_classes(), _classes()])
    (tmp_path / file).write_text(text)
    imported = import_data(tmp_path, tmp_path / "out", masks="classes")
    assert _areas(all_objects, imported) == EXPECTED
    assert "1 is 'cat', 2 is 'dog'." in note(imported, file)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("class_dict.csv", "name, r, g, b\nvoid,0,0,0\ncat,200,0,0\ndog,0,0,200\n"),
        ("label_colors.txt", "200 0 0 cat\n0 0 200 dog\n"),
    ],
)
def test_names_by_color(tmp_path, draw, write_png, all_objects, note, file, text):
    colors = np.zeros((3, 3), np.uint8)
    colors[1], colors[2] = (200, 0, 0), (0, 0, 200)
    _write(tmp_path, draw, write_png, [colors[_classes()]] * 2)
    (tmp_path / file).write_text(text)
    imported = import_data(tmp_path, tmp_path / "out")
    assert _areas(all_objects, imported) == EXPECTED
    assert note(imported, "says that the colors of the masks are classes")


def test_colors_that_are_not_the_tables_stay_instances(tmp_path, draw, write_png, all_objects):
    colors = np.zeros((3, 3), np.uint8)
    colors[1], colors[2] = (200, 0, 0), (0, 0, 201)
    _write(tmp_path, draw, write_png, [colors[_classes()], colors[_classes((2, 1))]])
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nvoid,0,0,0\ncat,200,0,0\ndog,0,0,200\n")
    found = _areas(all_objects, import_data(tmp_path, tmp_path / "out", masks="instances"))
    assert found["a.png"] == [("object", 30), ("object", 40)]


def test_vistas_config_names_classes_and_numbers_from_0(tmp_path, draw, write_png, all_objects):
    masks = [np.full((30, 40), 256, np.uint16) for _ in range(2)]  # road
    for mask in masks:
        mask[2:6, 2:12] = 0  # the first bird
        mask[10:20, 5:8] = 512  # the first car
        mask[10:20, 20:22] = 513
    _write(tmp_path, draw, write_png, masks, folder="instances/{}.png")
    labels = [("Bird", True), ("Road", False), ("Car", True)]
    config = [{"name": f"x--{name}", "readable": name, "instances": is_} for name, is_ in labels]
    (tmp_path / "config_v1.2.json").write_text(json.dumps({"labels": config}))
    imported = import_data(tmp_path, tmp_path / "out")
    assert _areas(all_objects, imported)["a.png"] == [("Bird", 40), ("Car", 20), ("Car", 30)]


def test_kitti_has_the_numbers_of_cityscapes(tmp_path, draw, write_png, all_objects, note):
    masks = [np.full((30, 40), 7 * 256, np.uint16) for _ in range(2)]
    for mask in masks:
        mask[2:6, 2:12], mask[10:20, 5:8] = 26 * 256 + 1, 24 * 256 + 1
    _write(tmp_path, draw, write_png, masks, "training/image_2/{}.png", "training/instance/{}.png")
    imported = import_data(tmp_path, tmp_path / "out")
    assert _areas(all_objects, imported)["a.png"] == [("car", 40), ("person", 30)]
    assert note(imported, "Cityscapes")


def test_mots_has_cars_and_pedestrians(tmp_path, draw, write_png, all_objects, note):
    masks = [_classes((1001, 2002), np.uint16) for _ in range(2)]
    for mask in masks:
        mask[25:, :] = 10000
    _write(tmp_path, draw, write_png, masks, folder="instances/{}.png")
    imported = import_data(tmp_path, tmp_path / "out")
    assert _areas(all_objects, imported)["a.png"] == [("car", 40), ("pedestrian", 30)]
    assert note(imported, "MOTS")


def test_label_colors_of_datumaros_cityscapes(tmp_path, draw, write_png, all_objects):
    names = {24: "tree", 26: "pole"}
    lines = [f"{i} 0 0 {names.get(i, f'label{i}')}" for i in range(1, 27)]
    (tmp_path / "label_colors.txt").write_text("\n".join(["0 0 0 background", *lines]))
    mask = _classes((24000, 26001), np.uint16)
    _write(
        *(tmp_path, draw, write_png, [mask, mask]),
        images="imgsFine/leftImg8bit/default/{}_leftImg8bit.png",
        folder="gtFine/default/{}_gtFine_instanceIds.png",
    )
    found = _areas(all_objects, import_data(tmp_path, tmp_path / "out"))
    assert found["a_leftImg8bit.png"] == [("pole", 30), ("tree", 40)]


def test_class_names_of_labelme2voc(tmp_path, draw, write_png, all_objects):
    for kind, mask in (("Object", _classes()), ("Class", _classes((2, 1)))):
        _write(
            *(tmp_path, draw, write_png, [mask, mask], "JPEGImages/{}.jpg"),
            f"Segmentation{kind}/{{}}.png",
        )
    (tmp_path / "class_names.txt").write_text("_background_\ncat\ndog\n")
    found = _areas(all_objects, import_data(tmp_path, tmp_path / "out"))
    assert found["a.jpg"] == [("cat", 30), ("dog", 40)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", "{not json"),
        ("config.json", '{"labels": ["cat"]}'),
        ("labels.txt", "0 0.5 0.5\n1 0.2 0.2\n"),
        ("label_colors.txt", "cat red\n"),
        ("class_dict.csv", "name,color\ncat,red\n"),
    ],
)
def test_other_files_of_these_names_name_nothing(tmp_path, draw, write_png, file, text):
    _write(tmp_path, draw, write_png, [_classes(), _classes()])
    (tmp_path / file).write_text(text)
    imported = import_data(tmp_path, tmp_path / "out", masks="classes")
    assert imported.classes == ("class_1", "class_2")
