"""Recipes for small data: equal time, runs that are not repeated, and refusals at the start."""

import json

import numpy as np
import pytest
import timm
import torch
from mmengine.config import Config
from PIL import Image

from benchmarks import runs, small_data
from benchmarks.runs import Results
from benchmarks.small_data_plan import plan, possible

SECONDS = {"baseline": 2.5, "ema": 3.0}  # CPU time of an iteration


@pytest.fixture
def dsb2018(tmp_path):
    """Return a folder of 6 images of two squares, 3 for validation, and broken test images."""
    root = tmp_path / "set"
    for kind in ("images", "masks"):
        (root / "train" / kind).mkdir(parents=True)
    for place, name in enumerate("abcdef"):
        labels = np.zeros((48, 64), np.uint16)
        labels[2:14, 2:16], labels[20:36, 30 + place : 44 + place] = 300, 7
        Image.fromarray(labels).save(root / "train" / "masks" / f"{name}.png")
        image = np.where(labels > 0, 200, 20 + place).astype(np.uint8)
        Image.fromarray(image).save(root / "train" / "images" / f"{name}.png")
    (root / "validation.json").write_text(json.dumps({"validation": ["b", "d", "f"]}))
    for kind in ("images", "masks"):
        (root / "test" / kind).mkdir(parents=True)
        (root / "test" / kind / "z.png").write_text("not to be read")
    return root


def words(tmp_path, *more, weights="weights.pth"):
    path = tmp_path / "weights.pth"
    if not path.is_file():
        path.touch()
    paths = ["--results", tmp_path / "small.json", "--work", tmp_path / "work"]
    return [str(w) for w in (*paths, "--weights", tmp_path / weights, *more)]


@pytest.fixture
def machine(monkeypatch):
    """Replace trainings and tests by their results; return what was trained, and the speed."""
    state = dict(trained=[], factor=1.0, processor="A", probes=0)

    def train(cfg, folder, *more):
        state["probes"] += 1
        name = "ema" if cfg.custom_hooks else "baseline"  # reports are left out
        return 15 + state["factor"] * SECONDS[name] * cfg.max_iters

    def train_once(cfg, place, key, *more):
        state["trained"].append((place.name, cfg.max_iters))
        return dict(cpu_minutes=25.0, minutes=13.0, checkpoint=place / "a.pth")

    def measure(cfg, checkpoint, folder):
        quality = cfg.model.test_cfg.get("mask_quality")
        return dict(mask_ap=0.25 if quality else 0.5, box_ap=0.5)

    def environment():
        return dict(date="2026-12-01", processor=state["processor"], cores=2, torch="t", commit="c")

    monkeypatch.setattr(small_data, "_problems", lambda *_: [])
    for function in (train, train_once, measure, environment):
        monkeypatch.setattr(runs, function.__name__, function)
    return state


def test_recipes_have_equal_time_also_on_another_machine(tmp_path, machine):
    call = words(tmp_path, "--dataset", f"nuclei={tmp_path}", "--cpu-minutes", 30, "--recipes")
    small_data.main([*call, "baseline", "longer", "--seeds", "0"])
    # 1800 seconds of 2.5
    assert machine["trained"] == [("baseline_seed_0", 720), ("longer_seed_0", 1080)]
    assert machine["probes"] == 2
    # another machine needs twice the time for everything: the seeds stay alike
    machine.update(factor=2.0, processor="B")
    small_data.main([*call, "baseline", "ema", "longer", "--seeds", "0", "1"])
    assert machine["trained"][2:] == [
        ("ema_seed_0", 600),  # 1800 seconds of 3.0
        ("baseline_seed_1", 720),
        ("ema_seed_1", 600),
        ("longer_seed_1", 1080),
    ]
    assert machine["probes"] == 2 + 4
    small_data.main([*call, "baseline", "ema", "longer", "--seeds", "0", "1"])
    assert len(machine["trained"]) == 6


