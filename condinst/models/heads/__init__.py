"""Parts of the detector with weights of their own."""

from condinst.models.heads.bbox_head import CondInstBboxHead
from condinst.models.heads.mask_branch import MaskBranch
from condinst.models.heads.mask_head import CondInstMaskHead
from condinst.models.heads.semantic_head import SemanticHead

__all__ = ["CondInstBboxHead", "CondInstMaskHead", "MaskBranch", "SemanticHead"]
