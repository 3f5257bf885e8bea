"""The config that tools/train.py runs, from its switches."""

from pathlib import Path

import pytest
import torch

from condinst.cli import train, values
from condinst.datasets.shapes.generator import make_shapes

SMALL = Path(__file__).resolve().parents[2] / "helpers" / "small_condinst.py"


@pytest.fixture
def work_dir(tmp_path) -> Path:
    """The folder of a run that drew its seed itself and was killed."""
    torch.save({"state_dict": {}, "meta": {"iter": 4, "seed": 1234}}, tmp_path / "iter_4.pth")
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_4.pth"))
    return tmp_path


@pytest.fixture
def shapes_root(tmp_path, monkeypatch) -> None:
    make_shapes(tmp_path / "shapes", num_train=1, num_val=1, size=64)
    monkeypatch.setenv("CONDINST_DATA_ROOT", f"{(tmp_path / 'shapes').as_posix()}/")


def config(work_dir, *arguments):
    return train.build_config(
        train.parse_args([str(SMALL), "--work-dir", str(work_dir), *arguments])
    )


def test_a_resumed_run_shuffles_with_the_seed_of_its_beginning(work_dir):
    """mmengine restores the seed only after the sampler was made with another."""
    resumed = config(work_dir, "--resume")
    assert resumed.resume is True
    assert resumed.load_from == str(work_dir / "iter_4.pth")
    assert resumed.randomness.seed == 1234
    named = config(work_dir / "new", "--resume", str(work_dir / "iter_4.pth"), "--deterministic")
    assert named.load_from == str(work_dir / "iter_4.pth")
    assert named.randomness == {"seed": 1234, "deterministic": True}


def test_a_seed_that_is_given_wins(work_dir):
    assert config(work_dir, "--resume", "--seed", "5").randomness.seed == 5
    assert config(work_dir, "--resume", "--cfg-options", "randomness.seed=6").randomness.seed == 6


def test_resuming_a_run_that_saved_nothing_begins_it(tmp_path):
    """And from the weights that the config begins with."""
    cfg = config(tmp_path, "--resume", "--cfg-options", "load_from=pretrained.pth")
    assert cfg.resume is False
    assert cfg.load_from == "pretrained.pth"
    assert "randomness" not in cfg


@pytest.mark.parametrize(
    ("arguments", "dtype", "scale"),
    [(["--amp"], "float16", "dynamic"), (["--amp", "bfloat16"], "bfloat16", 1.0)],
)
def test_mixed_precision(tmp_path, monkeypatch, arguments, dtype, scale):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    wrapper = config(tmp_path, *arguments).optim_wrapper
    assert (wrapper.type, wrapper.dtype) == ("AmpOptimWrapper", dtype)
    assert wrapper.loss_scale == scale


