"""Test which size of an image its annotations show."""

import pytest
from coco_dicts import triangles_dict

from condinst.datasets.coco.coco_file import parse_coco
from condinst.datasets.coco.image_sizes import sizes_of_files

NAMES = ("0.png", "1.png")


def find(stated, headers, *points):
    """Return the sizes for images with one triangle each that reaches to the point (x, y)."""
    data = triangles_dict(NAMES)
    data["annotations"] = data["annotations"][:: len(data["annotations"]) // 2][:2]
    for image, (height, width) in zip(data["images"], stated, strict=True):
        image |= {"height": height, "width": width}
    for image, entry, (x, y) in zip(data["images"], data["annotations"], points, strict=True):
        entry |= {"image_id": image["id"], "bbox": [0, 0, x, y]}
        entry["segmentation"] = [[0, 0, x, 0, 0, y]]
    return sizes_of_files(parse_coco("a.json", data), headers)


FILE = (40, 60, False)
TURNED = (40, 60, True)


@pytest.mark.parametrize(
    ("stated", "header", "points", "expected"),
    [
        ([(40, 60)] * 2, FILE, [(60, 40)] * 2, {}),
        ([(60, 40)] * 2, TURNED, [(40, 60)] * 2, {}),
        ([(0, 0)] * 2, FILE, [(60, 40)] * 2, {0: (40, 60), 1: (40, 60)}),
        ([(0, 0)] * 2, TURNED, [(60, 40), (40, 60)], {0: (40, 60), 1: (60, 40)}),
        ([(0, 0)] * 2, FILE, [(90, 40), (61, 41)], {1: (40, 60)}),
        ([(60, 40)] * 2, FILE, [(55, 30), (30, 30)], {0: (40, 60), 1: (40, 60)}),  # exchanged
        ([(60, 40)] * 2, FILE, [(30, 30)] * 2, {}),  # exchanged, or annotated so
        ([(60, 40)] * 2, FILE, [(55, 30), (30, 55)], {0: (40, 60)}),
        ([(80, 120)] * 2, FILE, [(30, 30)] * 2, {}),  # resized since
        ([(20, 30)] * 2, FILE, [(55, 30), (20, 20)], {0: (40, 60)}),
    ],
)
def test_sizes(stated, header, points, expected):
    assert find(stated, {0: header, 1: header}, *points) == expected


def test_rles_have_a_size():
    data = triangles_dict(NAMES)
    data["annotations"] = data["annotations"][:1]
    data["images"][0] |= {"height": 0, "width": 0}
    data["annotations"][0] |= {
        "image_id": data["images"][0]["id"],
        "segmentation": {"size": [60, 40], "counts": [0, 2400]},
    }
    file = parse_coco("a.json", data)
    assert sizes_of_files(file, {0: TURNED}) == {0: (60, 40)}
    assert sizes_of_files(file, {0: FILE}) == {}
