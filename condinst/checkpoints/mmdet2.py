"""Translate names of mmdet before 3.0, and of public ports of CondInst to it.

- mmdet 1.x and early 2.x: FCOS's predictors are ``fcos_cls``, ``fcos_reg``, ``fcos_centerness``
  (mmdet renames them while it loads, by the absence of a version number); the offsets of deformable
  convolutions are beside them (``conv2_offset``; mmcv renames them likewise).
- ports to mmdet 2.x (wangbo-zhao/OpenMMLab-BoxInst, LiWentomng/BoxInstSeg): the mask branch and the
  semantic head are modules of the detector, the controller is one of the mask head; its buffers are
  the original's, and dropped.

The class order did not change for heads with sigmoid scores. mmdet's 3.x names stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from condinst.checkpoints.original import BUFFERS, SIZES, check_sizes
from condinst.checkpoints.translation import Translation, add_batch_counters, our_name, rename

_BRANCH = "mask_head.mask_feature_head"
_NORMED = r"(conv|bn)\.\w+"
_RULES = [
    (r"bbox_head\.fcos_(cls|reg|centerness)\.(weight|bias)", r"bbox_head.conv_\1.\2"),
    (r"(backbone\.layer\d\.\d+\.conv2)_offset\.(weight|bias)", r"\1.conv_offset.\2"),
    (rf"mask_branch\.refines\.(\d+)\.({_NORMED})", rf"{_BRANCH}.convs_all_levels.\1.conv\1.\2"),
    (rf"mask_branch\.mask_branch\.(\d+\.{_NORMED})", rf"{_BRANCH}.conv_branch.\1"),
    (r"mask_branch\.mask_branch\.\d+\.(weight|bias)", rf"{_BRANCH}.conv_pred.\1"),
    (r"mask_head\.param_conv\.(weight|bias)", r"bbox_head.controller.\1"),
    (rf"segm_head\.segm_branch\.(\d+\.{_NORMED})", r"semantic_head.convs.\1"),
    (r"segm_head\.segm_conv\.(weight|bias)", r"semantic_head.conv_logits.\1"),
]


def is_mmdet2(names: Mapping[str, Tensor]) -> bool:
    """Tell whether a name is one that mmdet 3.x does not use."""
    return any(re.fullmatch(old, name) for old, _ in _RULES for name in names)


def from_mmdet2(state_dict: Mapping[str, Tensor]) -> Translation:
    """Translate old names to mmdet 3.x's and ours."""
    check_sizes(state_dict.get(SIZES))
    result = rename(state_dict, _new_name, BUFFERS.__contains__, "mmdet2")
    add_batch_counters(result.weights)
    return result


def _new_name(name: str) -> str | None:
    for old, new in _RULES:
        if match := re.fullmatch(old, name):
            return match.expand(new)
    return our_name(name)
