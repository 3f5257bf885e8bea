"""The names that programs import stay where the docs say."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import condinst

PUBLIC = {
    "condinst": ["Predictor", "Results", "list_models", "__version__"],
    "condinst.convert": ["convert_file", "detect_layout", "to_condinst", "to_original"],
    "condinst.checkpoints": ["convert_file", "detect_layout", "to_condinst", "to_original"],
    "condinst.datasets": ["CocoDataset", "LoadAnnotations", "LoadImageFromFile", "RandomTile"],
    "condinst.datasets.shapes": ["make_shapes"],
    "condinst.deploy": ["OnnxPredictor", "OpenVinoPredictor"],
    "condinst.engine": ["ReportHook", "VisualizationHook"],
    "condinst.evaluation": ["CocoMetric"],
    "condinst.inference": ["Predictor", "optimize_for_inference"],
    "condinst.models": ["BoxInst", "CondInst"],
    "condinst.results": ["Results"],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names(module):
    for name in PUBLIC[module]:
        assert getattr(importlib.import_module(module), name) is not None
    assert set(PUBLIC[module]) <= set(importlib.import_module(module).__all__)


def test_every_name_of_every_package_exists():
    packages = [m.name for m in pkgutil.walk_packages(condinst.__path__, "condinst.") if m.ispkg]
    assert len(packages) > 25
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            found = getattr(module, name)
            # a function must not hide behind the module of its name
            assert type(found).__name__ != "module", f"{package}.{name}"
