"""Whether weights fit the model of a config, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from .translation import describe, listing


def build_model(config: str | Path | Config) -> nn.Module:
    """The model of a config, without its pre-trained weights.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read as a config, or has no model that can be built.
    """
    if not isinstance(config, Config):
        if not Path(config).is_file():
            raise FileNotFoundError(f"config {config} is not a file")
        try:
            config = Config.fromfile(config)
        except Exception as error:  # a config is a program
            text = " ".join(str(error).split())
            raise ValueError(f"config {config}: {type(error).__name__}: {text}") from error
    if "model" not in config:
        raise ValueError(f"config {config.filename}: has no model")
    cfg = _without_pretrained(config.model.to_dict())
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmdet")):
        return MODELS.build(cfg)


def check_fit(weights: Mapping[str, Tensor], model: nn.Module, name: str) -> None:
    """Compare the names and shapes of weights with a model's.

    Args:
        weights: by our names.
        model: ours or mmdet's, or its backbone for the weights of a backbone.
        name: of its config, for the message.

    Raises:
        ValueError: lists every tensor that is missing, unknown or of another shape.
    """
    expected = model.state_dict()
    problems = [
        f"{describe(n, t)}: the config's model has no such tensor"
        for n, t in weights.items()
        if n not in expected
    ]
    for n, t in expected.items():
        if n not in weights:
            problems.append(f"{describe(n, t)}: missing in the weights")
        elif weights[n].shape != t.shape:
            problems.append(f"{describe(n, weights[n])}: the config's model has {tuple(t.shape)}")
    if problems:
        raise ValueError(listing(f"tensors that do not fit the model of {name}", problems))


def _without_pretrained(cfg: Any) -> Any:
    """A config without any ``init_cfg``: nothing is downloaded."""
    if isinstance(cfg, dict):
        return {key: _without_pretrained(v) for key, v in cfg.items() if key != "init_cfg"}
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(_without_pretrained(value) for value in cfg)
    return cfg
