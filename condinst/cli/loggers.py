"""The loggers of ``condinst train --log``: what they need, and their backends in a config."""

from __future__ import annotations

import importlib.util
import netrc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from condinst.config.nodes import type_name

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["LOGGERS", "add_loggers", "check_loggers"]

LOGGERS = {
    "tensorboard": "TensorboardVisBackend",
    "wandb": "WandbVisBackend",
    "mlflow": "MLflowVisBackend",
    "clearml": "ClearMLVisBackend",
}
"""The names of the loggers, which are also those of their packages, and mmengine's backends."""

_PROJECT = "condinst"
# what ClearML would record by patching other packages; its search of the repository takes minutes
_CLEARML_PATCHES = (
    *("matplotlib", "tensorflow", "tensorboard", "pytorch", "xgboost", "scikit", "fastai"),
    *("lightgbm", "hydra", "detect_repository", "tfdefines", "joblib", "megengine", "catboost"),
    *("jsonargparse", "gradio"),
)


def check_loggers(names: Sequence[str]) -> None:
    """Check that loggers are installed, and that those on a server know the user.

    Raises:
        ValueError: a package is missing, or a logger has no login.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"--log {name}: {name} is not installed: pip install {name}")
    if "wandb" in names and not _knows_wandb():
        raise ValueError(
            "--log wandb: you are not logged in: wandb login, or WANDB_MODE=offline to keep the "
            "run on this machine (wandb sync uploads it later)"
        )
    if "clearml" in names and not _knows_clearml():
        raise ValueError(
            "--log clearml: there is no clearml.conf: clearml-init, or CLEARML_OFFLINE_MODE=1 to "
            "keep the run on this machine"
        )


def _knows_wandb() -> bool:
    mode = os.environ.get("WANDB_MODE", "online")
    if mode in ("offline", "disabled", "dryrun") or os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    names = ("_netrc", ".netrc") if os.name == "nt" else (".netrc", "_netrc")
    given = os.environ.get("NETRC")
    for path in [Path(given)] if given else [Path.home() / name for name in names]:
        try:
            if netrc.netrc(path).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _knows_clearml() -> bool:
    if os.environ.get("CLEARML_OFFLINE_MODE", "0").lower() in ("1", "true", "yes"):
        return True
    if os.environ.get("CLEARML_API_ACCESS_KEY") or os.environ.get("TRAINS_API_ACCESS_KEY"):
        return True
    files = os.environ.get("CLEARML_CONFIG_FILE") or os.environ.get("TRAINS_CONFIG_FILE")
    places = [Path(files)] if files else [Path.home() / n for n in ("clearml.conf", "trains.conf")]
    return any(path.is_file() for path in places)


def add_loggers(cfg: Config, names: Sequence[str], num_images: int = 4) -> None:
    """Add backends to a config, and the hook that shows them predictions and names the report.

    Args:
        cfg: changed in place; its ``work_dir`` is set.
        names: keys of ``LOGGERS``.
        num_images: number of validation images whose predictions are shown.
    """
    if not names:
        return
    visualizer = cfg.get("visualizer") or dict(
        type="DetLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")], name="visualizer"
    )
    backends = list(visualizer.get("vis_backends") or [])
    there = {type_name(backend) for backend in backends}
    for name in dict.fromkeys(names):
        if LOGGERS[name] not in there:
            settings = _settings(name, Path(cfg.work_dir))
            backends.append(dict(type=LOGGERS[name], **settings))
    visualizer["vis_backends"] = backends
    cfg.visualizer = visualizer
    hook = dict(
        type="condinst.LoggedImagesHook",
        backends=[LOGGERS[name] for name in dict.fromkeys(names)],
        num_images=num_images,
    )
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def _settings(name: str, work_dir: Path) -> dict[str, Any]:
    """Return the arguments of a backend: runs are named after their work folder."""
    if name == "wandb":
        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        return dict(
            init_kwargs=dict(project=project, name=work_dir.name),
            # charts over iterations instead of calls
            define_metric_cfg=[dict(name="*", step_metric="iter")],
        )
    if name == "mlflow":
        folder = work_dir.absolute().parent
        given = os.environ.get("MLFLOW_TRACKING_URI")
        # MLflow no longer writes stores of files alone
        place = {} if given else dict(artifact_location=(folder / "mlruns").as_uri())
        return dict(
            **place,
            exp_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
            run_name=work_dir.name,
            tracking_uri=given or f"sqlite:///{(folder / 'mlflow.db').as_posix()}",
            artifact_suffix=(".log", ".py"),
        )
    if name == "clearml":
        return dict(
            init_kwargs=dict(
                project_name=os.environ.get("CLEARML_PROJECT", _PROJECT),
                task_name=work_dir.name,
                auto_connect_frameworks=dict.fromkeys(_CLEARML_PATCHES, False),
                auto_connect_arg_parser=False,
            ),
            artifact_suffix=(".py",),
        )
    return {}
