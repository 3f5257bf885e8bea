"""Evaluate by COCO's rules: mmdet's metric on a faster evaluator, with bounded memory."""

import condinst.compat.needed  # noqa: F401
from condinst.evaluation.coco_metric import CocoMetric
from condinst.evaluation.dump_det_results import DumpDetResults
from condinst.evaluation.label_matching import Matches, match_label_maps
from condinst.evaluation.matching_metric import MatchingMetric

__all__ = ["CocoMetric", "DumpDetResults", "MatchingMetric", "Matches", "match_label_maps"]