def test_what_changes_the_test_alone_is_measured_with_the_same_weights(tmp_path, machine, capsys):
    call = words(tmp_path, "--dataset", f"nuclei={tmp_path}", "--iterations", 80, "--seeds", 0)
    small_data.main([*call, "--recipes", "baseline", "maskness", "ema"])
    assert machine["trained"] == [("baseline_seed_0", 80), ("ema_seed_0", 80)]
    assert machine["probes"] == 0
    found = Results(tmp_path / "small.json").find("runs", budget="80 iterations")
    assert [(r["recipe"], r["parts"], r["mask_ap"]) for r in found] == [
        ("baseline", ["baseline"], 0.5),
        ("maskness", ["maskness"], 0.25),
        ("ema", ["ema"], 0.5),
    ]
    small_data.main([*call, "--recipes", "baseline", "ema+maskness", "--plan"])
    assert capsys.readouterr().out.splitlines()[-1] == "nuclei ema+maskness seed 0"
    # other settings are other runs
    small_data.main(
        [*call, "--recipes", "baseline", "--cfg-options", "model.test_cfg.score_thr=0.1"]
    )
    assert machine["trained"][2:] == [("baseline_seed_0", 80)]
    assert (tmp_path / "small.md").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--dataset: expected at least one NAME=FOLDER"),
        (["--dataset", "cells=here"], "--dataset cells=here: expected NAME=PATH"),
        (["--dataset", "nuclei=nowhere"], "there is no such folder"),
        (["--dataset", "nuclei=.", "--recipes", "emma"], "emma: expected recipes of baseline"),
        (["--dataset", "coco_small=.", "--recipes", "weak_end"], "coco_small: weak_end: the pipe"),
        (
            ["--dataset", "dsb2018=.", "--config", "dsb2018=configs/small/rtmdet-ins_tiny.py"],
            "load_from is set",
        ),
    ],
)
def test_what_cannot_run_is_refused_at_the_start(tmp_path, capsys, monkeypatch, more, message):
    monkeypatch.chdir(runs.ROOT)
    with pytest.raises(SystemExit):
        small_data.main(words(tmp_path, *more))
    assert message in capsys.readouterr().err


def test_an_error_of_a_training_is_found_before_the_first(dsb2018, tmp_path, capsys):
    call = words(tmp_path, "--dataset", f"dsb2018={dsb2018}", "--recipes", "baseline")
    options = ["train_dataloader.dataset.ann_file=annotations/none.json", "model.neck.num_outs=x"]
    for option, message in zip(options, ("none.json", "num_outs"), strict=True):
        with pytest.raises(SystemExit):
            small_data.main([*call, "--cfg-options", option])
        assert message in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("name", small_data.DATASETS)
def test_every_recipe_builds_its_model_and_loads_images(datasets, dsb2018, tmp_path, name):
    folder = dsb2018 if name == "dsb2018" else datasets / name
    args, _ = small_data._parse(words(tmp_path, "--dataset", f"{name}={folder}"))
    chosen, _ = possible({name: Config.fromfile(args.configs[name])}, None)
    trainings = plan(chosen, [0])
    assert len(trainings) == (11 if name == "coco_small" else 12)
    assert small_data._problems(args, trainings) == []
    assert not list(tmp_path.rglob("instances_test.json"))


@pytest.mark.long
def test_from_label_maps_to_a_report(dsb2018, tmp_path):
    torch.save(timm.create_model("mobilenetv2_100").state_dict(), tmp_path / "weights.pth")
    call = words(tmp_path, "--dataset", f"dsb2018={dsb2018}", "--iterations", 4, "--seeds", 0)
    options = ["--cfg-options", "train_dataloader.batch_size=2"]
    small_data.main([*call, "--recipes", "all", *options])
    (found,) = Results(tmp_path / "small.json").find("runs", dataset="dsb2018", iterations=4)
    assert {"ema", "copy_paste", "freeze", "maskness"} < set(found["parts"])
    assert 0 <= found["mask_ap"] <= 1
    assert found["cpu_minutes"] > 0
    assert "all together: ema, scale_jitter" in (tmp_path / "small.md").read_text()
