"""Benchmark of RTMDet-Ins' prediction beside mmdet's, and of the memory for large images."""

from __future__ import annotations

import copy
import math
import os
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.structures.mask import encode_mask_results

from benchmarks.inference import logits_of_annotations, predict
from benchmarks.measure import Comparison, compare, compare_peaks
from benchmarks.models import Context
from benchmarks.rtmdet import SIZES, build_rtmdet_pair, test_items
from condinst.models.optimize import optimize_for_inference
from condinst.models.postprocess.logit_masks import postprocess_logit_masks, resized_shape

_MAX_IMAGES = 4
_STRIDE = 8
_BYTES_PER_MASK = 10 * 12e6  # of mmdet: two maps of float32, and bytes, at 12 megapixels


def run(context: Context) -> list[Comparison]:
    """Measure both sizes on real images with seeded models, and masks of real objects."""
    items = test_items(context.root, min(context.num_images, _MAX_IMAGES))
    found = []
    with torch.no_grad():
        for size in SIZES:
            found += _compare_size(context, size, items)
        return [*found, _compare_large_image(context)]


def _compare_size(context: Context, size: str, items: list[dict[str, Any]]) -> list[Comparison]:
    theirs, ours = build_rtmdet_pair(size, context.device, items)
    theirs.eval()
    ours.eval()
    batches = [{key: [value] for key, value in item.items()} for item in items]
    a, b = (m.test_step(copy.deepcopy(batches[0]))[0].pred_instances for m in (theirs, ours))
    assert torch.equal(a.labels, b.labels)
    pixels = (a.masks != b.masks).sum().item()
    note = (
        f"{len(items)} images, batch 1, masks to RLE; {len(a)} detections, boxes differ by "
        f"{(a.bboxes - b.bboxes).abs().max().item():.1g} px, masks in {pixels} pixels; "
    )
    cpu = context.device == "cpu"
    half = "bfloat16" if cpu else "float16"
    plain = copy.deepcopy(ours)
    plain.test_cfg = dict(plain.test_cfg, mask_format="rle")
    cases: tuple[tuple[str, Any, str, float | None], ...] = (
        ("fp32, no switches", plain, "the same switches", None),
        (
            "fp32",
            optimize_for_inference(copy.deepcopy(ours), mask_format="rle"),
            "ours channels-last, norms folded",
            2.0,
        ),
        (
            f"{half} against mmdet's fp32",
            optimize_for_inference(copy.deepcopy(ours), mask_format="rle", dtype=half),
            "the same, and ours in mixed precision",
            3.0,
        ),
    )
    return [
        compare(
            f"RTMDet-Ins-{size}: image to RLE, {name}",
            partial(_predict_all, theirs, batches),
            partial(_predict_all, model, batches),
            rounds=max(context.rounds // 3, 3),
            warmup=1,
            device=context.device,
            note=note + what,
            bar=bar,
        )
        for name, model, what, bar in cases
    ]


def _predict_all(model: Any, batches: list[dict[str, Any]]) -> list[Any]:
    return [predict(model, batch) for batch in batches]


def _compare_large_image(context: Context) -> Comparison:
    """Compare the masks of a square network input for an image of 12 megapixels."""
    out_shape, factor = (3000, 4000), 640 / 4000
    count = 300
    if context.device == "cpu":  # mmdet's memory has to fit beside what else the machine does
        free = _free_bytes()
        count = max(10, min(300, int(0.6 * free / _BYTES_PER_MASK)))
    logits = logits_of_annotations(context, count, (640 // _STRIDE, 640 // _STRIDE))
    resized = resized_shape((640, 640), out_shape, (factor, factor))

    def theirs() -> list[dict]:
        # the steps of RTMDetInsHead._bbox_mask_post_process
        enlarged = F.interpolate(logits.unsqueeze(0), scale_factor=_STRIDE, mode="bilinear")
        sides = [math.ceil(side / factor) for side in enlarged.shape[-2:]]
        whole = F.interpolate(enlarged, sides, mode="bilinear", align_corners=False)
        masks = whole[..., : out_shape[0], : out_shape[1]].sigmoid().squeeze(0) > 0.5
        return encode_mask_results(masks.cpu().numpy())

    def ours() -> list[Any]:
        return list(
            postprocess_logit_masks(
                logits,
                stride=_STRIDE,
                resized=resized,
                out_shape=out_shape,
                mask_thr=0.5,
                mask_format="rle",
            )
        )

    return compare_peaks(
        "RTMDet-Ins: masks of a large image, peak memory",
        theirs,
        ours,
        rounds=2,
        device=context.device,
        note=f"{count} masks of real objects, an image of 3000 x 4000, to RLE",
        bar=10.0,
    )


def _free_bytes() -> float:
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
