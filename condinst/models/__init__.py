"""The detector and its parts; importing registers them under the scope ``condinst``."""

from .backbones import IntervalDCNResNet, TimmBackbone
from .bbox_head import CondInstBboxHead
from .boxinst import BoxInst, BoxInstBboxHead, BoxInstDataPreprocessor, BoxInstMaskHead
from .condinst import CondInst
from .data_preprocessor import DetDataPreprocessor
from .mask_branch import MaskBranch
from .mask_head import CondInstMaskHead
from .necks import BiFPN
from .semantic_head import SemanticHead
from .tiles import CondInstTiles
from .tta import CondInstTTA

__all__ = [
    "BiFPN",
    "BoxInst",
    "BoxInstBboxHead",
    "BoxInstDataPreprocessor",
    "BoxInstMaskHead",
    "CondInst",
    "CondInstBboxHead",
    "CondInstMaskHead",
    "CondInstTTA",
    "CondInstTiles",
    "DetDataPreprocessor",
    "IntervalDCNResNet",
    "MaskBranch",
    "SemanticHead",
    "TimmBackbone",
]
