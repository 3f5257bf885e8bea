import copy
import json

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations as MMDetLoadAnnotations
from mmdet.models import DetDataPreprocessor
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.registry import init_default_scope
from pycocotools import mask as coco_mask

from condinst.datasets import LoadAnnotations
from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS

HEIGHT, WIDTH = 60, 80
BOXES = [[4, 6, 24, 36], [30, 10, 70, 50], [50, 20, 75, 55]]


def rectangle(box: list[int]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    return mask


def as_polygon(box):
    x1, y1, x2, y2 = box
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def as_rle(box):
    rle = coco_mask.encode(np.asfortranarray(rectangle(box)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def as_uncompressed(box):
    column = rectangle(box).T.ravel()
    edges = np.flatnonzero(np.diff(column)) + 1
    runs = np.diff(np.concatenate([[0], edges, [column.size]]))
    return {"size": [HEIGHT, WIDTH], "counts": runs.tolist()}


def image(kinds, crowds=()):
    rng = np.random.default_rng(0)
    instances = [
        {"bbox": box, "bbox_label": i, "ignore_flag": int(i in crowds), "mask": kind(box)}
        for i, (box, kind) in enumerate(zip(BOXES, kinds, strict=True))
    ]
    return {
        "img_path": "street.jpg",
        "img": rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8),
        "ori_shape": (HEIGHT, WIDTH),
        "img_shape": (HEIGHT, WIDTH),
        "height": HEIGHT,
        "width": WIDTH,
        "instances": instances,
    }


def load(kinds, crowds=(), **options):
    transform = LoadAnnotations(with_bbox=True, with_mask=True, poly2mask=False, **options)
    return transform(image(kinds, crowds))


def test_polygons_stay_polygons():
    results = load([as_polygon] * 3)
    assert isinstance(results["gt_masks"], PolygonMasks)
    assert not results["gt_ignore_flags"].any()
    assert (results["gt_masks"].to_ndarray() == [rectangle(box) for box in BOXES]).all()


@pytest.mark.parametrize(
    "kinds",
    [
        [as_rle] * 3,
        [as_uncompressed] * 3,
        [as_polygon, as_rle, as_uncompressed],
        [as_polygon, as_polygon, as_rle],
    ],
)
def test_rle_of_both_kinds_and_mixes_are_learned_from(kinds):
    results = load(kinds)
    assert isinstance(results["gt_masks"], BitmapMasks)
    assert not results["gt_ignore_flags"].any()
    assert (results["gt_masks"].masks == [rectangle(box) for box in BOXES]).all()


def test_a_crowd_in_rle_keeps_the_image_in_polygons():
    ours = load([as_polygon, as_polygon, as_uncompressed], crowds=[2])
    theirs = MMDetLoadAnnotations(with_bbox=True, with_mask=True, poly2mask=False)(
        image([as_polygon, as_polygon, as_uncompressed], crowds=[2])
    )
    assert isinstance(ours["gt_masks"], PolygonMasks)
    assert ours["gt_ignore_flags"].tolist() == theirs["gt_ignore_flags"].tolist() == [0, 0, 1]
    assert (ours["gt_masks"].to_ndarray() == theirs["gt_masks"].to_ndarray()).all()


@pytest.mark.parametrize("segmentation", [[[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]], [], None])
@pytest.mark.parametrize("others", [as_polygon, as_rle])
def test_an_instance_without_a_usable_polygon_is_ignored(segmentation, others):
    results = load([lambda box: segmentation, others, others])
    assert results["gt_ignore_flags"].tolist() == [True, False, False]
    expected = [rectangle(box) for box in BOXES]
    assert (results["gt_masks"].to_ndarray()[1:] == expected[1:]).all()


def test_poly2mask_gives_bitmaps_like_mmdet():
    kinds = [as_polygon, as_rle, as_uncompressed]
    ours = LoadAnnotations(with_mask=True)(image(kinds))
    theirs = MMDetLoadAnnotations(with_mask=True)(image(kinds))
    assert (ours["gt_masks"].masks == theirs["gt_masks"].masks).all()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (lambda box: {**as_rle(box), "size": [WIDTH, HEIGHT]}, r"size \[80, 60\]"),
        (lambda box: {**as_rle(box), "counts": as_rle(box)["counts"][:-1]}, "its counts are"),
        (lambda box: [1, 2, 3, 4, 5, 6], "list of polygons"),
    ],
)
def test_a_malformed_segmentation_names_image_and_annotation(kind, message):
    with pytest.raises(ValueError, match=r"street\.jpg: annotation 2 of 3 .*label 1.*" + message):
        load([as_polygon, kind, as_polygon])


