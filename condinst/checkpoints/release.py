"""Make the file to hand on out of a training's checkpoint: weights, class names and a config."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor

from condinst.checkpoints import weight_files as files
from condinst.checkpoints.layouts import BACKBONES, detect_layout, strip_wrapper, translate
from condinst.checkpoints.model_check import check_fit
from condinst.compat.safetensors_header import SUFFIX
from condinst.compat.stored_config import stored_config
from condinst.config.build import build_model
from condinst.config.nodes import METRIC_KEYS, dataset_layers, type_name
from condinst.config.read import read_config_file
from condinst.version import __version__

SUFFIXES = (SUFFIX, ".pth")
_DIGITS = 8  # of the checksum, as mmdet's published files have them


@dataclass(frozen=True)
class Release:
    """A written file.

    Attributes:
        path: the file.
        num_tensors: number of tensors in it.
        is_averaged: whether they are a training's moving average (EMAHook).
        not_kept: names of the checkpoint's other entries, such as the optimizer's state.
    """

    path: Path
    num_tensors: int
    is_averaged: bool
    not_kept: tuple[str, ...]


def release(
    checkpoint: str | Path,
    out: str | Path,
    *,
    config: str | Path | None = None,
    half: bool = False,
    score_thr: float | None = None,
    license: str | None = None,
) -> Release:
    """Write the weights of a checkpoint with all that prediction needs, and nothing else.

    mmengine's EMAHook saves the moving average as the checkpoint's weights, and the trained weights
    beside them; only the former are kept. Of the config, the file has the model, and the test
    pipeline and metric without absolute paths. It names no other weights that the model would start
    from.

    Args:
        checkpoint: a file that training has written, or any other weights of a whole model.
        out: the name of the file, ending in ``.safetensors`` or ``.pth``; the first eight digits
            of its sha256 are inserted before the ending, or the ending is replaced with them.
        config: the config file; None for the config in the checkpoint.
        half: whether to round floating-point weights to float16; models compute in float32 with
            them.
        score_thr: the score from which on a detection is worth showing.
        license: license of the weights, such as "Apache-2.0".

    Raises:
        FileNotFoundError: the checkpoint or the config does not exist.
        ValueError: a file cannot be read, the checkpoint lacks its config or class names, the
            weights do not fit the config's model, or a weight exceeds float16.
        OSError: the file cannot be written.
    """
    checkpoint, out = Path(checkpoint).expanduser(), Path(out).expanduser()
    if out.suffix not in SUFFIXES:
        raise ValueError(f"{out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    content = files.read(checkpoint)
    if config is None:
        cfg = stored_config({"meta": content.meta}, str(checkpoint), more=("test_evaluator",))
    else:
        cfg = read_config_file(config)
    cfg = _prediction_config(cfg, str(config or checkpoint))
    weights = _our_weights(checkpoint, content.weights)
    model = build_model(cfg)
    check_fit(weights, model, str(config or checkpoint))
    meta = {
        "cfg": cfg.pretty_text,
        "dataset_meta": {"classes": list(_classes(checkpoint, content.meta, cfg))},
        "score_thr": content.meta.get("score_thr") if score_thr is None else score_thr,
        "license": content.meta.get("license") if license is None else license,
        "iter": content.meta.get("iter"),
        "condinst_version": __version__,
    }
    meta = {key: value for key, value in meta.items() if value is not None}
    if half:
        weights = _in_half(checkpoint, weights)
    path = _write(out, {"meta": meta, "state_dict": weights})
    averaged = "ema_state_dict" in content.other
    return Release(path, len(weights), averaged, tuple(content.other))


def default_name(checkpoint: str | Path) -> Path:
    """Return the name of the file for a checkpoint: that of its work folder, beside it."""
    path = Path(checkpoint).expanduser()
    folder = path.absolute().parent
    # training writes last_checkpoint
    stem = folder.name if (folder / "last_checkpoint").is_file() else path.stem
    return path.with_name(f"{stem}{SUFFIX}")


def _our_weights(checkpoint: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    weights = strip_wrapper(weights)
    try:
        layout = detect_layout(weights)
        if layout in BACKBONES:
            raise ValueError("holds a backbone alone, expected the weights of a whole model")
        # ours as they are: a model may have parts that only its author's code knows
        return weights if layout == "condinst" else translate(weights).weights
    except ValueError as error:
        raise ValueError(f"{checkpoint}: {error}") from error


def _classes(checkpoint: Path, meta: dict[str, Any], cfg: Config) -> list[str]:
    stored = meta.get("dataset_meta")
    stored = stored if isinstance(stored, dict) else {}
    named = (cfg.test_dataloader.dataset.get("metainfo") or {}).get("classes")
    classes = stored.get("classes") or stored.get("CLASSES") or meta.get("CLASSES") or named
    if not isinstance(classes, list | tuple) or not classes:
        raise ValueError(f"{checkpoint}: has no class names in meta.dataset_meta")
    return [str(name) for name in classes]


def _prediction_config(cfg: Config, name: str) -> Config:
    """Return the parts of a config that predict and test, without paths of the machine."""
    if "model" not in cfg or "dataset" not in (cfg.get("test_dataloader") or {}):
        raise ValueError(f"{name}: its config has no model or no test_dataloader.dataset")
    model: Any = _without_start(cfg.model.to_dict())
    for switch in ("channels_last", "compile"):
        model.pop(switch, None)
    loader = dict(
        batch_size=1,
        sampler=dict(type="DefaultSampler", shuffle=False),
        dataset=_dataset(cfg.test_dataloader.to_dict()["dataset"]),
    )
    parts = dict(default_scope=cfg.get("default_scope"), model=model, test_dataloader=loader)
    evaluators = cfg.to_dict().get("test_evaluator")
    for node in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if isinstance(node, dict) and type_name(node) == "CocoMetric":
            kept = ("type", *METRIC_KEYS)
            parts["test_evaluator"] = {key: node[key] for key in kept if key in node}
    return Config(parts)


def _without_start(node: Any) -> Any:
    """Return a part of a config without the files of weights that it would start from."""
    if isinstance(node, list | tuple):
        return type(node)(_without_start(part) for part in node)
    if not isinstance(node, dict):
        return node
    return {
        key: _without_start(value)
        for key, value in node.items()
        if key not in ("pretrained", "checkpoint_path")
        and not (key == "init_cfg" and _names_file(value))
    }


def _names_file(init_cfg: Any) -> bool:
    parts = init_cfg if isinstance(init_cfg, list | tuple) else [init_cfg]
    return any(isinstance(part, dict) and "checkpoint" in part for part in parts)


def _dataset(node: Any) -> dict[str, Any]:
    node = list(dataset_layers(node))[-1]
    dataset = {key: node[key] for key in ("type", "pipeline") if key in node}
    # relative paths mean the same under another --data-root
    if _is_inside(node.get("ann_file")):
        dataset["ann_file"] = node["ann_file"]
    if _is_inside((node.get("data_prefix") or {}).get("img")):
        dataset["data_prefix"] = dict(img=node["data_prefix"]["img"])
    classes = (node.get("metainfo") or {}).get("classes")
    if isinstance(classes, list | tuple):  # else the name of a file
        dataset["metainfo"] = dict(classes=tuple(classes))
    return dataset


def _is_inside(path: Any) -> bool:
    return isinstance(path, str) and not Path(path).is_absolute() and ".." not in Path(path).parts


def _in_half(checkpoint: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    rounded = {n: t.half() if t.is_floating_point() else t for n, t in weights.items()}
    for name, tensor in rounded.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ValueError(f"{checkpoint}: {name} has values beyond float16's 65504")
    return rounded


def _write(out: Path, content: dict[str, Any]) -> Path:
    """Write the file under the name with its checksum."""
    data = files.encode(out.suffix, content)
    digits = hashlib.sha256(data).hexdigest()[:_DIGITS]
    path = out.with_name(f"{out.stem}-{digits}{out.suffix}")
    files.write_bytes(path, data)
    return path
