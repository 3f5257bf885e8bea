"""What training reads of an image: sampled masks and similar colors, made in the data workers."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "SampledMasks": "target_types",
    "SimilarColors": "target_types",
    "alike_neighbors": "color_similarity",
    "sample_masks": "mask_samples",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
