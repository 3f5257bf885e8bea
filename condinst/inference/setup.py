"""Build a detector, its class names and its test pipeline from a config and a checkpoint."""

from __future__ import annotations

import copy
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from mmdet.evaluation import get_classes
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader

from condinst.checkpoints.model_check import check_complete
from condinst.compat.stored_config import stored_config
from condinst.config.blame import blaming
from condinst.config.check import PREDICTION, check_config
from condinst.config.nodes import dataset_layers, type_name
from condinst.config.problem import wrong
from condinst.config.read import CHECKPOINT_SUFFIXES, name_types, read_config_file
from condinst.images.pixel_format import PixelFormat
from condinst.inference.options import device_hint
from condinst.model_zoo import get, list_models, resolve_checkpoint, resolve_config
from condinst.model_zoo.misplaced import check_places
from condinst.models import CondInst
from condinst.models.input_channels import input_channels
from condinst.models.optimize import optimize_for_inference
from condinst.models.speed import AUTOCAST_DTYPES
from condinst.registry import DATASETS, MODELS, TRANSFORMS
from condinst.utils.arguments import check_path, shown
from condinst.utils.hub import PREFIX as HUB

_MODEL = (
    "a model: a name (condinst.list_models()), the path of a checkpoint, or the path of a config "
    "with its checkpoint"
)
_DEVICE = re.compile(r"(cpu|cuda|mps)(:\d+)?")


def load(config: Any, checkpoint: Any) -> tuple[Config, dict[str, Any], str]:
    """Read a config and a checkpoint, given as for :class:`condinst.Predictor`.

    Returns:
        The config, the checkpoint's content, and the checkpoint's name for messages.

    Raises:
        FileNotFoundError: the config or the checkpoint does not exist.
        ValueError: the arguments name no checkpoint, or the config is invalid.
        TypeError: an argument is neither a path nor a config.
    """
    if config is None and checkpoint is None:
        raise ValueError(f"config=None: expected {_MODEL}")
    if config is not None and not isinstance(config, Config):
        check_path("config", config, f"{_MODEL}, or mmengine's Config")
    if checkpoint is not None:
        word = check_path("checkpoint", checkpoint, "the path, URL or model name of a checkpoint")
        if _DEVICE.fullmatch(word) and not os.path.exists(word):
            raise ValueError(
                f"checkpoint={word!r}: expected a checkpoint; did you mean device={word!r}?"
            )
    paths = (
        os.fspath(x) if isinstance(x, str | os.PathLike) else None for x in (config, checkpoint)
    )
    check_places(*paths)
    if checkpoint is None and isinstance(config, str | os.PathLike):
        if str(config).startswith(HUB) or Path(config).suffix in CHECKPOINT_SUFFIXES:
            config, checkpoint = None, config
        elif str(config) in list_models():
            checkpoint = config
            if get(str(config)).packaged:  # the file holds the config that it was trained with
                config = None
    if checkpoint is None:
        if isinstance(config, str):
            resolve_config(config)  # raises if it is neither a file nor the name of a model
        raise ValueError(
            f"config {config}: expected a checkpoint as well; only names of published models "
            "(condinst list) need none"
        )
    file = resolve_checkpoint(os.fspath(checkpoint))
    try:
        content = CheckpointLoader.load_checkpoint(file, map_location="cpu", logger="silent")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"checkpoint {file} is not a file") from error
    if config is None:
        cfg = stored_config(content, file)
        object.__setattr__(cfg, "_filename", file)  # for messages; Config's own would add a key
    elif isinstance(config, Config):
        cfg = copy.deepcopy(config)
        name_types(cfg)
    else:
        cfg = read_config_file(resolve_config(os.fspath(config)))
    check_config(cfg, PREDICTION)
    return cfg, content, file


def build(cfg: Config, content: dict[str, Any], file: str) -> CondInst:
    """Build the detector with its weights, on the CPU, for prediction only.

    Raises:
        ValueError: the config has another detector than CondInst, or the checkpoint does not fit
            it.
    """
    if "model" not in cfg:
        raise ValueError(f"config {cfg.filename}: has no model")
    with blaming(cfg), DefaultScope.overwrite_default_scope(_scope(cfg)):
        model = MODELS.build(cfg.model)
    if not isinstance(model, CondInst):
        raise ValueError(
            f"config {cfg.filename}: expected model.type condinst.CondInst, got {cfg.model.type!r}"
        )
    model.load_state_dict(check_complete(model, content, f"checkpoint {file}"), strict=False)
    return model.eval().requires_grad_(False)


def check_channels(cfg: Config, model: CondInst, pixel_format: PixelFormat) -> None:
    """Check that pipeline and network are for images of the same number of channels.

    Raises:
        ValueError: the pipeline or the network is for another number of channels.
    """
    expected = input_channels(model.backbone)
    if pixel_format.channels != expected:
        raise ValueError(
            f"config {cfg.filename}: the test pipeline's LoadImageFromFile loads "
            f"{pixel_format}, but model.backbone takes {expected} channels; set channels of "
            "LoadImageFromFile or in_channels of the backbone"
        )


def find_device(device: Any) -> torch.device:
    """Return the device of :class:`condinst.Predictor`, before anything is loaded.

    Raises:
        ValueError: the device does not exist.
    """
    if not isinstance(device, str | int | torch.device | None):
        raise ValueError(f"device={shown(device)}: expected cpu, cuda or cuda:N")
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)  # 0 is the first GPU
    except RuntimeError as error:  # its text lists all backends
        hint = device_hint(str(device))
        raise ValueError(f"device={device!r}: expected cpu, cuda or cuda:N{hint}") from error
    if place.type == "meta":
        raise ValueError(f"device={device!r}: expected cpu, cuda or cuda:N; meta computes nothing")
    try:
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:  # no such device, or no driver for it
        raise ValueError(
            f"device={device!r}: {_why_no_device(place, str(error))}; device='cpu' runs anywhere"
        ) from error
    return place


