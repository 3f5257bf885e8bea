"""List the models that a new config can use, and find their weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condinst.new.resources import Machine


@dataclass(frozen=True)
class Recipe:
    """A model that a config can use.

    Attributes:
        name: its name for ``--model``.
        base: the config of the package that the new config inherits from.
        gib_per_megapixel: memory of a training step, measured by ``condinst info`` on a CPU
            (2026-11-26, images of 512 x 512), plus half of it for memory that a GPU's allocator
            cannot use.
        gib_fixed: memory of weights, gradients, the optimizer's state and the GPU's context.
        zoo: the published model whose weights training starts from; None without one.
        small: whether it is meant for machines without a GPU.
        boxes: whether masks are learned from boxes.
        rtmdet: whether it is an RTMDet-Ins, whose config has other keys.
        why: reason for the choice, for a comment in the config; empty if it was asked for.
        unreachable: whether it starts from scratch because no weights can be had.
    """

    name: str
    base: str
    gib_per_megapixel: float = 2.0
    gib_fixed: float = 1.5
    zoo: str | None = None
    small: bool = False
    boxes: bool = False
    rtmdet: bool = False
    why: str = ""
    unreachable: bool = False


_SHORT = {
    "r18": Recipe("r18", "small/condinst_r18_fpn.py", 1.0, 1.0, small=True),
    "boxinst-r18": Recipe(
        "boxinst-r18", "small/boxinst_r18_fpn.py", 1.0, 1.0, small=True, boxes=True
    ),
}
# short name -> model of the index
_ALIASES = {
    "r50": "condinst_r50_fpn_90k",
    "r101": "condinst_r101_fpn_90k",
    "mobilenetv3": "condinst_mobilenetv3-large_fpn_3x",
    "convnext-tiny": "condinst_convnext-tiny_fpn_3x",
    "boxinst": "boxinst_r50_fpn_90k",
    "boxinst-r101": "boxinst_r101_fpn_90k",
}
# Models with a config for fine-tuning, which the new config inherits from instead of the recipe of
# 300 epochs; the numbers are (gib_per_megapixel, gib_fixed).
_FINE_TUNED = {
    "rtmdet-ins_tiny": (1.5, 1.0),
    "rtmdet-ins_s": (2.2, 1.2),
    "rtmdet-ins_m": (4.0, 1.8),
}
# GiB of a GPU from which the default is m; below, it is s
_MEMORY_OF_M = 20.0
# part of a model's name -> (gib_per_megapixel, gib_fixed)
_MEMORY = {"r101": (2.8, 2.0), "convnext": (2.8, 2.0), "mobilenetv3": (1.8, 1.0)}

NAMES = (*_FINE_TUNED, *_SHORT, *_ALIASES)


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_name(name: str) -> None:
    """Check the name of a config.

    Raises:
        ValueError: the name cannot be that of a file.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r}: expected a name of letters, digits, '_', '-' and '.', without a folder; "
            "--out chooses the folder"
        )


def check_model(name: str) -> None:
    """Check that there is a model of this name.

    Raises:
        ValueError: no model has this name.
    """
    from condinst.model_zoo import get, list_models
    from condinst.model_zoo.index import unknown

    models = [name for name in list_models() if get(name).collection in ("CondInst", "BoxInst")]
    if name not in (*_SHORT, *_FINE_TUNED) and _ALIASES.get(name, name) not in models:
        expected = f"a CondInst or BoxInst of condinst list or one of {', '.join(NAMES)}"
        raise ValueError(f"--model {unknown(name, expected, [*NAMES, *models])}")


def find_recipe(name: str | None, machine: Machine, masks: bool, from_scratch: bool) -> Recipe:
    """Return the model of a name, or the one that fits the machine, the network and the data.

    Args:
        name: one of ``NAMES``, or a model of ``condinst list``; None chooses one.
        machine: the device that will train.
        masks: whether the training annotations have masks.
        from_scratch: whether training starts without weights.

    Raises:
        ValueError: the model does not exist, needs masks that are not there, or its weights are
            not available.
    """
    if name is None:
        return _choose(machine, masks, from_scratch)
    recipe = _recipe(name, from_scratch)
    if not recipe.boxes and not masks:
        raise ValueError(
            f"--model {name}: learns from masks, and the training annotations have only boxes; "
            "expected boxinst, boxinst-r18, or another boxinst_* of condinst list"
        )
    return recipe


