"""The detector and its parts; importing registers them under the scope ``condinst``."""

import condinst.compat.needed  # noqa: F401
from condinst.models.backbones import CSPNeXt, IntervalDCNResNet, TimmBackbone
from condinst.models.boxinst import (
    BoxInst,
    BoxInstBboxHead,
    BoxInstDataPreprocessor,
    BoxInstMaskHead,
)
from condinst.models.condinst import CondInst
from condinst.models.data_preprocessor import DetDataPreprocessor
from condinst.models.heads.bbox_head import CondInstBboxHead
from condinst.models.heads.mask_branch import MaskBranch
from condinst.models.heads.mask_head import CondInstMaskHead
from condinst.models.heads.rtmdet_head import RTMDetInsSepBNHead
from condinst.models.heads.semantic_head import SemanticHead
from condinst.models.necks import BiFPN
from condinst.models.rtmdet import RTMDet
from condinst.models.test_time.tiled import CondInstTiles
from condinst.models.test_time.tta import CondInstTTA

__all__ = [
    "BiFPN",
    "BoxInst",
    "BoxInstBboxHead",
    "BoxInstDataPreprocessor",
    "BoxInstMaskHead",
    "CSPNeXt",
    "CondInst",
    "CondInstBboxHead",
    "CondInstMaskHead",
    "CondInstTTA",
    "CondInstTiles",
    "DetDataPreprocessor",
    "IntervalDCNResNet",
    "MaskBranch",
    "RTMDet",
    "RTMDetInsSepBNHead",
    "SemanticHead",
    "TimmBackbone",
]
