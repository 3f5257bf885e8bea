"""Print the parameters, FLOPs, memory and settings of a model.

FLOPs count convolutions and matrix products, with a multiplication and an addition as two: those of
the network at the size of the padded input, and those that each instance adds. Memory is measured
on noise: resident memory on a CPU, and what PyTorch allocates on a GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from condinst.cli.common import add_cfg_options, read_ahead, read_config
from condinst.cli.early import check_checkpoint, check_config, is_checkpoint
from condinst.cli.parser import idle_with
from condinst.cli.values import check_device, check_least
from condinst.config.known import OUR_DETECTORS
from condinst.config.nodes import inner_dataset, type_name
from condinst.utils.names import printable

if TYPE_CHECKING:
    from mmengine.config import Config

_EXAMPLES = """examples:
  %(prog)s condinst_r50_fpn_1x
  %(prog)s CONFIG --size 480 640 --json
  %(prog)s CONFIG --device cuda --batch-size 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "config",
        help="config file, name of a model (condinst list), or a checkpoint that training wrote",
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        metavar=("HEIGHT", "WIDTH"),
        help="height and width of the resized image (default: the largest landscape of the test "
        "pipeline)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=1,
        help="number of images at a time, for memory (default 1)",
    )
    parser.add_argument(
        "--device", help="device on which memory is measured (default: the GPU if there is one)"
    )
    parser.add_argument(
        "--no-memory", action="store_true", help="do not measure memory, which takes longest"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; sizes in bytes")
    idle_with(parser, ["--device", "--batch-size"], "--no-memory")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``condinst info``."""
    check_least("--batch-size", args.batch_size)
    check_device(args.device)
    if args.size:
        _check_size(tuple(args.size))
    if is_checkpoint(args.config):
        check_checkpoint(args.config)
    else:
        check_config(args.config)
        read_ahead(args.config, args.cfg_options)
    print("building the model ...", file=sys.stderr, flush=True)  # importing PyTorch takes seconds

    from condinst.config.check import PREDICTION

    cfg = _read(args, PREDICTION)
    found = describe(
        cfg,
        size=tuple(args.size) if args.size else None,
        batch_size=args.batch_size,
        device=args.device,
        memory=not args.no_memory,
    )
    print(json.dumps(found, indent=2) if args.json else _as_text(found))
    return 0


def _read(args: argparse.Namespace, parts: Sequence[str]) -> Config:
    """Read a config file, or the config in a checkpoint that training wrote."""
    if not is_checkpoint(args.config):
        return read_config(args.config, args.cfg_options, parts)
    from condinst.inference.setup import load

    cfg, _, _ = load(None, args.config)
    from condinst.config.overrides import override

    override(cfg, dict(args.cfg_options), parts)
    return cfg


@contextlib.contextmanager
def _only_errors() -> Iterator[None]:
    """Log errors only during the block; else a line is logged for each parameter."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@_only_errors()
def describe(
    cfg: Config,
    *,
    size: tuple[int, int] | None = None,
    batch_size: int = 1,
    device: str | None = None,
    memory: bool = True,
) -> dict[str, Any]:
    """Describe a config's model in plain values.

    Args:
        cfg: the config.
        size: height and width of the resized image in pixels; None for the largest landscape of the
            test pipeline.
        batch_size: number of images at a time, for memory.
        device: where memory is measured; None for a GPU, if there is one.
        memory: whether memory is measured.

    Raises:
        ValueError: the model is not one of ours, or an argument is out of range.
    """
    import torch
    from mmengine.registry import DefaultScope

    from condinst.config.blame import blaming
    from condinst.config.build import build_model
    from condinst.info import count_flops, count_parameters
    from condinst.models import CondInst

    with blaming(cfg):
        size = _check_size(size or _pipeline_size(cfg))
    if batch_size < 1:
        raise ValueError(f"--batch-size {batch_size}: expected 1 or more")
    with blaming(cfg):
        model = build_model(cfg)
    if not isinstance(model, CondInst):
        raise ValueError(
            f"config {cfg.filename}: expected model.type {', '.join(OUR_DETECTORS)} of "
            f"condinst, got {cfg.model.type!r}"
        )
    parameters = count_parameters(model)
    with blaming(cfg):
        divisor = getattr(model.data_preprocessor, "pad_size_divisor", 1)
        padded = math.ceil(size[0] / divisor) * divisor, math.ceil(size[1] / divisor) * divisor
        flops = count_flops(model, padded)
    found = {
        **_settings(cfg, model),
        "parameters": {
            "total": sum(part.total for part in parameters.values()),
            "trainable": sum(part.trainable for part in parameters.values()),
            "parts": {name: part._asdict() for name, part in parameters.items()},
        },
        "flops": {
            "size": list(flops.size),
            "network": flops.network,
            "parts": flops.parts,
            "per_instance": flops.per_instance,
        },
    }
    if memory:
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        scope = cfg.get("default_scope", "mmdet")
        with blaming(cfg), DefaultScope.overwrite_default_scope(scope):
            found["memory"] = _memory(model, cfg, size, device, batch_size)
    return found


def _settings(cfg: Config, model: Any) -> dict[str, Any]:
    return {
        "config": str(cfg.filename),
        "model": ", ".join(type(x).__name__ for x in (model, model.backbone, model.neck)),
        "classes": _classes(cfg, model.bbox_head.num_classes),
        "num_classes": model.bbox_head.num_classes,
        "feature_strides": list(model.bbox_head.strides),
        "mask_stride": model.mask_head.mask_out_stride,
        "test_cfg": dict(cfg.model.get("test_cfg") or {}),
    }


def _memory(model: Any, cfg: Config, size: tuple[int, int], device: str, batch_size: int) -> dict:
    from condinst.info import measure_memory

    print("measuring one prediction and one training step ...", file=sys.stderr, flush=True)
    try:
        found = measure_memory(model, cfg, size, device, batch_size)
    except OSError as error:  # the system does not report it
        return {"not_measured": str(error)}
    except (RuntimeError, AssertionError) as error:  # no such device, or too little memory
        raise ValueError(
            f"--device {device} --batch-size {batch_size}: {str(error).splitlines()[0]}; "
            "--no-memory skips the measurement"
        ) from error
    return {"device": device, "size": list(size), "batch_size": batch_size} | vars(found)


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 32:
        raise ValueError(f"--size {size[0]} {size[1]}: expected at least 32 pixels each way")
    return size


def _pipeline_size(cfg: Config) -> tuple[int, int]:
    """Return height and width of the largest landscape image that the test pipeline makes."""
    dataset = inner_dataset((cfg.get("test_dataloader") or {}).get("dataset"))
    for step in dataset.get("pipeline", []):
        if type_name(step) == "Resize" and "scale" in step:
            return min(step["scale"]), max(step["scale"])
    raise ValueError(
        f"config {cfg.filename}: test_dataloader.dataset.pipeline has no Resize with a scale; "
        "give --size HEIGHT WIDTH"
    )


def _classes(cfg: Config, num_classes: int) -> list[str]:
    """Return the class names of the test dataset; none unless there are ``num_classes``."""
    from mmdet.datasets import CocoDataset

    dataset = inner_dataset((cfg.get("test_dataloader") or {}).get("dataset"))
    names = (dataset.get("metainfo") or {}).get("classes")
    if names is None and type_name(dataset) == "CocoDataset":
        names = CocoDataset.METAINFO["classes"]
    names = [names] if isinstance(names, str) else list(names or [])
    return names if len(names) == num_classes else []


def _as_text(found: dict[str, Any]) -> str:
    classes = ", ".join(found["classes"][:8]) + (", ..." if len(found["classes"]) > 8 else "")
    lines = [
        f"config          {found['config']}",
        f"model           {found['model']}",
        f"classes         {found['num_classes']}" + (f": {classes}" if classes else ""),
        f"strides         boxes {', '.join(map(str, found['feature_strides']))}; "
        f"masks {found['mask_stride']}",
        f"test_cfg        {', '.join(f'{k}={v}' for k, v in found['test_cfg'].items())}",
        "",
        "parameters           total    trainable",
    ]
    parameters = found["parameters"]
    rows = {**parameters["parts"], "all": parameters}
    lines += [
        f"  {name:14}{row['total'] / 1e6:9.3f} M  {row['trainable'] / 1e6:9.3f} M"
        for name, row in rows.items()
    ]
    flops = found["flops"]
    height, width = flops["size"]
    lines += ["", f"FLOPs of an input of {height} x {width} (multiply-adds are half as many)"]
    lines += [
        f"  {name:14}{value / 1e9:9.2f} G"
        for name, value in (flops["parts"] | {"network": flops["network"]}).items()
    ]
    lines.append(f"  {'per instance':14}{flops['per_instance'] / 1e9:9.4f} G")
    return "\n".join(map(printable, lines + _memory_lines(found.get("memory"))))


def _memory_lines(memory: dict[str, Any] | None) -> list[str]:
    if memory is None:
        return []
    if "not_measured" in memory:
        return ["", f"memory          not measured: {memory['not_measured']}"]
    (height, width), count = memory["size"], memory["batch_size"]
    images = f"{count} image{'s' if count > 1 else ''} of {height} x {width}"
    rows = {
        "weights": (memory["weights"], ""),
        "prediction": (memory["prediction"], f"   {memory['instances']} instances"),
        "training step": (memory["training"], f"   {memory['objects']} objects"),
    }
    lines = ["", f"memory on {memory['device']}, {images}, beside the weights at the peak"]
    return lines + [f"  {k:14}{v / 2**20:9.0f} MiB{more}" for k, (v, more) in rows.items()]
