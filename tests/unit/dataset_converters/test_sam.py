"""Test the reader of Segment Anything's files."""

import json

import numpy as np
from pycocotools import mask as coco_mask
from two_images import WITH_HOLE, H, W, check

from condinst.dataset_converters import import_data


def test_segment_anything(tmp_path, two_images, all_objects):
    two_images("{}.jpg")
    for n in "ab":
        rle = coco_mask.encode(np.asfortranarray(WITH_HOLE, np.uint8))
        entry = dict(segmentation=dict(size=[H, W], counts=rle["counts"].decode()), id=5, area=3)
        entry |= dict(bbox=[1, 1, 2, 2], predicted_iou=0.9, stability_score=0.9)
        head = dict(image_id=1, width=W, height=H, file_name=f"{n}.jpg")
        (tmp_path / f"{n}.json").write_text(json.dumps(dict(image=head, annotations=[entry])))
    check(all_objects, import_data(tmp_path, tmp_path / "out"), [("object", WITH_HOLE)])
