"""Test the refusals of files whose annotations are all wrong."""

import pytest
from coco_dicts import triangles_dict

from condinst.dataset_converters import import_data


@pytest.fixture
def images(tmp_path, draw):
    """Draw ten images in ``images``."""
    return [draw(tmp_path / f"data/images/{i}.png", value=i).name for i in range(10)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(segmentation=[["x"] * 6]), "none of its 20 annotations can be used.*--fix"),
        (dict(category_id=8), "look shifted"),
        (dict(segmentation=[[0.1, 0.1, 0.5, 0.1, 0.5, 0.5]]), "fractions of the image"),
    ],
)
def test_what_makes_every_annotation_wrong_is_refused(
    tmp_path, images, write_json, changes, message
):
    write_json(tmp_path / "data/ann.json", triangles_dict(images, **changes))
    with pytest.raises(ValueError, match=message):
        import_data(tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize(("first", "shift"), [(1, -1), (0, 1)])
def test_category_ids_shifted_either_way_are_refused(tmp_path, images, write_json, first, shift):
    """Half of the annotations still have an id of the file, of another class."""
    data = triangles_dict(images)
    data["categories"] = [dict(id=first, name="cat"), dict(id=first + 1, name="dog")]
    for number, entry in enumerate(data["annotations"]):
        entry["category_id"] = first + number % 2
    path = write_json(tmp_path / "data/ann.json", data)
    assert import_data(tmp_path / "data", tmp_path / "out").classes == ("cat", "dog")
    for entry in data["annotations"]:
        entry["category_id"] += shift
    write_json(path, data)
    with pytest.raises(ValueError, match="look shifted; number both alike"):
        import_data(tmp_path / "data", tmp_path / "out2")
