"""COCO evaluation: mmdet's metric on a faster evaluator, with bounded memory for masks."""

from condinst.evaluation.coco_metric import CocoMetric

__all__ = ["CocoMetric"]
