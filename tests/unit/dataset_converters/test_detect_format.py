"""Test the recognized format of a folder, and the message if it is unclear."""

import re

import pytest

from condinst.dataset_converters import FORMATS, import_data


@pytest.fixture
def labelme(tmp_path, draw, write_json):
    for name in ("a", "b"):
        draw(tmp_path / f"{name}.png", value=ord(name))
        shape = {"label": "x", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
        data = {"shapes": [shape], "imagePath": f"{name}.png", "imageData": None}
        write_json(tmp_path / f"{name}.json", data)
    return tmp_path


def test_nothing_is_recognized(tmp_path, draw):
    draw(tmp_path / "a.png")
    (tmp_path / "readme.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no known annotations in its 2 files \(1 image\)") as e:
        import_data(tmp_path, tmp_path / "out")
    assert "condinst new --help names the formats, and --format FORMAT says what" in str(e.value)
    assert "\n" not in str(e.value)
    for name in ("coco", "yolo", "xml", "panoptic"):
        expected = f"expected {FORMATS[name].looked_for} ({name}), found none"
        with pytest.raises(ValueError, match=re.escape(expected)):
            import_data(tmp_path, tmp_path / "out", fmt=name)


def test_an_empty_folder(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match=r"data: is empty, expected images with their annotatio"):
        import_data(tmp_path / "data", tmp_path / "out")


def test_several_formats_fit_and_one_is_forced(labelme):
    (labelme / "data.yaml").write_text("names: [x]\ntrain: .\n")
    with pytest.raises(ValueError, match="several formats fit, yolo and labelme") as error:
        import_data(labelme, labelme / "out")
    assert str(error.value).endswith("(yolo: 1 (data.yaml), labelme: 2 (a.json, ...))")
    assert import_data(labelme, labelme / "out", fmt="labelme").format == "labelme"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "labelme"])
def test_a_forced_format_that_is_not_there(labelme, name):
    with pytest.raises(ValueError, match=name):
        import_data(labelme, labelme / "out", fmt=name)


def test_wrong_arguments(labelme, tmp_path):
    with pytest.raises(ValueError, match="fmt: expected one of coco, .*, got 'kitti'"):
        import_data(labelme, tmp_path, fmt="kitti")
    for fraction in (0, 1, -0.5):
        with pytest.raises(ValueError, match="val_fraction: expected a number between 0 and 1"):
            import_data(labelme, tmp_path, val_fraction=fraction)
    with pytest.raises(FileNotFoundError, match="nowhere is neither a folder nor a file"):
        import_data(tmp_path / "nowhere", tmp_path)
    with pytest.raises(ValueError, match=r"a.png: expected a folder, "):
        import_data(labelme / "a.png", tmp_path)


def test_what_is_known_and_not_read_is_named(tmp_path, write_json):
    path = write_json(
        tmp_path / "p.json", [{"image": "a.jpg", "annotations": [{"coordinates": {}}]}]
    )
    for data in (tmp_path, path):
        with pytest.raises(ValueError, match="p.json is CreateML's boxes, .*; export it as COCO"):
            import_data(data, tmp_path / "out")


def test_no_objects_at_all(labelme, write_json):
    for name in ("a", "b"):
        write_json(labelme / f"{name}.json", {"shapes": [], "imagePath": f"{name}.png"})
    with pytest.raises(
        ValueError, match=r"read as labelme, no objects in the images found(.|\n)*2 \("
    ):
        import_data(labelme, labelme / "out")
