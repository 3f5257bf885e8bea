import mmdet.registry
import pytest
from mmdet.datasets.transforms import InferencerLoader
from mmengine.registry import DefaultScope

import condinst.datasets
from condinst.registry import TRANSFORMS

OURS = ["LoadAnnotations", "LoadImageFromFile", "PackDetInputs", "Resize"]


@pytest.mark.parametrize("name", OURS)
def test_ours_win_in_our_scope_and_have_a_prefix_elsewhere(name):
    ours = getattr(condinst.datasets, name)
    registry = mmdet.registry.TRANSFORMS
    with DefaultScope.overwrite_default_scope("condinst"):
        assert type(TRANSFORMS.build({"type": name})) is ours
        assert type(registry.build({"type": name})) is ours
    with DefaultScope.overwrite_default_scope("mmdet"):
        assert type(registry.build({"type": f"condinst.{name}"})) is ours
        assert type(registry.build({"type": name})) is not ours


def test_mmdet_s_inferencer_reads_files_with_ours():
    with DefaultScope.overwrite_default_scope("condinst"):
        assert type(InferencerLoader().from_file) is condinst.datasets.LoadImageFromFile
