"""The content of small COCO files, and what an import has written."""

import json

CATEGORIES = [{"id": 3, "name": "cell"}, {"id": 7, "name": "dot"}]


def coco_dict(names, *, categories=CATEGORIES, first=1):
    """Return one annotation per image: polygon, RLE and crowd in turn."""
    shapes = [
        {"segmentation": [[2, 2, 12, 2, 12, 8, 2, 8]], "iscrowd": 0, "area": 60},
        {"segmentation": {"size": [30, 40], "counts": [30, 60, 1110]}, "iscrowd": 1, "area": 60},
    ]
    return {
        "info": {"year": 2024},
        "images": [
            {"id": first + i, "file_name": name, "height": 30, "width": 40, "license": "kept"}
            for i, name in enumerate(names)
        ],
        "annotations": [
            {"id": 100 + i, "image_id": first + i, "bbox": [2, 2, 10, 6], "extra": i}
            | {"category_id": categories[i % len(categories)]["id"], **shapes[i % 2]}
            for i, _ in enumerate(names)
        ],
        "categories": categories,
    }


def triangles_dict(names, **changes):
    """Return COCO of two triangles in each image, with some keys of every annotation changed."""
    data = coco_dict(names)
    data["annotations"] = [
        {"id": 2 * i + n, "image_id": 1 + i, "category_id": 3 + 4 * n, "bbox": [5, 5, 20, 20]}
        | {"area": 200, "iscrowd": 0, "segmentation": [[5, 5, 25, 5, 25, 25]]}
        | changes
        for i, _ in enumerate(names)
        for n in (0, 1)
    ]
    return data


def written_entries(imported, key="annotations"):
    """Return the annotations, or the images, of both splits."""
    splits = [json.loads(s.ann_file.read_text()) for s in (imported.train, imported.val)]
    return [entry for split in splits for entry in split[key]]
