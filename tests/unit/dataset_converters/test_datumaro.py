"""Test the reader of Datumaro's json."""

import json

import numpy as np
from pycocotools import mask as coco_mask
from two_images import FIRST, SQUARE, WITH_HOLE, H, W, check

from condinst.dataset_converters import import_data


def test_datumaro(tmp_path, two_images, all_objects, note):
    two_images("images/default/{}.png")
    rle = coco_mask.encode(np.asfortranarray(WITH_HOLE, np.uint8))["counts"].decode()
    flat = [float(v) for point in SQUARE for v in point]
    common = dict(attributes={}, z_order=0)
    entries = [
        dict(id=1, type="polygon", label_id=0, group=0, points=flat, **common),
        dict(id=2, type="mask", label_id=1, group=4, rle=dict(counts=rle, size=[H, W]), **common),
        dict(id=3, type="bbox", label_id=1, group=4, bbox=[50, 20, 30, 30], **common),
    ]
    items = [
        dict(id=n, annotations=entries, attr={}, image=dict(path=f"{n}.png", size=[H, W]))
        for n in "ab"
    ]
    labels = [dict(name=name, parent="", attributes=[]) for name in ("car", "bus")]
    data = dict(info={}, categories=dict(label=dict(labels=labels)), items=items)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/default.json").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", WITH_HOLE)])
    assert note(imported, "4 shapes joined into 2 instances")
