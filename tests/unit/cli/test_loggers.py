"""``condinst train --log``: what is missing is said at once, and the config gets the backends."""

import importlib.util

import pytest
from mmengine.config import Config
from mmengine.registry import VISBACKENDS

from condinst.cli.loggers import LOGGERS, add_loggers, check_loggers
from condinst.cli.main import main
from condinst.config.nodes import type_name

VARIABLES = ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "NETRC", "CLEARML_OFFLINE_MODE",
             "CLEARML_API_ACCESS_KEY", "TRAINS_API_ACCESS_KEY", "CLEARML_CONFIG_FILE",
             "TRAINS_CONFIG_FILE", "MLFLOW_TRACKING_URI", "WANDB_PROJECT")  # fmt: skip


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """A user without logins."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def installed(monkeypatch):
    found = importlib.util.find_spec("tensorboard")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)


def test_a_missing_package_is_told_before_anything_is_read(capsys, monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name)
    )
    (tmp_path / "a.py").write_text("model = 1\n")
    assert main(["train", "a.py", "--log", "wandb"]) == 1
    done = capsys.readouterr()
    assert done.err == "error: --log wandb: wandb is not installed: pip install wandb\n"
    assert done.out == ""


def test_a_login_is_wanted_where_a_run_is_uploaded(installed, monkeypatch, tmp_path):
    check_loggers(["tensorboard", "mlflow"])
    with pytest.raises(ValueError, match="wandb login, or WANDB_MODE=offline"):
        check_loggers(["wandb"])
    with pytest.raises(ValueError, match="clearml-init, or CLEARML_OFFLINE_MODE=1"):
        check_loggers(["clearml"])
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    check_loggers(["clearml"])
    monkeypatch.delenv("CLEARML_OFFLINE_MODE")
    (tmp_path / "clearml.conf").touch()
    check_loggers(["clearml"])
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine other.host login user password key\n")
    netrc.chmod(0o600)
    with pytest.raises(ValueError, match="not logged in"):
        check_loggers(["wandb"])
    netrc.write_text("machine api.wandb.ai login user password key\n")
    check_loggers(["wandb"])
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_loggers(["wandb"])


def test_backends_and_the_hook_are_added_to_a_config(monkeypatch):
    visualizer = dict(type="A", vis_backends=[dict(type="TensorboardVisBackend", save_dir="b")])
    cfg = Config(dict(work_dir="runs/mine", visualizer=visualizer, custom_hooks=[dict(type="H")]))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    add_loggers(cfg, ["tensorboard", "wandb", "mlflow", "wandb"])
    backends = cfg.visualizer.vis_backends
    assert [type_name(b) for b in backends] == [
        "TensorboardVisBackend", "WandbVisBackend", "MLflowVisBackend",
    ]  # fmt: skip
    assert backends[0].save_dir == "b"
    assert backends[1].init_kwargs == dict(project="condinst", name="mine")
    assert backends[2].tracking_uri == "http://127.0.0.1:1"
    assert [type_name(hook) for hook in cfg.custom_hooks] == ["H", "LoggedImagesHook"]
    plain = Config(dict(work_dir="runs/mine"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    add_loggers(plain, ["mlflow"])
    assert plain.visualizer.vis_backends[1].tracking_uri.endswith("/runs/mlflow.db")
    assert plain.visualizer.vis_backends[1].artifact_location.endswith("/runs/mlruns")
    add_loggers(empty := Config(dict(work_dir="a")), [])
    assert empty.to_dict() == dict(work_dir="a")


def test_mmengine_has_the_backends():
    assert all(VISBACKENDS.get(name) for name in LOGGERS.values())
