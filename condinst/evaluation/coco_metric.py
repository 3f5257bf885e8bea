"""COCO's average precision as a metric of mmengine's evaluator."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections import OrderedDict
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric as MmdetCocoMetric
from mmengine.logging import MMLogger
from torch import Tensor

from condinst.evaluation.coco_summary import (
    AP_ITEMS,
    class_table,
    item_names,
    read_class,
    read_items,
)
from condinst.evaluation.coco_truth import ids_of_labels, read_ground_truth
from condinst.evaluation.evaluators import choose_backend, evaluate
from condinst.evaluation.mask_encoding import encode_masks
from condinst.evaluation.matches import (
    Detections,
    PrecisionCurves,
    Truth,
    gather_detections,
    read_truth,
)
from condinst.evaluation.prediction_file import write_predictions
from condinst.evaluation.recall import average_recalls
from condinst.registry import METRICS

__all__ = ["CocoMetric"]

_KINDS = ("bbox", "segm", "proposal", "proposal_fast")
_DEFAULT_NUMS = [100, 300, 1000]


@METRICS.register_module()
class CocoMetric(MmdetCocoMetric):
    """mmdet's ``CocoMetric`` with its keys and its numbers, several times faster.

    Masks are kept, and gathered from other processes, as RLE. Detections go to the evaluator
    directly and not through a file. "mAP" counts 100 detections per image and class with the
    default ``proposal_nums``, as in mmdet and COCO, and otherwise the largest of
    ``proposal_nums``. The other AP numbers always count the largest. Without any detection every
    number is 0 (-1 without objects), so that hooks find the number they monitor.

    Args:
        ann_file, metric, *args, **kwargs: mmdet's. ``use_mp_eval`` is accepted and changes
            nothing. ``metric_items`` may have mAP, mAP_50, mAP_75, mAP_s, mAP_m, mAP_l, AR@n for
            each n of ``proposal_nums``, and AR_s@n, AR_m@n and AR_l@n for the largest n.
        backend: "faster_coco_eval", "pycocotools", or "auto" for the first one if it is
            installed. Both give the same numbers.
        allow_box_only: whether objects may have a box and no mask. Box AP counts them. For mask AP
            they are crowds: what is detected inside the box is neither right nor wrong.
        predictions_file: the file that each evaluation writes its predictions to, as COCO's
            results with RLE; only the first process writes. ``ReportHook`` sets it. If the file
            cannot be written, a warning is logged and the evaluation goes on.

    Attributes:
        lasting: names of the attributes that no prediction changes, once they are set.

    Raises:
        ValueError: a key has an invalid value, or ``ann_file`` is not a COCO file.
        FileNotFoundError: ``ann_file`` does not exist.
        ImportError: ``backend`` is given by name and not installed.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | Sequence[str] = "bbox",
        *args: Any,
        backend: str = "auto",
        allow_box_only: bool = False,
        predictions_file: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        metrics = [metric] if isinstance(metric, str) else list(metric)
        for name in metrics:
            if name not in _KINDS:
                close = get_close_matches(str(name), _KINDS, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"CocoMetric: metric must be one of {_KINDS}, got {name!r}{hint}")
        nums = kwargs.get("proposal_nums", _DEFAULT_NUMS)
        whole = isinstance(nums, Sequence) and all(type(num) is int for num in nums)
        if not whole or not nums or min(nums) < 1:
            got = list(nums) if whole else repr(nums)
            raise ValueError(
                f"CocoMetric: proposal_nums must be positive, got {got}; expected a list of whole "
                "numbers, such as (1, 10, 100)"
            )
        if kwargs.get("format_only") and kwargs.get("outfile_prefix") is None:
            raise ValueError("CocoMetric: format_only=True needs outfile_prefix, got None")
        self.backend = choose_backend(backend)
        self.allow_box_only = allow_box_only
        super().__init__(None, metrics, *args, **kwargs)
        self._coco_api: Any  # None until there is a ground truth, as in mmdet
        if ann_file is not None:
            self._coco_api = read_ground_truth(
                ann_file, self.backend_args, sort_categories=kwargs.get("sort_categories", False)
            )
        self.cat_ids: Any
        self.img_ids: Any
        self.name = str(ann_file) if ann_file is not None else "the dataset's ground truth"
        self.iou_thrs: np.ndarray = np.array(self.iou_thrs, dtype=float, ndmin=1)
        self.max_dets = sorted(set(self.proposal_nums))
        is_default = self.proposal_nums == _DEFAULT_NUMS
        self.cap_of_map = 100 if is_default else self.max_dets[-1]
        known = item_names(self.max_dets)
        strange = [name for name in self.metric_items or () if name not in known]
        if strange:
            raise ValueError(
                f"CocoMetric: metric_items has {strange}; with proposal_nums="
                f"{tuple(self.proposal_nums)} expected some of {', '.join(known)}"
            )
        self.predictions_file = predictions_file
        self.by_class: dict[str, dict[str, list[float]]] = {}
        self._truth: Truth | None = None
        self.lasting = ("_truth",) if ann_file is not None else ()

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the predictions of a batch, with masks as RLE.

        Args:
            data_batch: not used.
            data_samples: one dict per image, with ``img_id``, ``ori_shape`` and
                ``pred_instances``: ``bboxes`` (N, 4) xyxy in pixels of the original image,
                ``scores`` and ``labels`` (N,), and ``masks``: (N, H, W) bool or N RLE dicts.

        Raises:
            ValueError: there is neither an ``ann_file`` nor the images' ``instances``.
        """
        if self._coco_api is None and any("instances" not in sample for sample in data_samples):
            raise ValueError(
                "CocoMetric: ann_file=None takes the annotations from the dataset, which does not "
                "hand them out: add 'instances' to meta_keys of PackDetInputs, or set ann_file"
            )
        super().process(data_batch, [_with_rle(sample) for sample in data_samples])

    def compute_metrics(self, results: list[tuple[dict, dict]]) -> dict[str, float]:
        """Return the numbers under mmdet's names, rounded to three digits.

        Args:
            results: ground truth and prediction of each image, from :meth:`process`.

        Raises:
            ValueError: the predictions do not fit the annotation file.
        """
        logger = MMLogger.get_current_instance()
        predictions = [prediction for _, prediction in results]
        if self._coco_api is None:
            self._coco_api = self._truth_of_samples([truth for truth, _ in results])
        if self.cat_ids is None:
            self.cat_ids = ids_of_labels(
                self._coco_api, self.dataset_meta["classes"], self.name, logger
            )
            self.img_ids = self._coco_api.get_img_ids()
        absent = [label for label, category_id in enumerate(self.cat_ids) if category_id is None]
        predictions = _without_labels(predictions, absent)
        if self.outfile_prefix is not None and predictions:
            files = self.results2json(predictions, self.outfile_prefix)
            logger.info(f"Predictions are written to {', '.join(sorted(set(files.values())))}")
        self._save(predictions, logger)
        numbers: dict[str, float] = OrderedDict()
        if self.format_only:
            return numbers
        if self._truth is None:
            present = [category_id for category_id in self.cat_ids if category_id is not None]
            self._truth = read_truth(self._coco_api.dataset, present, self.name)
        for metric in self.metrics:
            if metric == "proposal_fast":
                numbers.update(self._recalls(predictions, self._truth, logger))
            else:
                numbers.update(self._evaluate(metric, predictions, self._truth, logger))
        return numbers

    def _save(self, predictions: list[dict], logger: MMLogger) -> None:
        if self.predictions_file is None:
            return
        try:
            write_predictions(self.predictions_file, predictions, self.cat_ids)
        except OSError as error:
            logger.warning(f"CocoMetric: predictions are not saved: {error}")

    def _truth_of_samples(self, truths: list[dict[str, Any]]) -> COCO:
        with tempfile.TemporaryDirectory() as folder:
            path = self.gt_to_coco_json(truths, str(Path(folder) / "truth"))
            with contextlib.redirect_stdout(io.StringIO()):
                return COCO(path)

    def _evaluate(
        self, metric: str, predictions: list[dict], truth: Truth, logger: MMLogger
    ) -> dict[str, float]:
        start = time.perf_counter()
        iou_type = "segm" if metric == "segm" else "bbox"
        if iou_type == "segm" and self.allow_box_only:
            crowds = truth.crowds.sum()
            truth = truth.for_masks()
            count = int(truth.crowds.sum() - crowds)
            logger.info(f"segm: {count} objects have a box and no mask; mask AP leaves them out")
        detections = gather_detections(predictions, truth, self.cat_ids, iou_type)
        logger.info(
            f"Evaluating {metric} by {self.backend}: {len(detections)} "
            f"detections on {len(predictions)} images, {len(truth.areas)} objects of "
            f"{len(truth.category_ids)} classes on {len(truth.image_ids)}"
        )
        if not len(detections):
            logger.warning(f"{metric}: there are no detections on any image")
        self._warn_of_cap(metric, detections, logger)
        curves = evaluate(
            truth,
            detections,
            backend=self.backend,
            iou_thrs=self.iou_thrs,
            max_dets=self.max_dets,
            use_cats=metric != "proposal",
        )
        items = read_items(curves, self.iou_thrs, self.max_dets, self.cap_of_map)
        text = "  ".join(f"{name} {value:.3f}" for name, value in items.items())
        logger.info(f"{metric} took {time.perf_counter() - start:.1f} s: {text}")
        if metric == "proposal":
            names = self.metric_items or item_names(self.max_dets)[len(AP_ITEMS) :]
            return {name: float(f"{items[name]:.3f}") for name in names}
        values = " ".join(f"{items[name]:.3f}" for name in AP_ITEMS)
        logger.info(f"{metric}_mAP_copypaste: {values}")
        numbers = self._by_class(metric, curves, truth, logger) if self.classwise else {}
        for name in self.metric_items or AP_ITEMS:
            numbers[f"{metric}_{name}"] = float(np.round(items[name], 3))
        return numbers

    def _warn_of_cap(self, metric: str, detections: Detections, logger: MMLogger) -> None:
        if self.cap_of_map == self.max_dets[-1] or not len(detections):
            return
        num_classes = detections.categories.max() + 1
        most = np.bincount(detections.images * num_classes + detections.categories).max()
        if most > self.cap_of_map:
            logger.warning(
                f"{metric}_mAP counts {self.cap_of_map} detections of a class on an image, as COCO "
                f"does, but there are up to {most}; proposal_nums=(1, 10, {most}) counts all"
            )

    def _by_class(
        self, metric: str, curves: PrecisionCurves, truth: Truth, logger: MMLogger
    ) -> dict[str, float]:
        names = [self._coco_api.cats[category_id]["name"] for category_id in truth.category_ids]
        values = [read_class(curves, i, self.iou_thrs) for i in range(len(names))]
        self.by_class[metric] = dict(zip(names, values, strict=True))
        logger.info("\n" + class_table(names, values))
        return {f"{n}_precision": round(v[0], 3) for n, v in zip(names, values, strict=True)}

    def _recalls(self, predictions: list[dict], truth: Truth, logger: MMLogger) -> dict[str, float]:
        detections = gather_detections(predictions, truth, self.cat_ids, "bbox")
        recalls = average_recalls(truth, detections, self.proposal_nums, self.iou_thrs)
        numbers = {f"AR@{n}": r for n, r in zip(self.proposal_nums, recalls, strict=True)}
        text = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
        logger.info(f"proposal_fast, {len(detections)} boxes on {len(predictions)} images: {text}")
        return numbers


def _with_rle(sample: dict[str, Any]) -> dict[str, Any]:
    instances = dict(sample["pred_instances"].items())
    if isinstance(instances.get("masks"), Tensor):
        instances["masks"] = encode_masks(instances["masks"])
    return {**sample, "pred_instances": instances}


def _without_labels(predictions: list[dict], labels: list[int]) -> list[dict]:
    """Leave out the predictions with some labels."""
    if not labels:
        return predictions
    return [_keep(p, np.flatnonzero(~np.isin(p["labels"], labels))) for p in predictions]


def _keep(prediction: dict[str, Any], places: np.ndarray) -> dict[str, Any]:
    kept = dict(prediction)
    for key in ("bboxes", "scores", "labels", "mask_scores"):
        if key in kept:
            kept[key] = kept[key][places]
    if "masks" in kept:
        kept["masks"] = [kept["masks"][place] for place in places]
    return kept