def test_an_image_without_instances():
    results = {"ori_shape": (HEIGHT, WIDTH), "img_path": "empty.jpg", "instances": []}
    loaded = LoadAnnotations(with_mask=True, poly2mask=False)(results)
    assert len(loaded["gt_masks"]) == 0
    assert loaded["gt_bboxes"].shape == (0, 4)


def test_both_kinds_pass_the_later_stages_in_one_batch():
    init_default_scope("condinst")
    steps = [
        {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True, "poly2mask": False},
        {"type": "RandomChoiceResize", "scales": [(160, 120)], "keep_ratio": True},
        {"type": "RandomFlip", "prob": 1.0},
        {"type": "FilterAnnotations", "by_mask": True, "min_gt_mask_area": 1},
        {"type": "PackDetInputs"},
    ]
    pipeline = [TRANSFORMS.build(step) for step in steps]
    packed = []
    for kinds in ([as_polygon] * 3, [as_rle, as_polygon, as_uncompressed]):
        results = image(kinds)
        for step in pipeline:
            results = step(results)
        packed.append(results)
    batch = {key: [item[key] for item in packed] for key in ("inputs", "data_samples")}
    preprocessor = DetDataPreprocessor(pad_size_divisor=32, pad_mask=True)
    samples = preprocessor(copy.deepcopy(batch), training=True)["data_samples"]

    kept = [type(sample.gt_instances.masks) for sample in samples]
    assert kept == [PolygonMasks, CropMasks]
    tensors = [s.gt_instances.masks.to_tensor(torch.uint8, "cpu") for s in samples]
    assert [tensor.shape for tensor in tensors] == [(3, 128, 160)] * 2
    doubled = [np.kron(rectangle(box), np.ones((2, 2), np.uint8))[:, ::-1] for box in BOXES]
    for tensor in tensors:
        assert (tensor[:, :120].numpy() == doubled).all()
        assert not tensor[:, 120:].any()


def test_equals_mmdet_on_real_images(datasets):
    folder = datasets / "coco_tiny"
    for split in ("train2017", "val2017"):
        dataset = CocoDataset(
            data_root=str(folder),
            ann_file=f"annotations/instances_{split}.json",
            data_prefix={"img": split},
        )
        crowds = 0
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            info["ori_shape"] = (info["height"], info["width"])
            options = {"with_mask": True, "poly2mask": False}
            ours = LoadAnnotations(**options)(copy.deepcopy(info))
            theirs = MMDetLoadAnnotations(**options)(copy.deepcopy(info))
            assert isinstance(ours["gt_masks"], PolygonMasks)
            assert (ours["gt_ignore_flags"] == theirs["gt_ignore_flags"]).all()
            assert (ours["gt_bboxes_labels"] == theirs["gt_bboxes_labels"]).all()
            assert torch.equal(ours["gt_bboxes"].tensor, theirs["gt_bboxes"].tensor)
            pairs = zip(ours["gt_masks"].masks, theirs["gt_masks"].masks, strict=True)
            for our_polygons, their_polygons in pairs:
                assert len(our_polygons) == len(their_polygons)
                for ours_one, theirs_one in zip(our_polygons, their_polygons, strict=True):
                    assert np.array_equal(ours_one, theirs_one)
            crowds += int(ours["gt_ignore_flags"].sum())
        annotations = json.loads((folder / f"annotations/instances_{split}.json").read_text())
        assert crowds == sum(a["iscrowd"] for a in annotations["annotations"]) > 0
