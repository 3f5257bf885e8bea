"""Test that our dataset returns mmdet's samples."""

import copy
import json

import pytest
from mmdet.datasets import CocoDataset as MmdetCocoDataset
from mmengine.config import Config
from PIL import Image

from condinst.datasets import CocoDataset, LoadAnnotations
from condinst.datasets.checks import checks
from condinst.datasets.checks.checks import check_datasets
from condinst.datasets.coco import coco_file
from condinst.datasets.coco.file_cache import forget_files
from condinst.registry import DATASETS

SQUARE = [[10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]]
REAL = [
    ("coco_tiny/annotations/instances_train2017.json", None),
    ("coco_small/annotations/instances_train2017.json", None),
    ("coco_small/annotations/instances_val2017.json", ("person", "dog", "tv")),
    ("nuclei/annotations/instances_train.json", ("nucleus",)),
]


def infos(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.mark.parametrize(("name", "classes"), REAL)
@pytest.mark.parametrize("options", [{}, {"test_mode": True, "serialize_data": False}])
def test_every_field_is_mmdets(datasets, name, classes, options):
    path = datasets / name
    keys = dict(
        ann_file=str(path),
        data_prefix={"img": "images/"},
        filter_cfg={"filter_empty_gt": True, "min_size": 32},
        **options,
    )
    if classes:
        keys["metainfo"] = {"classes": classes}
    ours, theirs = CocoDataset(**keys), MmdetCocoDataset(**keys)
    assert len(ours) == len(theirs) > 10
    assert infos(ours) == infos(theirs)
    assert ours.cat_ids == theirs.cat_ids
    assert ours.cat2label == theirs.cat2label
    used = {key: ids for key, ids in theirs.cat_img_map.items() if ids}
    assert {key: ids for key, ids in ours.cat_img_map.items() if ids} == used
    assert [ours.get_cat_ids(i) for i in range(9)] == [theirs.get_cat_ids(i) for i in range(9)]


def coco():
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 40, "width": 60} for i in (1, 2)],
        "categories": [{"id": 5, "name": "cat"}],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 5,
                "bbox": [10, 10, 20, 20],
                "area": 400,
                "iscrowd": 0,
                "segmentation": SQUARE,
            }
            for i in (1, 2)
        ],
    }


@pytest.fixture
def config(tmp_path):
    """A config for the file a.json beside two images."""
    for number in (1, 2):
        Image.new("RGB", (60, 40)).save(tmp_path / f"{number}.png")
    dataset = dict(
        type="CocoDataset",
        ann_file=str(tmp_path / "a.json"),
        data_prefix=dict(img=str(tmp_path)),
        metainfo=dict(classes=("cat",)),
        pipeline=[
            dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
        ],
    )
    cfg = Config(
        dict(
            default_scope="condinst",
            model=dict(bbox_head=dict(num_classes=1)),
            train_dataloader=dict(dataset=dataset),
        )
    )
    yield cfg
    forget_files()


def write(cfg, data):
    with open(cfg.train_dataloader.dataset.ann_file, "w") as file:
        json.dump(data, file)


def build(cfg):
    return DATASETS.build({**cfg.train_dataloader.dataset, "pipeline": []})


def test_what_is_fixed_is_noted_and_trained_on(config):
    data = coco()
    data["annotations"][0] |= {"iscrowd": "0", "bbox": ["10", 10, 20, 20]}
    data["annotations"][1]["segmentation"] = [[[10, 10], [30, 10], [30, 30], [10, 30]]]
    write(config, data)
    notes = "\n".join(check_datasets(config).notes)
    assert "1 numbers written as text, read as numbers: id 1: bbox" in notes
    assert "1 values of iscrowd or ignore written as text, read as 0 or 1: id 1" in notes
    assert "1 polygons written as [x, y] pairs, read as polygons: id 2" in notes
    found = infos(build(config))
    write(config, coco())
    assert found == infos(build(config))
    assert found[0]["instances"][0] == {
        "ignore_flag": 0,
        "bbox": [10, 10, 30, 30],
        "bbox_label": 0,
        "mask": SQUARE,
    }


def test_mmdets_class_fixes_nothing_and_is_refused(config):
    data = coco()
    data["annotations"][0]["iscrowd"] = "0"
    write(config, data)
    config.train_dataloader.dataset.type = "mmdet.CocoDataset"
    with pytest.raises(ValueError, match=r"mmdet's CocoDataset.*condinst\.CocoDataset.*iscrowd"):
        check_datasets(config)
    config.train_dataloader.dataset.type = "CocoDataset"
    config.default_scope = "mmdet"
    with pytest.raises(ValueError, match="reads the file without fixing"):
        check_datasets(config)
    write(config, coco())
    check_datasets(config)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "1 annotations without a segmentation, which mmdet's LoadAnnotations stops at"),
        ([[-1e6, -1e6, 1e6, 1e6] * 2000], "1 annotations with polygons too long to draw"),
    ],
)
def test_masks_that_mmdets_loader_does_not_survive(config, segmentation, message):
    data = coco()
    data["annotations"][0]["segmentation"] = segmentation
    write(config, data)
    check_datasets(config)
    config.train_dataloader.dataset.pipeline[0].type = "mmdet.LoadAnnotations"
    with pytest.raises(ValueError, match=message):
        check_datasets(config)


