"""Test LVIS's files, which the reader of COCO json takes."""

import json

from two_images import SQUARE, H, W

from condinst.dataset_converters import import_data


def test_lvis(tmp_path, two_images):
    two_images("train2017/{}.jpg")
    data = {
        "images": [
            dict(
                id=i,
                width=W,
                height=H,
                coco_url=f"http://images.cocodataset.org/train2017/{n}.jpg",
                neg_category_ids=[],
                not_exhaustive_category_ids=[],
            )
            for i, n in enumerate("ab")
        ],
        "categories": [dict(id=1, name="car", frequency="c", synset="car.n.01")],
        "annotations": [
            dict(
                id=i,
                image_id=i,
                category_id=1,
                bbox=[10, 10, 20, 15],
                area=300,
                segmentation=[sum(SQUARE, [])],
            )
            for i in (0, 1)
        ],
    }
    (tmp_path / "lvis_v1.json").write_text(json.dumps(data))
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.train.num_images, imported.val.num_images) == (1, 1)
    assert imported.train.num_annotations == 1