def _why_no_device(place: torch.device, reason: str) -> str:
    """Return why PyTorch cannot use a device, in few words where its own are long."""
    if place.type == "mps":
        return "this PyTorch or this machine has no mps, which exists on macOS only"
    if place.type == "cuda":
        if torch.version.cuda is None and torch.version.hip is None:
            return "this PyTorch was built without CUDA"
        if "no NVIDIA driver" in reason:
            return "no driver of an NVIDIA GPU is installed here"
        count = torch.cuda.device_count()
        if (place.index or 0) >= count:
            last = f" to cuda:{count - 1}" if count > 1 else ""
            return f"PyTorch finds {f'only cuda:0{last}' if count else 'no GPU here'}"
    line = (reason.splitlines() or ["it cannot be used"])[0]
    return line if len(line) <= 150 else f"{line[:147]}..."


def make_fast(
    model: CondInst,
    *,
    device: torch.device,
    dtype: str | torch.dtype | None,
    channels_last: bool,
    fold_norms: bool | None,
    compile: bool,
) -> CondInst:
    """Apply the switches of :class:`condinst.Predictor`, and return the detector.

    Raises:
        ValueError: ``dtype`` has another value.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in (*AUTOCAST_DTYPES, "float32", "None"):
        raise ValueError(
            f"dtype={shown(dtype)}: expected float32, {', '.join(AUTOCAST_DTYPES)} or None"
        )
    switches: dict[str, Any] = dict(
        channels_last=channels_last,
        dtype=name if name in AUTOCAST_DTYPES else None,
        compile=compile,
        mask_format="crop",
    )
    model = model.to(device)
    if fold_norms is None:
        try:
            model = optimize_for_inference(copy.deepcopy(model), fold_norms=True, **switches)
        except ValueError:  # a network that normalizes before it convolves
            model = optimize_for_inference(model, fold_norms=False, **switches)
    else:
        model = optimize_for_inference(model, fold_norms=fold_norms, **switches)
    return model


def class_names(
    cfg: Config, content: dict[str, Any], num_classes: int, file: str
) -> tuple[str, ...]:
    """Return the class names of the checkpoint, else of the config, its dataset, or COCO.

    A warning reports that COCO's names are used. Outputs beyond the names are called "class i".

    Raises:
        ValueError: the checkpoint has something else than names; the message names ``file``.
    """
    names = _stored_names(content, file) or _names_of_dataset(cfg)
    if names is None:
        warnings.warn(
            "neither checkpoint nor config name the classes: COCO's are used", stacklevel=3
        )
        names = get_classes("coco")
    names = (names,) if isinstance(names, str) else tuple(names)
    # a model may have more outputs than its dataset has classes
    return names + tuple(f"class {i}" for i in range(len(names), num_classes))


def _stored_names(content: dict[str, Any], file: str) -> Any:
    """Return the class names in a checkpoint, None if there are none."""
    meta = content.get("meta") or {}
    stored: Any = meta.get("dataset_meta") if isinstance(meta, dict) else None
    owners = [("meta.dataset_meta.classes", stored, "classes")]
    owners += [("meta.dataset_meta.CLASSES", stored, "CLASSES"), ("meta.CLASSES", meta, "CLASSES")]
    for place, owner, key in owners:
        names = owner.get(key) if isinstance(owner, dict) else None
        if not names:
            continue
        listed = [names] if isinstance(names, str) else names
        if not isinstance(listed, list | tuple) or not all(isinstance(n, str) for n in listed):
            text = wrong(place, names, "a list of names")
            raise ValueError(f"checkpoint {file}: {text}")
        return names
    return None


def _names_of_dataset(cfg: Config) -> Any:
    dataset = _test_dataset(cfg)
    names = (dataset.get("metainfo") or {}).get("classes")
    if names is None and "type" in dataset:
        with DefaultScope.overwrite_default_scope(_scope(cfg)):
            kind = dataset["type"]
            known = DATASETS.get(kind) if isinstance(kind, str) else kind
        names = getattr(known, "METAINFO", {}).get("classes")
    return names


def pipeline(cfg: Config) -> tuple[Any, Compose]:
    """Return the test pipeline without annotations: the reader of files, and the other steps.

    Raises:
        ValueError: the pipeline does not begin with LoadImageFromFile.
    """
    steps = _test_dataset(cfg).get("pipeline") or cfg.get("test_pipeline")
    if not steps or type_name(steps[0]) != "LoadImageFromFile":
        first = steps[0]["type"] if steps else "no pipeline"
        raise ValueError(
            f"config {cfg.filename}: test_dataloader.dataset.pipeline: expected LoadImageFromFile "
            f"at its beginning, got {first}"
        )
    steps = [step for step in steps if not type_name(step).endswith("Annotations")]
    with blaming(cfg), DefaultScope.overwrite_default_scope(_scope(cfg)):
        # mmdet's reader does not name truncated files; ours gives the same bytes for all others
        first = {**steps[0], "type": "condinst.LoadImageFromFile"}
        return TRANSFORMS.build(first), Compose([TRANSFORMS.build(step) for step in steps[1:]])


def _test_dataset(cfg: Config) -> Any:
    layers = list(dataset_layers((cfg.get("test_dataloader") or {}).get("dataset")))
    # a wrapper may have a pipeline of its own, which is the one that an image goes through last
    return next((layer for layer in layers if "pipeline" in layer), layers[-1])


def _scope(cfg: Config) -> str:
    return cfg.get("default_scope") or "mmdet"
