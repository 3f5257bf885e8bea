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


@pytest.mark.parametrize("change", [{}, {"area": 0}, {"area": None}])
@pytest.mark.parametrize("every", [1, 2])
def test_areas_of_boxes_come_from_the_boxes(tmp_path, images, write_json, note, change, every):
    """Files of boxes often lack the area, and the flag of crowds, or say 0."""
    data = triangles_dict(images)
    for number, entry in enumerate(data["annotations"]):
        del entry["segmentation"], entry["iscrowd"]
        if number % every == 0:
            del entry["area"]
            entry.update(change)
    write_json(tmp_path / "data/ann.json", data)
    found = written_entries(imported := import_data(tmp_path / "data", tmp_path / "out"))
    areas = {entry["id"]: entry["area"] for entry in found}
    assert areas == {i: 400 if i % every == 0 else 200 for i in range(20)}
    assert all(entry["iscrowd"] == 0 and "segmentation" not in entry for entry in found)
    assert f": {20 // every} (" in note(imported, "fixed (area made from the box)")


@pytest.mark.parametrize("every", [1, 2])
def test_an_area_of_0_is_made_from_the_mask(tmp_path, images, write_json, note, every):
    data = triangles_dict(images)
    for entry in data["annotations"][::every]:
        entry["area"] = 0
    data["annotations"] += [
        data["annotations"][0] | {"id": 90, "iscrowd": 1, "area": 0},
        data["annotations"][0] | {"id": 91, "bbox": [5, 5, 0, 0], "area": 0},
    ]
    write_json(tmp_path / "data/ann.json", data)
    imported = import_data(tmp_path / "data", tmp_path / "out")
    found = {entry["id"]: entry["area"] for entry in written_entries(imported)}
    assert found.pop(90) == 0  # nothing uses a crowd's
    assert found.pop(91) == 0  # its box is wrong too: left as it is
    assert len(found) == 20
    assert all(190 <= area <= 210 for area in found.values())
    assert f": {20 // every} (" in note(imported, "fixed (box or area made from the mask)")
