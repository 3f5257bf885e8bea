"""Learning from scratch on eight real images: ours beside mmdet's modules, same everything.

Takes a quarter of an hour on two cores, so it is opt-in: ``pytest -m slow tests/parity``.
"""

from __future__ import annotations

import pytest
from mmengine.runner import Runner

from benchmarks.eight_images import eight_images_config, write_subset
from benchmarks.learning import save_start

pytestmark = pytest.mark.long


@pytest.mark.slow
def test_eight_images_are_learned_as_well_as_by_mmdet(datasets, tmp_path, record_property):
    annotations = tmp_path / "eight.json"
    write_subset(datasets / "coco_tiny", annotations)
    cfg = eight_images_config(datasets / "coco_tiny", annotations)
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.load_from = str(tmp_path / "start.pth")
    cfg.randomness = dict(seed=0)
    save_start(cfg, tmp_path / "start.pth", 0)
    reached = {}
    for scope in ("condinst", "mmdet"):
        cfg.default_scope = scope
        cfg.work_dir = str(tmp_path / scope)
        cfg.experiment_name = f"{scope}_{tmp_path.name}"
        runner = Runner.from_cfg(cfg)
        runner.train()
        module = "condinst" if scope == "condinst" else "mmdet"
        assert type(runner.model).__module__.startswith(module)
        reached[scope] = runner.message_hub.get_scalar("val/coco/segm_mAP").current()
        record_property(f"segm_mAP_{scope}", reached[scope])
    print(reached)
    assert reached["condinst"] > 0.80
    assert reached["condinst"] > reached["mmdet"] - 0.02
