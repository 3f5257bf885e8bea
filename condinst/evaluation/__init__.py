"""Evaluate by COCO's rules: mmdet's metric on a faster evaluator, with bounded memory."""

import condinst.compat.needed  # noqa: F401
from condinst.evaluation.coco_metric import CocoMetric
from condinst.evaluation.dump_det_results import DumpDetResults

__all__ = ["CocoMetric", "DumpDetResults"]
