"""The detector and its parts; importing registers them under the scope ``condinst``."""

from .bbox_head import CondInstBboxHead
from .condinst import CondInst
from .mask_branch import MaskBranch
from .mask_head import CondInstMaskHead
from .tta import CondInstTTA

__all__ = ["CondInst", "CondInstBboxHead", "CondInstMaskHead", "CondInstTTA", "MaskBranch"]
