"""Post-processing of predictions to detections, and of mask logits to masks."""

from condinst.models.postprocess.boxes import postprocess_boxes
from condinst.models.postprocess.masks import postprocess_masks

__all__ = ["postprocess_boxes", "postprocess_masks"]
