"""Test the reader of Label Studio's exports."""

import json

import numpy as np
import pytest
from two_images import FIRST, SECOND, SQUARE, WITH_HOLE, H, W, check

from condinst.dataset_converters import import_data


def _studio(value, kind):
    return {
        "original_width": W,
        "original_height": H,
        "image_rotation": 0,
        "value": value,
        "id": "x",
        "from_name": "label",
        "to_name": "image",
        "type": kind,
        "origin": "manual",
    }


@pytest.mark.parametrize("minimal", [False, True])
def test_label_studio(tmp_path, two_images, all_objects, minimal):
    two_images()
    percent = [[x / W * 100, y / H * 100] for x, y in SQUARE]
    tasks = []
    for i, n in enumerate("ab"):
        polygon = {"points": percent, "closed": True, "polygonlabels": ["car"]}
        box = dict(x=50, y=20 / H * 100, width=30, height=50, rotation=0, rectanglelabels=["bus"])
        name = f"/data/upload/1/0a1b2c3{i}-{n}.png"
        if minimal:
            both = [{**v, "original_width": W, "original_height": H} for v in (polygon, box)]
            tasks.append({"image": name, "id": i, "label": both, "annotator": 1})
        else:
            result = [_studio(polygon, "polygonlabels"), _studio(box, "rectanglelabels")]
            done = [{"id": 1, "was_cancelled": True, "result": []}, {"id": 2, "result": result}]
            tasks.append({"id": i, "annotations": done, "data": {"image": name}})
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", SECOND)])


def _brush(mask):
    """Encode a mask as Label Studio does: runs of RGBA values."""
    flat = np.repeat(mask.ravel() * 255, 4)
    bits = f"{flat.size:032b}{8 - 1:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    for start, end in zip(edges, edges[1:], strict=False):
        while start < end:
            step = min(end - start, 1 << 16)
            bits += f"111{step - 1:016b}{flat[start]:08b}"
            start += step
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_brushes_of_label_studio(tmp_path, two_images, all_objects):
    two_images()
    tasks = [
        {
            "data": {"image": f"/data/local-files/?d=x/{n}.png"},
            "annotations": [
                {
                    "result": [
                        _studio(
                            {"format": "rle", "rle": _brush(WITH_HOLE), "brushlabels": ["a"]},
                            "brushlabels",
                        )
                    ]
                }
            ],
        }
        for n in "ab"
    ]
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    check(all_objects, import_data(tmp_path, tmp_path / "out"), [("a", WITH_HOLE)])


def test_an_upload_finds_the_image_whose_name_had_spaces(tmp_path, two_images, all_objects):
    two_images()
    (tmp_path / "a.png").rename(tmp_path / "my a (1).png")
    percent = [[x / W * 100, y / H * 100] for x, y in SQUARE]
    result = [_studio({"points": percent, "polygonlabels": ["car"]}, "polygonlabels")]
    tasks = [
        {"annotations": [{"result": result}], "data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}}
        for name in ("my_a_1.png", "b.png")
    ]
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    found = all_objects(import_data(tmp_path, tmp_path / "out"))
    assert set(found) == {"my a (1).png", "b.png"}
    for ((label, _, mask),) in found.values():
        assert label == "car"
        np.testing.assert_array_equal(mask, FIRST)


@pytest.mark.parametrize(
    "left",
    [
        {"annotations": []},  # exported with the tasks that are not annotated
        {"annotations": [{"was_cancelled": True, "result": []}]},
        {"annotations": [], "drafts": [{"result": []}]},
        {"completions": [{"skipped": True, "result": []}]},
        {},  # JSON-MIN
    ],
)
def test_an_image_that_nobody_annotated_is_no_negative(tmp_path, draw, objects, note, left):
    for i, name in enumerate(("a", "b", "c", "d")):
        draw(tmp_path / f"{name}.png", size=(W, H), value=i)
    percent = [[x / W * 100, y / H * 100] for x, y in SQUARE]
    result = [_studio({"points": percent, "polygonlabels": ["car"]}, "polygonlabels")]
    tasks = [{"annotations": [{"result": result}], "data": {"image": f"{n}.png"}} for n in "ab"]
    tasks.append({"annotations": [{"result": []}], "data": {"image": "c.png"}})
    tasks.append(left | ({"data": {"image": "d.png"}} if left else {"image": "d.png"}))
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    imported = import_data(tmp_path, tmp_path / "out")
    found = objects(imported.train) | objects(imported.val)
    assert {name: len(each) for name, each in found.items()} == {"a.png": 1, "b.png": 1, "c.png": 0}
    assert note(imported, "nobody has annotated").endswith("left out: 1 (d.png)")
    assert "1 (c.png)" in note(imported, "kept as negatives")
