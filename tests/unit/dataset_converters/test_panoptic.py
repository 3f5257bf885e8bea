"""Test the reader of COCO's panoptic format."""

import json

import numpy as np
from PIL import Image
from two_images import FIRST, WITH_HOLE, H, W, check

from condinst.dataset_converters import import_data


def test_panoptic(tmp_path, two_images, all_objects):
    two_images("val2017/{}.jpg")
    ids = np.zeros((H, W), int)
    ids[FIRST], ids[WITH_HOLE], ids[:5] = 3_226_956, 70_000, 1234
    png = np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2).astype(np.uint8)
    (tmp_path / "panoptic_val2017").mkdir()
    for n in "ab":
        Image.fromarray(png).save(tmp_path / f"panoptic_val2017/{n}.png")
    segments = [(3_226_956, 1), (70_000, 2), (1234, 7)]
    data = {
        "images": [dict(id=i, file_name=f"{n}.jpg", height=H, width=W) for i, n in enumerate("ab")],
        "annotations": [
            dict(
                image_id=i,
                file_name=f"{n}.png",
                segments_info=[dict(id=k, category_id=c, area=1, iscrowd=0) for k, c in segments],
            )
            for i, n in enumerate("ab")
        ],
        "categories": [
            dict(id=1, name="car", isthing=1),
            dict(id=2, name="bus", isthing=1),
            dict(id=7, name="sky", isthing=0),
        ],
    }
    (tmp_path / "panoptic_val2017.json").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    check(all_objects, imported, [("car", FIRST), ("bus", WITH_HOLE)])
