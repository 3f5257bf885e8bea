"""Convert a weight file of one layout to a file of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset
from mmengine.config import Config
from torch import Tensor

from condinst.checkpoints import weight_files as files
from condinst.checkpoints.layouts import BACKBONES, detect_layout, strip_wrapper, translate
from condinst.checkpoints.model_check import check_fit
from condinst.config.build import build_model
from condinst.config.problem import ConfigError
from condinst.version import __version__

TARGETS = ("condinst", "original")


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        layout: layout of the source, a key of ``LAYOUTS``.
        num_tensors: number of tensors in the written file.
        dropped: names of the source's tensors that the new layout does not have.
        not_kept: names of the source's other entries, such as the optimizer's state.
    """

    layout: str
    num_tensors: int
    dropped: tuple[str, ...]
    not_kept: tuple[str, ...]


def convert_file(
    source: str | Path,
    target: str | Path,
    to: str = "condinst",
    config: str | Path | Config | None = None,
) -> Conversion:
    """Convert a weight file. Only weights are kept, no optimizer and no schedule.

    A file in our layout has mmengine's form. Its ``meta`` holds the version, the source file and
    its checksum, the source's layout, and the class names (the source's, or COCO's if there are
    80). A file in the original's layout has detectron2's form: the weights are under ``model``.

    Args:
        source: a checkpoint of PyTorch, or a pickle of arrays.
        target: the file to write; the original's is a pickle of arrays where it ends in .pkl.
        to: "condinst" or "original".
        config: config of the model that the weights must fit by name and shape.

    Raises:
        FileNotFoundError: ``source`` or ``config`` does not exist.
        ValueError: a file cannot be read, or tensors are unknown, missing or misshapen; lists
            them. Nothing is written then.
        OSError: the target cannot be written; what was there before is untouched.
    """
    source, target = Path(source).expanduser(), Path(target).expanduser()
    _check_arguments(source, target, to)
    content = files.read(source)
    weights = strip_wrapper(content.weights)
    try:
        layout = detect_layout(weights)
        ours = translate(weights)
        result = ours if to == "condinst" else translate(weights, to)
        if config is not None:
            model: Any = build_model(config)
            name = str(getattr(config, "filename", None) or config)
            if layout in BACKBONES:
                model = model.backbone
            check_fit(ours.weights, model, name)
    except ConfigError:
        raise
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    if to == "original":
        output: dict[str, Any] = {"model": result.weights, "__author__": f"condinst {__version__}"}
    else:
        meta = _meta(source, layout, content.meta, result.weights)
        output = {"meta": meta, "state_dict": result.weights}
    files.write(target, output)
    return Conversion(layout, len(result.weights), tuple(result.dropped), tuple(content.other))


def _check_arguments(source: Path, target: Path, to: str) -> None:
    if to not in TARGETS:
        raise ValueError(f"to={to!r}: expected one of {', '.join(TARGETS)}")
    if target.is_dir():
        raise ValueError(f"{target}: is a folder, expected the name of a file to write")
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target}: is the source itself, expected another file to write")
    if to == "condinst" and target.suffix == ".pkl":
        raise ValueError(f"{target}: weights in our layout are written as .pth, not as .pkl")


def _meta(source: Path, layout: str, old: dict[str, Any], weights: dict[str, Tensor]) -> dict:
    meta: dict[str, Any] = {
        "condinst_version": __version__,
        "source": source.name,
        "source_sha256": files.sha256(source),
        "source_layout": layout,
    }
    classes = weights.get("bbox_head.conv_cls.bias")
    if isinstance(old.get("dataset_meta"), dict):
        meta["dataset_meta"] = old["dataset_meta"]
    elif old.get("CLASSES"):  # mmdet 2.x
        meta["dataset_meta"] = {"classes": old["CLASSES"]}
        if old.get("PALETTE"):
            meta["dataset_meta"]["palette"] = old["PALETTE"]
    elif classes is not None and len(classes) == len(CocoDataset.METAINFO["classes"]):
        meta["dataset_meta"] = dict(CocoDataset.METAINFO)
    return meta
