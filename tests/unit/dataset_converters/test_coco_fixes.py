"""Test what is written instead of broken annotations."""

import pytest
from coco_dicts import triangles_dict, written_entries

from condinst.dataset_converters import import_data


@pytest.fixture
def images(tmp_path, draw):
    """Draw ten images in ``images``."""
    return [draw(tmp_path / f"data/images/{i}.png", value=i).name for i in range(10)]


def test_boxes_and_areas_come_from_the_masks(tmp_path, images, write_json, note):
    data = triangles_dict(images)
    del data["annotations"][0]["bbox"], data["annotations"][1]["iscrowd"]
    data["annotations"][2]["area"] = float("nan")
    data["annotations"][3]["bbox"] = [5, 5, float("inf"), 20]
    write_json(tmp_path / "data/ann.json", data)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    found = {entry["id"]: entry for entry in written_entries(imported)}
    assert len(found) == 20
    assert [found[i]["bbox"] for i in (0, 3)] == [[5, 5, 20, 20]] * 2
    assert 190 <= found[2]["area"] <= 210
    assert {entry["iscrowd"] for entry in found.values()} == {0}
    assert "made from the mask" in note(imported, "fixed")


def test_a_box_with_an_unusable_mask_is_a_crowd_among_masks(tmp_path, images, write_json, note):
    """An object without any mask stays a box, from which training learns."""
    data = triangles_dict(images)
    for entry, mask in zip(data["annotations"], ([], [[5, 5, 25, 25]], [["x"] * 6]), strict=False):
        entry["segmentation"] = mask
    write_json(tmp_path / "data/ann.json", data)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    found = {entry["id"]: entry for entry in written_entries(imported)}
    assert [found[i]["iscrowd"] for i in range(5)] == [0, 1, 1, 0, 0]
    assert "segmentation" not in found[0]
    assert found[1]["segmentation"] == [[5, 5, 25, 5, 25, 25, 5, 25]]
    assert ": 2 (id 1, id 2)" in note(imported, "made a crowd region")


@pytest.mark.parametrize(
    "changes",
    [
        dict(segmentation=[["x"] * 6], bbox=[5, 5, float("nan"), 20]),
        dict(category_id=99),
    ],
)
def test_an_image_of_unusable_annotations_is_no_negative(
    tmp_path, images, write_json, note, changes
):
    data = triangles_dict(images)
    for entry in data["annotations"][:2]:
        entry |= changes
    write_json(tmp_path / "data/ann.json", data)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    assert imported.train.num_images + imported.val.num_images == 9
    assert "(0.png)" in note(imported, "Images whose annotations cannot be used")
