"""What is said of a COCO file, and what is kept and learned of it."""

import copy
import json

import numpy as np
import pytest
from checked_project import Project, drop, set_annotation, set_images
from mmdet.datasets import CocoDataset

from condinst.datasets import LoadAnnotations
from condinst.datasets.checks.split_file import SplitFile
from condinst.datasets.coco.coco_file import read_coco_file


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


ISSUES = {
    "image id twice": (lambda d: set_images(d, id=1), "images: ids used more than once: 1"),
    "annotation id twice": (
        lambda d: set_annotation(d, id=6),
        "annotations: ids used more than once: 6",
    ),
    "category id twice": (
        lambda d: d["categories"][1].update(id=10),
        "categories: ids used more than once: 10",
    ),
    "unknown image": (
        lambda d: set_annotation(d, image_id=77),
        "1 annotations point to an image id that the file does not have: annotation ids 3 "
        "(image_id 77)",
    ),
    "unknown category": (
        lambda d: set_annotation(d, category_id=77),
        "1 annotations point to a category id that the file does not have: annotation ids 3 "
        "(category_id 77)",
    ),
    "no images": (lambda d: drop(d, "images"), "none under images (keys: categories, annotations)"),
    "no categories": (lambda d: drop(d, "categories"), "none under categories"),
    "no annotations": (lambda d: drop(d, "annotations"), "expected the key annotations"),
    "image without a size": (
        lambda d: drop(d["images"][2], "width"),
        "images without a usable height and width (condinst doctor --data FILE --fix FOLDER takes "
        "them from the image files): id 3: width missing (images[2])",
    ),
    "annotation without a box": (
        lambda d: drop(d["annotations"][3], "bbox"),
        "annotations[3] needs the keys id, image_id, category_id, bbox, area, got",
    ),
    "box of three numbers": (
        lambda d: set_annotation(d, bbox=[1, 2, 3]),
        "annotations, id 3: expected 4 number(s), got [1, 2, 3]",
    ),
    "size of zero": (lambda d: set_images(d, height=0), "height got 0"),
    "flat polygon": (
        lambda d: set_annotation(d, segmentation=[1, 2, 3, 4, 5]),
        "1 annotations whose segmentation is neither RLE (a dict) nor a list of polygons",
    ),
    "rle of another size": (
        lambda d: set_annotation(d, segmentation={"size": [60, 40], "counts": [2400]}),
        "1 annotations with a malformed RLE: id 3: its RLE is of size [60, 40]",
    ),
    "rle too short": (
        lambda d: set_annotation(d, segmentation={"size": [40, 60], "counts": [100]}),
        "id 3: its RLE counts cover 100 pixels, the image has 2400",
    ),
    "an empty list of images": (lambda d: d["images"].clear(), "the file has no images"),
    "only crowds": (
        lambda d: [a.update(iscrowd=1) for a in d["annotations"]],
        "no annotation to learn from: skipped or ignored: 6 crowds",
    ),
    "no masks": (
        lambda d: [a.update(segmentation=[]) for a in d["annotations"]],
        "the config trains masks (LoadAnnotations with_mask=True) and no annotation has a usable",
    ),
    "nothing after the filter": (
        lambda d: d["annotations"].clear(),
        "no image is left of 4 after filter_cfg={'filter_empty_gt': True}: 0 of 0 annotations",
    ),
    "class missing": (
        lambda d: d["categories"][2].update(name="Sheeps"),
        "does not have: 'sheep' (closest: 'Sheeps'); the file's categories are 'cat', 'dog', 'She",
    ),
    "name twice": (
        lambda d: d["categories"].append({"id": 99, "name": "cat"}),
        "categories of the same name under several ids: cat",
    ),
    "other order": (
        lambda d: d["categories"].reverse(),
        "write them in the file's order: classes=('sheep', 'dog', 'cat',)",
    ),
}


@pytest.mark.parametrize("name", ISSUES)
def test_an_issue_of_the_file_is_named(project, name):
    change, message = ISSUES[name]
    change(project.data)
    project.write("train.json")
    project.fails(f"{project.root}/train.json: ", message)


def test_a_class_that_the_config_names_twice(project):
    project.train.metainfo.classes = ("cat", "dog", "cat", "sheep")
    project.fails(
        f"{project.root}/train.json: metainfo.classes names 'cat' 2 times, at [0], [2]; expected "
        "each name once"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "file not found"),
        (b"", "not JSON: Expecting value at line 1 column 1 (character 0 of 0)"),
        (b'{"images": [],\n "categories" []}', "not JSON: Expecting ':' delimiter at line 2"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1, 2]", "not COCO's layout: the top level is a list, not a dict"),
    ],
)
def test_a_file_that_is_not_json_is_named(project, content, message):
    (project.root / "train.json").unlink()
    if content is not None:
        (project.root / "train.json").write_bytes(content)
    project.fails(f"train_dataloader.dataset: {project.root}/train.json: {message}")


def dirty_copy(data: dict) -> dict:
    """Every kind of annotation that upstream skips, ignores or keeps, at random."""
    rng = np.random.default_rng(0)
    changes = [
        {"iscrowd": 1},
        {"ignore": 1},
        {"area": 0},
        {"bbox": [10, 10, 0.5, 20]},
        {"bbox": [5000, 10, 20, 20]},
        {"bbox": [-30, 10, 20, 20]},
        {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": []},
    ]
    data = copy.deepcopy(data)
    for ann in data["annotations"]:
        if rng.random() < 0.5:
            ann.update(changes[rng.integers(len(changes))])
    with_rle = {a["image_id"] for a in data["annotations"] if isinstance(a["segmentation"], dict)}
    next(image for image in data["images"] if image["id"] not in with_rle)["width"] = 31
    return data


def test_what_is_kept_and_learned_is_what_mmdet_keeps_and_our_loader_learns(tmp_path, datasets):
    """Image by image, on real annotations with every issue mixed in."""
    path = datasets / "coco_tiny" / "annotations" / "instances_train2017.json"
    data = dirty_copy(json.loads(path.read_text()))
    (tmp_path / "dirty.json").write_text(json.dumps(data))
    filter_cfg = {"filter_empty_gt": True, "min_size": 32}
    dataset = CocoDataset(
        ann_file=str(tmp_path / "dirty.json"), data_prefix={"img": ""}, filter_cfg=filter_cfg
    )
    loader = LoadAnnotations(with_bbox=True, with_mask=True, poly2mask=False)
    learned, crowds = {}, 0
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        crowds += sum(instance["ignore_flag"] for instance in info["instances"])
        info["ori_shape"] = (info["height"], info["width"])
        learned[info["img_id"]] = int((~loader(info)["gt_ignore_flags"]).sum())

    split = SplitFile(
        file=read_coco_file(str(tmp_path / "dirty.json")),
        classes=dataset.metainfo["classes"],
        own_classes=True,
        num_classes=80,
        prefix=None,
        filter_cfg=filter_cfg,
        test_mode=False,
        training=True,
        needs_masks=True,
    )
    counts = split.count_per_image(split.learnable).tolist()
    kept = zip(split.file.image_ids, split.kept, counts, strict=True)
    assert {image_id: count for image_id, keep, count in kept if keep} == learned
    assert 0 < len(learned) < len(data["images"])
    assert crowds > 0
    assert [mask.sum() > 0 for mask in split.skipped.values()] == [True] * 3
