"""The heads of the detector: boxes, mask features, masks and semantic classes."""

from condinst.models.heads.bbox_head import CondInstBboxHead
from condinst.models.heads.mask_branch import MaskBranch
from condinst.models.heads.mask_head import CondInstMaskHead
from condinst.models.heads.semantic_head import SemanticHead

__all__ = ["CondInstBboxHead", "CondInstMaskHead", "MaskBranch", "SemanticHead"]
