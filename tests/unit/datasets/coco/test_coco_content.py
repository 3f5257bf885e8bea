"""Test how boxes written as corners are found."""

import pytest
from small_coco import coco, read


def test_boxes_written_as_corners(tmp_path):
    """Corner boxes are found by the masks, or without masks by boxes that leave the image."""
    data = coco()
    for annotation in data["annotations"]:
        annotation["bbox"] = [10, 10, 30, 30]
    [problem] = read(tmp_path, data).problems
    assert "5 of 5 boxes" in problem
    assert "as corners x1, y1, x2, y2; expected x, y, width, height" in problem
    for annotation in data["annotations"]:
        annotation |= {"bbox": [35, 22, 55, 38], "segmentation": []}
    [problem] = read(tmp_path, data).problems
    assert "5 of 5 boxes leave their image" in problem


@pytest.mark.parametrize("box", [[0, 0, 60, 40], [-5, -5, 70, 50], [10, 10, 20, 20], [0, 0, 5, 5]])
def test_sound_boxes_are_not_taken_for_corners(tmp_path, box):
    data = coco()
    for annotation in data["annotations"]:
        annotation |= {"bbox": box, "segmentation": []}
    assert read(tmp_path, data).problems == []
