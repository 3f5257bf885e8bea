"""What the metric refuses: predictions, files and arguments that do not fit."""

import copy

import pytest
from coco_sets import CATEGORY_IDS, as_samples, measured, random_set, write
from pycocotools import mask as coco_mask

from condinst.evaluation import CocoMetric
from condinst.evaluation.matches import read_truth

BOTH = ["bbox", "segm"]


def broken(name):
    """Return a sample that does not fit, and the expected message."""

    def change(samples):
        instances = samples[2]["pred_instances"]
        if name == "image":
            samples[2]["img_id"] = 999
            return r"annotations\.json lacks 1 of the 6 images with predictions, ids: 999"
        if name == "label":
            instances["labels"][0] = 4
            return r"labels from 0 to 4, the dataset's metainfo has 4 classes"
        if name == "no masks":
            del instances["masks"]
            return r"metric segm: image \d+ has 25 predictions and 0 masks"
        instances["masks"] = instances["masks"].transpose(1, 2)
        return r"image \d+ has a predicted mask of size \[240, 180\].*has \[180, 240\]"

    return change


@pytest.mark.parametrize("name", ["image", "label", "no masks", "mask size"])
def test_predictions_that_do_not_fit(data, name):
    ann_file, _, samples = data
    samples = copy.deepcopy(samples)
    message = broken(name)(samples)
    with pytest.raises(ValueError, match=message):
        measured(CocoMetric(ann_file, metric=BOTH), samples)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: Expecting property name"),
        ("[]", "the top level is a list"),
        ('{"images": [{}]}', "none under categories"),
        ('{"images": [{}], "categories": []}', r"images\[0\] needs the keys id"),
    ],
)
def test_a_file_that_is_not_coco(tmp_path, text, message):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"broken\.json: not a COCO annotation file .*{message}"):
        CocoMetric(str(path))


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        CocoMetric(str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize("key", ["bbox", "area"])
def test_an_annotation_without_a_key(tmp_path, key):
    content, found = random_set()
    del content["annotations"][3][key]
    path = write(tmp_path, content)
    expected = rf"annotations\.json: (?s:.*)annotations\[3\] needs the keys .*{key}"
    with pytest.raises(ValueError, match=expected):
        CocoMetric(path)
    with pytest.raises(ValueError, match=rf"truth: annotation 14 has no '{key}'"):
        read_truth(content, [c["id"] for c in content["categories"]], "truth")


def test_polygons_that_cover_nothing_are_drawn_as_pycocotools_draws_them():
    """Of two points, and with an odd number at the end; the first has more than four numbers."""
    content, _ = random_set()
    image, annotation = content["images"][0], content["annotations"][0]
    annotation["image_id"] = image["id"]
    content["annotations"] = [annotation]
    square = [2, 2, 12, 2, 12, 12, 2, 12]
    for polygons in (
        [[1, 2, 3, 4, 5]],
        [square, [1, 2, 3, 4]],
        [[*square, 7], [1, 2, 3, 4, 5]],
    ):
        annotation["segmentation"] = polygons
        [ours] = read_truth(content, CATEGORY_IDS, "truth").masks
        parts = coco_mask.frPyObjects(polygons, image["height"], image["width"])
        theirs = coco_mask.merge(parts)
        assert (coco_mask.decode(ours) == coco_mask.decode(theirs)).all()
        assert coco_mask.area(ours) == (100 if len(polygons) > 1 else 0)


def test_a_far_polygon_takes_no_memory_in_evaluation():
    content, _ = random_set()
    image, annotation = content["images"][0], content["annotations"][0]
    annotation |= {
        "image_id": image["id"],
        "segmentation": [[-1e9, 5, 1e9, 5, 1e9, 1e9, -1e9, 1e9]],
    }
    content["annotations"] = [annotation]
    [rle] = read_truth(content, CATEGORY_IDS, "truth").masks
    assert coco_mask.area(rle) == (image["height"] - 5) * image["width"]
    annotation["segmentation"] = [[float("nan"), 5, 6, 7, 8, 9]]
    with pytest.raises(ValueError, match=r"truth: an object of image \d+: .*not finite"):
        _ = read_truth(content, CATEGORY_IDS, "truth").masks


def test_an_object_without_a_mask(tmp_path):
    content, found = random_set()
    content["annotations"][3]["segmentation"] = []
    metric = CocoMetric(write(tmp_path, content), metric="segm")
    with pytest.raises(ValueError, match=r"annotations\.json: .* has no segmentation"):
        measured(metric, as_samples(content, found))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (dict(metric="mask"), "metric must be one of .*, got 'mask'"),
        (dict(metric="seg"), "got 'seg'; did you mean 'segm'"),
        (dict(proposal_nums=500), "proposal_nums must be positive, got 500; expected a list"),
        (dict(format_only=True), "format_only=True needs outfile_prefix"),
        (dict(proposal_nums=(0, 10)), r"proposal_nums must be positive, got \[0, 10\]"),
        (dict(metric_items=["mAP_90"]), r"metric_items has \['mAP_90'\].*mAP_75"),
        (dict(metric_items=["AR@300"], proposal_nums=(1, 10, 100)), "AR@300.*AR@100"),
        (dict(backend="mine"), "backend must be one of"),
    ],
    ids=str,
)
def test_keys_that_cannot_be(data, keys, message):
    with pytest.raises(ValueError, match=message):
        CocoMetric(data[0], **keys)
