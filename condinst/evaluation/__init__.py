"""COCO evaluation: mmdet's metric on a faster evaluator, with bounded memory for masks."""

from condinst.evaluation.coco_metric import CocoMetric
from condinst.evaluation.dump_det_results import DumpDetResults

__all__ = ["CocoMetric", "DumpDetResults"]
