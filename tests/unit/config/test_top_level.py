"""What is found in a config before PyTorch is imported."""

import inspect
import subprocess
import sys

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from condinst.config.known import RUNNER
from condinst.config.overrides import check_ahead
from condinst.config.problem import ConfigError
from condinst.config.top_level import missing_annotations


def test_the_arguments_of_the_runner():
    assert {"self", "cfg", *RUNNER} == inspect.signature(Runner.__init__).parameters.keys()


def dataset(**settings):
    return dict(type="CocoDataset", ann_file="gone.json") | settings


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (dataset(), ["train_dataloader.dataset: gone.json: file not found"]),
        (
            dict(type="RepeatDataset", times=2, dataset=dataset(data_root="a/")),
            ["train_dataloader.dataset.dataset: a/gone.json: file not found"],
        ),
        (
            dict(type="ConcatDataset", datasets=[dataset(ann_file="there.json"), dataset()]),
            ["train_dataloader.dataset.datasets[1]: gone.json: file not found"],
        ),
        (dataset(data_root="s3://bucket"), []),
        (dataset(data_root="petrel:bucket/a"), []),
        (dataset(backend_args=dict(backend="petrel")), []),
        (dict(type="mine.Other", ann_file="gone.json"), []),
        (dict(type="CocoDataset"), []),
        (dict(type="CocoDataset", ann_file=5, data_root=["a"]), []),
        (None, []),
        ("CocoDataset", []),
    ],
)
def test_missing_files(node, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").write_text("{}")
    cfg = Config(dict(train_dataloader=dict(dataset=node), val_dataloader=None))
    assert list(missing_annotations(cfg, ("train", "val", "test"))) == expected


def test_a_root_that_no_dataset_has_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    node = dict(dataset=dataset(data_root="data/coco/"))
    cfg = Config(dict(data_root="mine/", train_dataloader=node))
    (found,) = missing_annotations(cfg, ["train"])
    assert "data/coco/gone.json: file not found; data_root='mine/' does not change" in found
    assert "set train_dataloader.dataset.data_root too" in found
    cfg.data_root = "data/"  # the dataset's root is built from it
    (found,) = missing_annotations(cfg, ["train"])
    assert found.endswith("file not found")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"trian_cfg.max_iters": 5},
            "--cfg-options trian_cfg.max_iters: .*did you mean 'train_cfg'",
        ),
        ({"log_level": 4}, "log_level=4: expected one of"),
        ({"train_dataloader.batch_size": "four"}, "train_dataloader.batch_size='four': expected"),
        ({"work_dir.a": 5}, "--cfg-options work_dir.a"),
        ({"train_cfg.val_interval": 0}, "train_cfg.val_interval=0: expected a whole number, 1"),
        ({"train_cfg.max_iters": -5}, "train_cfg.max_iters=-5: expected a whole number, 1"),
        ({"optim_wrapper.optimizer.lr": "0.001"}, "optimizer.lr='0.001': expected a number 0 or"),
        ({"param_scheduler.0.begin": -1}, r"param_scheduler\[0\].begin=-1: expected a whole"),
        ({"default_hooks.checkpoint.interval": -7}, "checkpoint.interval=-7: expected"),
        ({"randomness.seed": "x"}, "randomness.seed='x': expected"),
        ({"data_root": "gone"}, "cannot be used as it is:\n  1. train_dataloader.dataset: gone/a"),
    ],
)
def test_mistakes_are_found_ahead(options, expected):
    node = dict(type="CocoDataset", data_root="d/", ann_file="a.json")
    cfg = Config(
        dict(
            model=dict(),
            work_dir="w",
            data_root="d/",
            train_cfg=dict(max_iters=9),
            param_scheduler=[dict(begin=0)],
            train_dataloader=dict(batch_size=2, dataset=node),
        )
    )
    before = cfg.pretty_text
    with pytest.raises(ValueError, match=expected):
        check_ahead(cfg, options, ("train",))
    assert cfg.pretty_text == before
    with pytest.raises(ConfigError, match="d/a.json: file not found"):
        check_ahead(cfg, {}, ("train",))
    check_ahead(cfg, {}, ("val",))


def test_what_is_no_config():
    for content, expected in (
        (dict(images=[], annotations=[]), "is an annotation file, expected a config; condinst new"),
        (dict(lr=1), "has no model"),
    ):
        with pytest.raises(ConfigError, match=expected):
            check_ahead(Config(content), {}, ("train",))


def test_neither_pytorch_nor_mmdet_is_imported(repo):
    """Importing them takes seconds, in which a user would wait for the message."""
    code = (
        "import sys\n"
        "from condinst.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "slow = {'torch', 'cv2', 'mmdet'} & sys.modules.keys()\n"
        "sys.exit(f'imported {slow}' if slow else code)"
    )
    config = "quickstart_condinst_r18_fpn_shapes"
    words = ["train", config, "--cfg-options", "data_root=gone", "trian_cfg.max_iters=5"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=repo, capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 1, ended.stderr
    assert "did you mean 'train_cfg'?" in ended.stderr
