"""Class-balanced datasets draw as LVIS's formula says, and wrappers pass every check."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from condinst.cli.browse_data import Browser
from condinst.datasets.checks.checks import check_datasets
from condinst.datasets.class_balance import spread_repeats

CLASSES = ("common", "rare", "rarest")
# 100 images, a class each: 89 common, 9 rare, 2 rarest
COUNTS = (89, 9, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("unbalanced")
    images, annotations = [], []
    labels = np.random.default_rng(0).permutation(np.repeat([1, 2, 3], COUNTS))
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(root / "a.png")
    for i, label in enumerate(labels, 1):
        images.append(dict(id=i, file_name=f"{i}.png", width=64, height=48))
        (root / f"{i}.png").write_bytes((root / "a.png").read_bytes())
        polygon = [4, 4, 40, 4, 40, 40, 4, 40]
        annotations.append(
            dict(
                id=i,
                image_id=i,
                category_id=int(label),
                bbox=[4, 4, 36, 36],
                area=36 * 36,
                iscrowd=0,
                segmentation=[polygon],
            )
        )
    categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / "ann.json").write_text(json.dumps(content))
    return root


def leaf(folder, **changes):
    return dict(
        type="CocoDataset",
        data_root=str(folder),
        ann_file="ann.json",
        data_prefix=dict(img=""),
        metainfo=dict(classes=CLASSES),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
            dict(type="PrepareMaskTargets"),
            dict(type="PackDetInputs"),
        ],
        **changes,
    )


def build(node):
    with DefaultScope.overwrite_default_scope("condinst"):
        return DATASETS.build(node)


def drawn(dataset):
    labels = [dataset.get_data_info(i)["instances"][0]["bbox_label"] for i in range(len(dataset))]
    counts = Counter(labels)
    return [counts[i] for i in range(3)]


def test_rare_classes_are_drawn_as_often_as_lvis_says(folder):
    """Threshold 0.1: f = 0.89, 0.09, 0.02; r = max(1, sqrt(0.1 / f)) = 1, 1.054, 2.236."""
    node = dict(type="ClassBalancedDataset", oversample_thr=0.1, dataset=leaf(folder))
    dataset = build(node)
    # 9 * 1.054 = 9.49 -> 9; 2 * 2.236 = 4.47 -> 4. mmengine has 89, 18 and 6
    assert drawn(dataset) == [89, 9, 4]
    assert drawn(build({**node, "oversample_thr": 0.5})) == [89, 21, 10]  # 21.2 and 10
    assert drawn(build({**node, "oversample_thr": 0.01})) == list(COUNTS)
    theirs = build({**node, "type": "mmengine.ClassBalancedDataset"})
    assert drawn(theirs) == [89, 18, 6]
    # whatever is drawn again is drawn as it is
    assert dataset[0]["inputs"].shape == (3, 48, 64)


def test_repeats_have_the_factor_as_their_mean():
    factors = [1.0, 1.3, 1.3, 2.75, 1.3, 2.75, 2.75, 2.75] * 100
    repeats = spread_repeats(factors)
    for factor in set(factors):
        own = [n for n, f in zip(repeats, factors, strict=True) if f == factor]
        assert sum(own) == pytest.approx(factor * len(own), abs=0.51)
        assert set(own) <= {math.floor(factor), math.ceil(factor)}


def wrapped(folder, kind):
    inner = leaf(folder)
    if kind == "RepeatDataset":
        return dict(type=kind, times=2, dataset=inner)
    if kind == "ConcatDataset":
        return dict(type=kind, datasets=[inner, leaf(folder)])
    if kind == "ClassBalancedDataset":
        return dict(type=kind, oversample_thr=0.1, dataset=inner)
    outer = inner["pipeline"][2:]
    inner["pipeline"] = inner["pipeline"][:2]
    return dict(type=kind, dataset=inner, pipeline=outer)


KINDS = ["RepeatDataset", "ConcatDataset", "ClassBalancedDataset", "MultiImageMixDataset"]


def config(node, stride=4, num_classes=3):
    return Config(
        dict(
            default_scope="condinst",
            model=dict(
                bbox_head=dict(num_classes=num_classes), mask_head=dict(mask_out_stride=stride)
            ),
            train_dataloader=dict(dataset=node),
        )
    )


@pytest.mark.parametrize("kind", KINDS)
def test_wrapped_data_are_checked_and_browsed(folder, kind):
    node = wrapped(folder, kind)
    with DefaultScope.overwrite_default_scope("condinst"):
        report = str(check_datasets(config(node), splits=("train",)))
        assert "100 images, 100 annotations, 3 classes" in report
        with pytest.raises(ValueError, match="num_classes is 5, the dataset has 3"):
            check_datasets(config(node, num_classes=5), splits=("train",))
        with pytest.raises(ValueError, match="PrepareMaskTargets has stride=4"):
            check_datasets(config(node, stride=2), splits=("train",))
    browser = Browser(config(node), "train", targets=True)
    assert browser.classes == CLASSES
    (view,) = browser.views(1)
    assert view.image.shape == (48, 64, 3)
    assert len(view.instances) == 1
    assert view.targets is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_image_in_wrapped_data_is_named(folder, kind, tmp_path):
    node = json.loads(json.dumps(wrapped(folder, kind)).replace('"img": ""', '"img": "gone/"'))
    with (
        DefaultScope.overwrite_default_scope("condinst"),
        pytest.raises(ValueError, match="100 of 100 images are missing"),
    ):
        check_datasets(config(node), splits=("train",))
