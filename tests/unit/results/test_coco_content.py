"""One COCO file of several images: ids, names, categories, and what pycocotools reads."""

import json

import numpy as np
from pycocotools.coco import COCO
from three_instances import make_results

from condinst.results.coco_content import coco_content, coco_rows, json_text


def test_pycocotools_reads_the_masks_of_two_images(tmp_path):
    results, masks = make_results()
    rows = [coco_rows(results, "a/one.png"), coco_rows(results[:1], "a/two.png")]
    path = tmp_path / "annotations.json"
    path.write_text(json_text(coco_content(rows, results.class_names)))
    coco = COCO(str(path))
    assert [image["file_name"] for image in coco.loadImgs([1, 2])] == ["one.png", "two.png"]
    assert coco.getAnnIds(1) == [1, 2, 3]
    assert coco.getAnnIds(2) == [4]
    for annotation, mask in zip(coco.loadAnns([1, 2, 3, 4]), [*masks, masks[0]], strict=True):
        assert np.array_equal(coco.annToMask(annotation), mask)
        assert annotation["area"] == mask.sum()
    assert [c["name"] for c in coco.loadCats([1, 2])] == ["cat", "dog"]
    assert [a["category_id"] for a in coco.loadAnns([1, 2, 3, 4])] == [2, 1, 2, 2]


def test_equal_names_keep_their_folders():
    results, _ = make_results(0)
    rows = [coco_rows(results, name) for name in ("x/a/1.png", "x/b/1.png")]
    images = coco_content(rows, results.class_names)["images"]
    assert [image["file_name"] for image in images] == ["a/1.png", "b/1.png"]
    assert [image["id"] for image in images] == [1, 2]


def test_letters_are_kept_unless_they_cannot_be_encoded():
    assert json_text(dict(name="Zürich")) == '{"name": "Zürich"}'
    text = json_text(dict(name="odd\udcff"))
    assert text.isascii()
    assert json.loads(text) == dict(name="odd\udcff")
