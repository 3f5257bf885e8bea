"""Keep mmdet's ``DetInferencer`` from running the config text of a checkpoint.

Upstream bug (mmengine 0.10.7): given a checkpoint without a config, ``BaseInferencer`` runs the
config text in the checkpoint as a program. Delete when it reads plain values.
"""

from __future__ import annotations

import functools
import sys
from typing import Any
from unittest.mock import patch


def apply(upstream: str) -> None:
    """Replace the function that builds the model of an inferencer."""
    cls = sys.modules[upstream].BaseInferencer  # type: ignore[attr-defined]
    init_model = cls._init_model

    @functools.wraps(init_model)
    def fixed(self: Any, cfg: Any, weights: str | None, device: str = "cpu") -> Any:
        from mmengine.config import Config

        def read(cfg_str: str, file_format: str) -> Config:
            from condinst.compat.stored_config import stored_config

            cfg = stored_config({"meta": {"cfg": cfg_str}}, str(weights))
            cfg.visualizer = dict(
                type="mmdet.DetLocalVisualizer"
            )  # the stored one may name folders
            return cfg

        with patch.object(Config, "fromstring", staticmethod(read)):
            return init_model(self, cfg, weights, device)

    cls._init_model = fixed