def test_a_file_with_issues_is_refused_by_name(config):
    data = coco()
    data["annotations"][1]["bbox"] = [10, 10, float("nan"), 20]
    write(config, data)
    with pytest.raises(ValueError, match=r"a\.json: (?s:.*)id 2: expected 4 number.*nan, 20\]"):
        build(config)
    with pytest.raises(ValueError, match=r"a\.json: (?s:.*)id 2: expected 4 number.*nan, 20\]"):
        check_datasets(config)


def test_a_checked_file_is_not_read_again_but_after_a_change(config, monkeypatch):
    read = []
    open_json = coco_file.open_json
    monkeypatch.setattr(coco_file, "open_json", lambda path: read.append(path) or open_json(path))
    write(config, coco())
    check_datasets(config)
    assert len(build(config)) == 2
    assert len(read) == 1
    build(config)
    assert len(read) == 2  # it is not kept for longer
    check_datasets(config)
    data = coco()
    data["annotations"].pop()
    write(config, data)
    assert [len(info["instances"]) for info in infos(build(config))] == [1, 0]


def test_a_long_outline_becomes_a_mask_once(config):
    """What no step of a pipeline could draw is drawn by the loader, within the image."""
    data = coco()
    data["annotations"][0]["segmentation"] = [[-1e6, 20, 1e6, 20, 1e6, 1e6, -1e6, 1e6] * 500]
    write(config, data)
    info = build(config).get_data_info(0) | {"ori_shape": (40, 60)}
    loaded = LoadAnnotations(with_bbox=True, with_mask=True, poly2mask=False)(copy.deepcopy(info))
    assert len(loaded["gt_masks"]) == 1
    assert loaded["gt_masks"].areas.tolist() == [0]  # 500 times around: even, so nothing
    info["instances"][0]["mask"] = [[-1e6, 20, 1e6, 20, 1e6, 1e6, -1e6, 1e6] * 501]
    loaded = LoadAnnotations(with_bbox=True, with_mask=True, poly2mask=False)(info)
    assert loaded["gt_masks"].areas.tolist() == [20 * 60]


def test_damaged_files_are_refused_or_load(datasets, config):
    """Each of the collected files: one message that names the file, or every sample."""
    folder = datasets / "cases" / "coco_json"
    paths = sorted(folder.glob("*.json"))
    assert len(paths) > 20
    dataset = config.train_dataloader.dataset
    dataset.data_prefix.img = str(folder / "shapes" / "val")
    sound = json.loads((folder / "shapes" / "annotations" / "instances_val.json").read_text())
    dataset.metainfo.classes = tuple(category["name"] for category in sound["categories"])
    config.model.bbox_head.num_classes = len(sound["categories"])
    loader = LoadAnnotations(with_bbox=True, with_mask=True, poly2mask=False)
    refused = []
    for path in paths:
        dataset.ann_file = str(path)
        try:
            checks.check_datasets(config)
        except ValueError as error:
            refused.append((str(path), str(error)))
            continue
        for info in infos(build(config)):
            loaded = loader({**info, "ori_shape": (info["height"], info["width"])})
            assert len(loaded["gt_masks"]) == len(info["instances"])
    assert 0 < len(refused) < len(paths)
    assert all(path in message and len(message) < 4000 for path, message in refused)


def test_objects_without_a_mask_are_boxes_alone_if_that_is_allowed(tmp_path):
    """No, an empty and an empty list of a segmentation; not a line of 2 points, nor a crowd."""
    data = coco()
    kinds = [None, [], [[]], [[1.0, 2, 3, 4]], SQUARE, []]
    data["annotations"] = [
        dict(data["annotations"][0], id=i, image_id=1, segmentation=mask, iscrowd=int(i == 5))
        for i, mask in enumerate(kinds)
    ]
    del data["annotations"][0]["segmentation"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    keys = dict(
        ann_file=str(path), data_prefix={"img": ""}, metainfo={"classes": ("cat",)}, pipeline=[]
    )
    found = CocoDataset(**keys, allow_box_only=True).get_data_info(0)["instances"]
    assert [each.get("box_only", False) for each in found] == [True] * 3 + [False] * 3
    assert [each["ignore_flag"] for each in found] == [0] * 5 + [1]
    loaded = LoadAnnotations(with_mask=True, poly2mask=False)(
        dict(instances=found, ori_shape=(40, 60), img_shape=(40, 60), img_path="1.png")
    )
    assert loaded["gt_ignore_flags"].tolist() == [False] * 3 + [True, False, True]
    assert loaded["gt_masks"].box_only.tolist() == [True] * 3 + [False] * 3
    plain = CocoDataset(**keys).get_data_info(0)["instances"]
    assert not any("box_only" in each for each in plain)
    assert infos(CocoDataset(**keys)) == infos(MmdetCocoDataset(**keys))
