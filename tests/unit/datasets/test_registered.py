import mmdet.registry
import pytest
from mmdet.datasets.transforms import InferencerLoader
from mmengine.registry import DefaultScope

import condinst.datasets
from condinst.registry import TRANSFORMS

OURS = {
    "LoadAnnotations": {},
    "LoadImageFromFile": {},
    "PackDetInputs": {},
    "Resize": {"scale": (64, 64)},
}


@pytest.mark.parametrize("name", OURS)
def test_ours_win_in_our_scope_and_have_a_prefix_elsewhere(name):
    ours, options = getattr(condinst.datasets, name), OURS[name]
    registry = mmdet.registry.TRANSFORMS
    with DefaultScope.overwrite_default_scope("condinst"):
        assert type(TRANSFORMS.build({"type": name, **options})) is ours
        assert type(registry.build({"type": name, **options})) is ours
    with DefaultScope.overwrite_default_scope("mmdet"):
        assert type(registry.build({"type": f"condinst.{name}", **options})) is ours
        assert type(registry.build({"type": name, **options})) is not ours


def test_scales_to_choose_from_resize_with_ours():
    with DefaultScope.overwrite_default_scope("condinst"):
        choice = TRANSFORMS.build({"type": "RandomChoiceResize", "scales": [(64, 64)]})
    assert type(choice.resize) is condinst.datasets.Resize


def test_mmdet_s_inferencer_reads_files_with_ours():
    with DefaultScope.overwrite_default_scope("condinst"):
        assert type(InferencerLoader().from_file) is condinst.datasets.LoadImageFromFile
