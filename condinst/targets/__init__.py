"""Training targets that the data workers compute: sampled masks and color similarities."""

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
__getattr__ = lazy_names(__name__, _MODULES)
