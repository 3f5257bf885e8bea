"""Build the model of a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from condinst.config.blame import blaming
from condinst.config.read import read_config_file

__all__ = ["build_model"]


def build_model(config: str | Path | Config) -> nn.Module:
    """Build the model of a config, without its pre-trained weights.

    Args:
        config: path of a config file, or a config.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read as a config, or has no model that can be built.
    """
    if not isinstance(config, Config):
        if not Path(config).is_file():
            raise FileNotFoundError(f"config {config} is not a file")
        config = read_config_file(config)
    if "model" not in config:
        raise ValueError(f"config {config.filename}: has no model")
    cfg = _without_pretrained(config.model.to_dict())
    scope = config.get("default_scope", "mmdet")
    with blaming(config), DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(cfg)


def _without_pretrained(cfg: Any) -> Any:
    """Return the config without any ``init_cfg``, so that nothing is downloaded."""
    if isinstance(cfg, dict):
        return {key: _without_pretrained(v) for key, v in cfg.items() if key != "init_cfg"}
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(_without_pretrained(value) for value in cfg)
    return cfg
