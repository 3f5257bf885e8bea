"""Recognize the layout of a state dict, and translate its names to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from condinst.checkpoints import original, resnet
from condinst.checkpoints.layout_names import LAYOUTS as LAYOUTS
from condinst.checkpoints.mmdet2 import from_mmdet2, is_mmdet2
from condinst.checkpoints.translation import Translation, our_name, rename

BACKBONES = frozenset(name for name in LAYOUTS if name.endswith("-backbone"))
"""The layouts of backbones alone; their results have no prefix, as ``init_cfg`` expects."""


def detect_layout(state_dict: Mapping[str, Tensor]) -> str:
    """Return the name of a state dict's layout, a key of ``LAYOUTS``.

    Raises:
        ValueError: the layout is not known.
    """
    names = strip_wrapper(state_dict)
    if any(name.startswith(("proposal_generator.", "controller.")) for name in names):
        return "original"
    if any(name.startswith("bbox_head.") for name in names):
        return "mmdet2" if is_mmdet2(names) else "condinst"
    if any(re.fullmatch(r"res\d_\d+_branch\w+", name) for name in names):
        return "caffe2-backbone"
    if any(re.fullmatch(r"(backbone\.bottom_up\.)?stem\.conv1\.weight", name) for name in names):
        return "detectron2-backbone"
    if {"conv1.weight", "layer1.0.conv1.weight"} <= names.keys():
        return "torchvision-backbone"
    first = ", ".join(list(names)[:3]) or "none"
    raise ValueError(
        f"no known layout of weights; the first of {len(names)} names: {first}; expected one of "
        + ", ".join(f"{name} ({meaning})" for name, meaning in LAYOUTS.items())
    )


def to_condinst(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate weights of any layout to our names; a backbone's have no prefix.

    Args:
        state_dict: tensors by name; not changed.

    Returns:
        Tensors that share memory with the given ones, and zeros for the batch counters that frozen
        norms lack.

    Raises:
        ValueError: the layout is unknown, or tensors are unknown or misshapen; lists them.
    """
    return translate(state_dict).weights


def to_original(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate weights by our or mmdet's names to those of the original implementation.

    Buffers that the original makes when it is built are left out.

    Raises:
        ValueError: the weights are not those of a whole CondInst, or the original does not have
            some tensors, which are listed.
    """
    return translate(state_dict, "original").weights


def translate(state_dict: Mapping[str, Tensor], to: str = "condinst") -> Translation:
    """Translate as :func:`to_condinst` or :func:`to_original`, and list the dropped tensors."""
    layout = detect_layout(state_dict)
    state_dict = strip_wrapper(state_dict)
    if to == "condinst":
        return _READERS[layout](state_dict)
    if layout not in ("condinst", "mmdet2"):
        raise ValueError(
            f"the weights have the layout {layout!r}; expected whole models of ours or mmdet's, "
            "to convert them to the original's"
        )
    result = _READERS[layout](state_dict)
    final = original.to_original(result.weights)
    return Translation(final.weights, result.dropped + final.dropped)


def strip_wrapper(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the ``module.`` that data-parallel training puts before every name."""
    prefix = "module."
    if all(name.startswith(prefix) for name in state_dict):
        return {name.removeprefix(prefix): tensor for name, tensor in state_dict.items()}
    return dict(state_dict)


def _from_condinst(state_dict: Mapping[str, Tensor]) -> Translation:
    return rename(state_dict, our_name, original.BUFFERS.__contains__, "condinst")


_READERS: dict[str, Callable[[Mapping[str, Tensor]], Translation]] = {
    "condinst": _from_condinst,
    "mmdet2": from_mmdet2,
    "original": original.from_original,
    "detectron2-backbone": resnet.from_detectron2,
    "caffe2-backbone": resnet.from_caffe2,
    "torchvision-backbone": resnet.from_torchvision,
}
