"""From predictions to detections, and from mask logits to masks."""

from condinst.models.postprocess.boxes import postprocess_boxes
from condinst.models.postprocess.masks import postprocess_masks

__all__ = ["postprocess_boxes", "postprocess_masks"]
