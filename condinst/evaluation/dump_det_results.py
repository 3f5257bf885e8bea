"""Save predictions to a file."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.evaluation import DumpDetResults as MMDetDumpDetResults
from mmengine.evaluator import DumpResults

from condinst.registry import METRICS


@METRICS.register_module()
class DumpDetResults(MMDetDumpDetResults):
    """mmdet's ``DumpDetResults``, which also takes masks as RLE; the files are the same."""

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        if not any(isinstance(s["pred_instances"].get("masks"), list) for s in data_samples):
            super().process(data_batch, data_samples)
            return
        dropped = ("gt_instances", "ignored_instances", "gt_panoptic_seg")
        slim = [{k: v for k, v in s.items() if k not in dropped} for s in data_samples]
        DumpResults.process(self, data_batch, slim)
