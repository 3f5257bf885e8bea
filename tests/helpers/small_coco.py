"""A sound COCO file of two images and five annotations, to change."""

import copy
import json

from condinst.datasets.coco.coco_file import read_coco_file

SQUARE = [[10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]]


def coco():
    return {
        "info": {"year": 2017},
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 40, "width": 60, "license": 3}
            for i in (1, 2)
        ],
        "categories": [{"id": 5, "name": "cat", "supercategory": "animal"}],
        "annotations": [
            {
                "id": i,
                "image_id": i % 2 + 1,
                "category_id": 5,
                "bbox": [10.0, 10.0, 20.0, 20.0],
                "area": 400.0,
                "iscrowd": 0,
                "segmentation": copy.deepcopy(SQUARE),
                "score": 0.5,
            }
            for i in range(10, 15)
        ],
    }


def read(tmp_path, data, **options):
    path = tmp_path / "train.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_coco_file(str(path), **options)


def changed(where, index, **changes):
    data = coco()
    data[where][index] |= changes
    return data