def _choose(machine: Machine, masks: bool, from_scratch: bool) -> Recipe:
    small = machine.device == "cpu"
    why = "the small model: no GPU" if small else "the model for a GPU"
    if not masks:
        name = "boxinst-r18" if small else "boxinst"
        return replace(_recipe(name, from_scratch), why=f"{why}, no masks to learn from")
    if from_scratch:
        return replace(_recipe("r18" if small else "r50", True), why=why)
    name, why = "rtmdet-ins_tiny", "fast without a GPU, and trained on COCO"
    if not small:
        name = "rtmdet-ins_m" if machine.memory >= _MEMORY_OF_M else "rtmdet-ins_s"
        why = f"for a GPU of {machine.memory:.0f} GiB, and trained on COCO"
    if _can_be_had(name):
        return replace(_recipe(name, False), why=why)
    why = f"the small model: the weights of {name} are not on this machine and cannot be reached"
    return replace(_SHORT["r18"], why=why, unreachable=_backbone_file("r18") is None)


def _can_be_had(name: str) -> bool:
    from condinst.model_zoo import get
    from condinst.model_zoo.reachable import any_reachable, local_file

    entry = get(name)
    return local_file(entry) is not None or any_reachable([str(entry.weights), *entry.mirrors])


def _recipe(name: str, from_scratch: bool) -> Recipe:
    if name in _FINE_TUNED:
        per_megapixel, fixed = _FINE_TUNED[name]
        base = f"small/{name}.py"
        zoo = None if from_scratch else name
        return Recipe(name, base, per_megapixel, fixed, zoo=zoo, rtmdet=True)
    return _SHORT.get(name) or _from_index(name, from_scratch)


def _from_index(name: str, from_scratch: bool) -> Recipe:
    from condinst.compat.base_configs import find_root
    from condinst.model_zoo import get

    check_model(name)
    known = _ALIASES.get(name, name)
    entry = get(known)
    per_megapixel, fixed = next(
        (values for word, values in _MEMORY.items() if word in known), (2.0, 1.5)
    )
    recipe = Recipe(
        name,
        entry.config.relative_to(find_root() / "configs").as_posix(),
        per_megapixel,
        fixed,
        boxes=entry.collection == "BoxInst",
    )
    if entry.weights is None or from_scratch:
        return recipe
    return replace(recipe, zoo=known)


def weights_note(recipe: Recipe, base: Any, from_scratch: bool) -> str:
    """Return a sentence on the initial weights and whether they are on this machine."""
    if recipe.unreachable:
        return (
            "weights: none could be reached, training starts from scratch; with a network, "
            "--force writes a config that starts from COCO's"
        )
    if from_scratch:
        return "weights: none, training starts from scratch"
    if recipe.zoo:
        from condinst.model_zoo import get
        from condinst.model_zoo.reachable import local_file

        entry = get(recipe.zoo)
        file = local_file(entry)
        what = f"{recipe.zoo}, trained on COCO (license: {entry.license})"
        return _note(what, file, str(entry.weights))
    backbone = base.model.backbone
    if backbone.get("pretrained"):
        return (
            f"weights: {backbone.model_name} of timm, trained on ImageNet; timm downloads them "
            "when training starts, unless its cache has them (without a network: --from-scratch)"
        )
    address = backbone.init_cfg.checkpoint
    url = _url(address)
    return _note(f"{address}, trained on ImageNet", _torch_file(url), url)


def _note(what: str, file: Path | None, url: str) -> str:
    if file:
        return f"weights: {what}; found in {file}"
    return (
        f"weights: {what}; not on this machine, training first downloads {url} (without a "
        "network: --from-scratch)"
    )


def _url(address: str) -> str:
    """Resolve the prefixes of mmengine that occur in our configs."""
    if address.startswith("torchvision://"):
        from mmengine.runner.checkpoint import get_torchvision_models

        return get_torchvision_models()[address.removeprefix("torchvision://")]
    if address.startswith("open-mmlab://"):
        from mmengine.runner.checkpoint import get_external_models

        return get_external_models()[address.removeprefix("open-mmlab://")]
    return address


def _backbone_file(name: str) -> Path | None:
    """Return the backbone's weights of a small model on this machine; None without them."""
    from condinst.compat.base_configs import shipped_config
    from condinst.config.read import read_config_file

    base = read_config_file(shipped_config(_SHORT[name].base))
    return _torch_file(_url(base.model.backbone.init_cfg.checkpoint))


def _torch_file(url: str) -> Path | None:
    import torch

    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    return path if path.is_file() else None
