"""Names of types and datasets inside wrappers."""

import pytest
from mmdet.datasets.transforms import Resize

from condinst.config.nodes import dataset_layers, inner_dataset, leaf_datasets, type_name


@pytest.mark.parametrize(
    ("node", "name"),
    [
        (dict(type="Resize"), "Resize"),
        (dict(type="mmdet.Resize"), "Resize"),
        (dict(type=Resize), "Resize"),
        (Resize, "Resize"),
        ("mmdet.datasets.Resize", "Resize"),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_types_name_has_no_scope(node, name):
    assert type_name(node) == name


def test_wrappers_are_taken_off():
    inner = dict(type="CocoDataset", pipeline=[])
    assert inner_dataset(inner) is inner
    assert inner_dataset(dict(type="RepeatDataset", times=2, dataset=inner)) is inner
    nested = dict(type="RepeatDataset", dataset=dict(type="ConcatDataset", datasets=[inner, {}]))
    assert inner_dataset(nested) is inner
    assert inner_dataset(None) == {}
    concatenated = nested["dataset"]
    layers = list(dataset_layers(nested))
    assert [id(layer) for layer in layers] == [id(nested), id(concatenated), id(inner)]


def test_every_innermost_dataset_has_its_key_and_all_transforms():
    one, two = dict(type="A", pipeline=["load"]), dict(type="B")
    both = dict(type="ConcatDataset", datasets=[one, dict(type="RepeatDataset", dataset=two)])
    mixed = dict(type="MultiImageMixDataset", dataset=both, pipeline=["mosaic", "pack"])
    assert list(leaf_datasets(mixed, "d")) == [
        ("d.dataset.datasets[0]", one, ["load", "mosaic", "pack"]),
        ("d.dataset.datasets[1].dataset", two, ["mosaic", "pack"]),
    ]
    for odd in (None, "CocoDataset", dict(type="A", pipeline=3), dict(type="A", datasets=3)):
        assert list(leaf_datasets(odd, "d")) == [("d", odd, [])]
