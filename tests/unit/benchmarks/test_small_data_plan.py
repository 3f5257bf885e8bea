"""The order of the trainings, and what is measured with the weights of each."""

from mmengine.config import Config

from benchmarks.runs import ROOT
from benchmarks.small_data_plan import plan, possible

CONFIGS = {
    "nuclei": "nuclei/nuclei_condinst_mobilenetv2_fpn.py",
    "coco_small": "coco_small/coco-small_condinst_mobilenetv2_fpn.py",
}


def read(*names):
    return {name: Config.fromfile(ROOT / "configs" / CONFIGS[name]) for name in names}


def test_baseline_and_all_come_first_and_seed_0_before_the_others():
    chosen, left_out = possible(read("nuclei", "coco_small"), None)
    (reason,) = left_out
    assert reason.startswith("coco_small: weak_end: the pipeline has none of")
    found = plan(chosen, [0, 1])
    assert [str(one) for one in found[:5]] == [
        "nuclei baseline, maskness seed 0",
        "coco_small baseline, maskness seed 0",
        "nuclei all seed 0",
        "coco_small all seed 0",
        "nuclei ema seed 0",
    ]
    # what one of the datasets refuses is left out there
    assert "weak_end" in found[2].parts
    assert set(found[2].parts) - set(found[3].parts) == {"weak_end"}
    assert "maskness" not in found[2].parts
    assert found[2].measured["all"][-1] == "maskness"
    # trainings of a seed: 12 recipes and all, of which one changes the test alone; 1 is refused
    assert len(found) == 2 * (2 * 12 - 1)
    assert [one.seed for one in found] == [0] * 23 + [1] * 23


def test_recipes_together_share_a_training_if_only_the_test_differs():
    names = ["ema", "freeze+ema", "ema+maskness", "maskness"]
    chosen, left_out = possible(read("coco_small"), names)
    assert left_out == []
    assert [(one.recipe, dict(one.measured)) for one in plan(chosen, [5])] == [
        ("ema", {"ema": ["ema"], "ema+maskness": ["ema", "maskness"]}),
        ("ema+freeze", {"freeze+ema": ["ema", "freeze"]}),
        ("baseline", {"maskness": ["maskness"]}),
    ]
    chosen, left_out = possible(read("coco_small"), ["ema+weak_end"])
    assert chosen == {"coco_small": {}}
    assert len(left_out) == 1
