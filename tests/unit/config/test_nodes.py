"""Names of types and datasets inside wrappers."""

import pytest
from mmdet.datasets.transforms import Resize

from condinst.config.nodes import dataset_layers, inner_dataset, type_name


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
