"""Make the file of a model that comes with the package out of a training's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from condinst.checkpoints.weight_files import read, write
from condinst.compat.stored_config import stored_config
from condinst.version import __version__


def pack(checkpoint: Path, out: Path, *, license: str) -> None:
    """Write weights in half precision, with all that prediction needs and nothing else.

    The file has no state of the optimizer, and of the config only the model and the test pipeline:
    neither paths of the training's machine nor other weights that the model would start from.
    Floating-point tensors are rounded to float16; models compute in float32 with them.

    Args:
        checkpoint: a checkpoint of ``condinst train``, which holds its config and class names.
        out: the file to write.
        license: license of the weights, such as "Apache-2.0".

    Raises:
        ValueError: the checkpoint lacks its config or class names, or a weight exceeds float16.
    """
    content = read(checkpoint)
    classes = (content.meta.get("dataset_meta") or {}).get("classes")
    if not classes:
        raise ValueError(f"{checkpoint}: has no class names in meta.dataset_meta")
    cfg = stored_config({"meta": content.meta}, str(checkpoint))
    weights = {}
    for name, tensor in content.weights.items():
        weights[name] = tensor.half() if tensor.is_floating_point() else tensor
        if tensor.is_floating_point() and not bool(weights[name].isfinite().all()):
            raise ValueError(f"{checkpoint}: {name} has values beyond float16's 65504")
    meta = dict(
        cfg=_prediction_config(cfg).pretty_text,
        dataset_meta=dict(classes=tuple(classes)),
        license=license,
        condinst_version=__version__,
    )
    write(out, dict(meta=meta, state_dict=weights))


def _prediction_config(cfg: Config) -> Config:
    model: Any = cfg.model.to_dict()
    for key in ("init_cfg", "pretrained", "checkpoint_path"):
        model["backbone"].pop(key, None)
    for switch in ("channels_last", "compile"):
        model.pop(switch, None)
    loader = cfg.test_dataloader.to_dict()
    kept = ("type", "metainfo", "pipeline")
    dataset = {key: value for key, value in loader["dataset"].items() if key in kept}
    loader = dict(batch_size=1, sampler=loader["sampler"], dataset=dataset)
    return Config(dict(default_scope=cfg.get("default_scope"), model=model, test_dataloader=loader))
