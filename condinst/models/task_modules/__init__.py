"""Parts of training without weights: points, ground truth, assignment, sampling."""

from condinst.models.task_modules.assigner import PointAssigner
from condinst.models.task_modules.ground_truth import prepare_ground_truth
from condinst.models.task_modules.points import flatten_levels, gather_patches, gather_points
from condinst.models.task_modules.sampler import sample_positives
from condinst.models.task_modules.soft_label_assigner import SoftLabelAssigner

__all__ = [
    "PointAssigner",
    "SoftLabelAssigner",
    "flatten_levels",
    "gather_patches",
    "gather_points",
    "prepare_ground_truth",
    "sample_positives",
]