def test_mixed_precision_on_a_cpu_is_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wrapper = config(tmp_path, "--amp", "bfloat16").optim_wrapper
    assert wrapper.type == "condinst.CpuAmpOptimWrapper"
    with pytest.raises(ValueError, match="--amp float16 needs a GPU.*--amp bfloat16"):
        config(tmp_path, "--amp")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--amp"], "--amp float16 needs a GPU, but PyTorch finds none.*--amp bfloat16"),
        (
            ["--cfg-options", "optim_wrapper.type=AmpOptimWrapper"],
            "optim_wrapper.type='AmpOptimWrapper' needs a GPU.*'condinst.CpuAmpOptimWrapper'",
        ),
    ],
)
def test_a_missing_gpu_is_named_before_the_slow_steps(
    tmp_path, shapes_root, monkeypatch, arguments, expected
):
    """A driver may be there without a GPU."""
    monkeypatch.setattr(values, "_why_no_gpu", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(train, "build_config", None)  # is not called
    with pytest.raises(ValueError, match=expected):
        train.main([str(SMALL), "--work-dir", str(tmp_path), *arguments])


def test_networks_are_compiled_and_laid_out_on_demand(tmp_path):
    model = config(tmp_path).model
    assert "compile" not in model
    assert "channels_last" not in model
    model = config(tmp_path, "--compile", "--channels-last").model
    assert model.compile is True
    assert model.channels_last is True


@pytest.mark.parametrize("kind", ["BoxInst", "condinst.CondInst", "condinst.BoxInst"])
def test_every_model_of_ours_takes_the_switches(tmp_path, kind):
    cfg = config(tmp_path, "--channels-last", "--cfg-options", f"model.type={kind}")
    assert cfg.model.channels_last is True
    assert cfg.model.test_cfg.mask_format == "rle"


@pytest.mark.parametrize("kind", ["SOLO", "mmdet.CondInst"])
def test_the_switches_are_refused_for_other_models(tmp_path, kind):
    with pytest.raises(ValueError, match=f"--channels-last is for condinst.CondInst.*'{kind}'"):
        config(tmp_path, "--channels-last", "--cfg-options", f"model.type={kind}")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "rle"),
        (["model.test_cfg.mask_format=bool"], "bool"),
        (["val_evaluator.type=mmdet.LVISMetric"], None),
        (["default_hooks.visualization.draw=True"], None),
        (["model.type=mmdet.CondInst"], None),
    ],
)
def test_masks_are_rles_where_only_ap_is_taken_of_them(tmp_path, options, expected):
    cfg = config(tmp_path, *(["--cfg-options", *options] if options else []))
    assert cfg.model.test_cfg.get("mask_format") == expected


def test_the_learning_rate_scales_on_demand(tmp_path):
    assert config(tmp_path).auto_scale_lr.enable is False
    assert config(tmp_path, "--auto-scale-lr").auto_scale_lr.enable is True


def test_the_work_folder_is_named_after_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = train.build_config(train.parse_args([str(SMALL)]))
    assert Path(cfg.work_dir) == Path("work_dirs/small_condinst")


def test_no_workers_is_one_setting(tmp_path):
    """The published config keeps its workers; PyTorch refuses that of a loader that has none."""
    published = (
        Path(train.__file__).parents[2] / "configs/condinst_r50_fpn_ms-poly-90k_coco_instance.py"
    )
    words = ["train_dataloader.num_workers=0", "train_dataloader.prefetch_factor=2"]
    args = train.parse_args(
        [str(published), "--work-dir", str(tmp_path), "--cfg-options", *words],
    )
    cfg = train.build_config(args)
    names = ("num_workers", "persistent_workers", "prefetch_factor")
    settings = {name: cfg.train_dataloader[name] for name in names if name in cfg.train_dataloader}
    assert torch.utils.data.DataLoader([0], **settings).num_workers == 0
    assert cfg.val_dataloader.persistent_workers is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--time", "30"],
            "--time: expected a time such as 30m.*got '30'; a number needs its unit",
        ),
        (["--time=-5m"], "--time: expected a time such as 30m.*got '-5m'"),
        (["--early-stop", "0"], "--early-stop 0: expected 1 or more"),
    ],
)
def test_times_and_counts_that_are_none(monkeypatch, arguments, message):
    monkeypatch.setattr(train, "check_run", None)  # what comes next is not reached
    with pytest.raises(ValueError, match=message):
        train.train(train.parse_args([str(SMALL), *arguments]))


def test_early_stop(tmp_path):
    cfg = config(tmp_path, "--early-stop", "4")
    (hook,) = [hook for hook in cfg.custom_hooks if hook.type == "condinst.EarlyStopHook"]
    assert (hook.monitor, hook.patience) == ("coco/segm_mAP", 4)
    assert cfg.default_hooks.checkpoint.save_best == "coco/segm_mAP"
    hooks = config(tmp_path).get("custom_hooks", [])
    assert all(hook.type != "condinst.EarlyStopHook" for hook in hooks)
