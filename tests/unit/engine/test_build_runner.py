"""A config's runner and strategy: what cannot work is refused by name."""

import pytest
from mmengine.config import Config

from condinst.engine.build_runner import build_runner, build_test_runner

FLEXIBLE = dict(runner_type="FlexibleRunner", launcher="pytorch")
EMA = dict(type="EMAHook")
CASES = [
    (dict(runner_type="FlexibelRunner"), "did you mean 'FlexibleRunner'"),
    (dict(runner_type=3), "runner_type=3"),
    (dict(strategy=dict(type="FSDPStrategy")), "needs runner_type='FlexibleRunner', got None"),
    (FLEXIBLE | dict(strategy="FSDP"), "expected a dict with a type"),
    (FLEXIBLE | dict(strategy=dict(type="FSDPStrateg")), "did you mean 'FSDPStrategy'"),
    (dict(FLEXIBLE, launcher="none", strategy=dict(type="FSDPStrategy")), "several processes"),
    (FLEXIBLE | dict(strategy=dict(type="SingleDeviceStrategy")), "is for one process"),
    (
        FLEXIBLE | dict(strategy=dict(type="FSDPStrategy", state_dict_cfg="local")),
        "expected 'full'",
    ),
    (FLEXIBLE | dict(strategy=dict(type="FSDPStrategy"), custom_hooks=[EMA]), "EMAHook"),
    (
        FLEXIBLE
        | dict(strategy=dict(type="FSDPStrategy"), custom_hooks=[dict(type="BoxTeacherHook")]),
        "has BoxTeacherHook, which copies the whole model",
    ),
]


@pytest.mark.parametrize(("settings", "message"), CASES)
def test_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        build_runner(Config(settings))


@pytest.mark.parametrize("package", ["deepspeed", "colossalai"])
def test_a_package_that_is_not_installed(package, monkeypatch):
    kind = {"deepspeed": "DeepSpeedStrategy", "colossalai": "ColossalAIStrategy"}[package]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        build_runner(Config(FLEXIBLE | dict(strategy=dict(type=kind))))


def test_a_test_refuses_an_unknown_runner_too():
    with pytest.raises(ValueError, match="did you mean 'FlexibleRunner'"):
        build_test_runner(Config(dict(runner_type="FlexibelRunner")))
