"""Training targets that the data workers compute: sampled masks and color similarities."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "SampledMasks": "target_types",
    "SimilarColors": "target_types",
    "boxes_of_masks": "mask_guard",
    "compute_pairwise_edges": "color_similarity",
    "misplaced": "mask_guard",
    "sample_masks": "mask_samples",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.targets.color_similarity import compute_pairwise_edges as compute_pairwise_edges
    from condinst.targets.mask_guard import boxes_of_masks as boxes_of_masks
    from condinst.targets.mask_guard import misplaced as misplaced
    from condinst.targets.mask_samples import sample_masks as sample_masks
    from condinst.targets.target_types import SampledMasks as SampledMasks
    from condinst.targets.target_types import SimilarColors as SimilarColors
else:
    __getattr__ = lazy_names(__name__, _MODULES)
