"""Benchmark of prediction, as a whole and by parts, and of the memory for large images."""

from __future__ import annotations

import contextlib
import copy
import io
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.datasets import CocoDataset
from mmdet.structures.mask import encode_mask_results
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from torch import Tensor

from benchmarks.measure import Comparison, compare, compare_peaks
from benchmarks.models import Context, build_pair
from benchmarks.pipeline import CONFIG
from condinst.models.optimize import optimize_for_inference
from condinst.models.postprocess.masks import postprocess_masks

_MAX_IMAGES = 4
_GRID = (200, 304)  # cells at stride 4 of an 800 x 1216 input


def run(context: Context) -> list[Comparison]:
    """Measure on real images with seeded models, and mask post-processing on real masks."""
    theirs, ours = build_pair(context.device)
    theirs.eval()
    ours.eval()
    batches = test_batches(context)
    with torch.no_grad():
        agreement = _agreement(theirs, ours, batches[0])
        return [
            *_compare_parts(context, theirs, ours, batches[0]),
            _compare_mask_postprocess(context, theirs),
            _compare_large_image(context, theirs),
            *_compare_all(context, theirs, ours, batches, agreement),
        ]


def test_batches(context: Context) -> list[dict[str, Any]]:
    """Return batches of one image, as from the test loader of the COCO config."""
    node = Config.fromfile(CONFIG).test_dataloader.dataset
    steps = [step for step in node.pipeline if step.type != "LoadAnnotations"]
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = CocoDataset(
            data_root=str(context.root),
            ann_file=node.ann_file,
            data_prefix=node.data_prefix,
            test_mode=True,
            pipeline=steps,
        )
        items = [data[i] for i in range(min(context.num_images, _MAX_IMAGES, len(data)))]
    return [{key: [value] for key, value in item.items()} for item in items]


def predict(model: Any, batch: dict[str, Any]) -> Any:
    """Predict with masks as RLE, the form for evaluation."""
    found = model.test_step(copy.deepcopy(batch))[0].pred_instances
    masks = found.masks
    return found, masks if isinstance(masks, list) else encode_mask_results(masks.cpu().numpy())


def _agreement(theirs: Any, ours: Any, batch: dict[str, Any]) -> str:
    a, b = (model.test_step(copy.deepcopy(batch))[0].pred_instances for model in (theirs, ours))
    assert len(a) == len(b)
    assert torch.equal(a.labels, b.labels)
    boxes = (a.bboxes - b.bboxes).abs().max().item()
    pixels = (a.masks != b.masks).sum().item()
    return f"{len(a)} detections, boxes differ by {boxes:.1g} px, masks in {pixels} pixels"


def _compare_all(
    context: Context,
    theirs: Any,
    ours: Any,
    batches: list[dict[str, Any]],
    agreement: str,
) -> list[Comparison]:
    cpu = context.device == "cpu"

    def run_all(model: Any) -> list:
        return [predict(model, batch) for batch in batches]

    def run_all_mixed(model: Any) -> list:
        with torch.autocast(context.device, torch.bfloat16):
            return run_all(model)

    common: dict[str, Any] = dict(
        rounds=max(context.rounds // 3, 3), warmup=1, device=context.device
    )
    exact = copy.deepcopy(ours)
    exact.test_cfg = dict(exact.test_cfg, mask_format="rle")
    note = f"{len(batches)} images, batch 1, masks to RLE; {agreement}"
    found = [
        compare(
            "inference in all, fp32, no switches",
            partial(run_all, theirs),
            partial(run_all, exact),
            note=note,
            **common,
        )
    ]
    fast = optimize_for_inference(copy.deepcopy(ours), mask_format="rle")
    found.append(
        compare(
            "inference in all, fp32",
            partial(run_all, theirs),
            partial(run_all, fast),
            note=note + "; ours channels-last, norms folded",
            bar=1.8 if cpu else 1.5,
            **common,
        )
    )
    mixed = optimize_for_inference(
        copy.deepcopy(ours), mask_format="rle", dtype="bfloat16" if cpu else "float16"
    )
    found.append(
        compare(
            f"inference in all, {'bf16' if cpu else 'fp16'} against mmdet's fp32",
            partial(run_all, theirs),
            partial(run_all, mixed),
            note="the same, and ours in mixed precision",
            bar=3.0 if cpu else 2.5,
            **common,
        )
    )
    if cpu:
        found.append(
            compare(
                "inference in all, bf16 against mmdet under bf16 autocast",
                partial(run_all_mixed, theirs),
                partial(run_all, mixed),
                note="both in mixed precision",
                **common,
            )
        )
    return found


def _compare_parts(
    context: Context, theirs: Any, ours: Any, batch: dict[str, Any]
) -> list[Comparison]:
    """Compare the network, with our switches, and the box post-processing."""
    data = theirs.data_preprocessor(copy.deepcopy(batch), False)
    inputs, metas = data["inputs"], [sample.metainfo for sample in data["data_samples"]]
    fast = optimize_for_inference(copy.deepcopy(ours))

    def network(model: Any) -> tuple:
        feats = model.extract_feat(inputs)
        return model.bbox_head(feats), model.mask_head.mask_feature_head(feats)

    dense = theirs.bbox_head(theirs.extract_feat(inputs))
    our_dense = network(ours)[0]

    def boxes_of_theirs() -> list[InstanceData]:
        return theirs.bbox_head.predict_by_feat(*dense, batch_img_metas=metas, rescale=False)

    def boxes_of_ours() -> list[InstanceData]:
        return ours.bbox_head.predict(our_dense, [meta["img_shape"] for meta in metas])

    common: dict[str, Any] = dict(rounds=context.rounds, device=context.device)
    network_common: dict[str, Any] = dict(common, rounds=max(context.rounds // 2, 3), warmup=1)
    size = "x".join(map(str, inputs.shape[-2:]))
    return [
        compare(
            "backbone, neck and heads, fp32",
            lambda: network(theirs),
            lambda: network(fast),
            note=f"one image of {size}; ours channels-last, norms folded",
            **network_common,
        ),
        compare(
            "box post-processing",
            boxes_of_theirs,
            boxes_of_ours,
            note=f"{len(boxes_of_ours()[0])} detections",
            bar=2.0,
            **common,
        ),
    ]


def logits_of_annotations(context: Context, count: int, size: tuple[int, int]) -> Tensor:
    """Make (count, *size) logits of real objects that cover less than a fifth of their image."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(context.root / "annotations/instances_val2017.json"))
    generator = torch.Generator().manual_seed(0)
    annotations = [a for a in coco.anns.values() if not a["iscrowd"]]
    logits: list[Tensor] = []
    for index in torch.randperm(len(annotations), generator=generator).tolist() * 10:
        mask = torch.from_numpy(coco.annToMask(annotations[index]))[None, None].float()
        if not 0.001 < mask.mean() < 0.2:
            continue
        cells = F.avg_pool2d(F.interpolate(mask, size, mode="area"), 3, 1, 1)[0, 0]
        # edges a few cells wide, and noise everywhere
        logits.append((cells - 0.5) * 10 + 0.3 * torch.randn(size, generator=generator))
        if len(logits) == count:
            break
    return torch.stack(logits).to(context.device)


def _their_masks(
    head: Any, logits: Tensor, img_shape: tuple[int, int], ori_shape: tuple[int, int]
) -> Tensor:
    found = [InstanceData(bboxes=logits.new_zeros(len(logits), 4))]
    meta = dict(img_shape=img_shape, ori_shape=ori_shape, scale_factor=(1.0, 1.0))
    return head.predict_by_feat([logits], found, [meta], rescale=True)[0].masks


def _compare_mask_postprocess(context: Context, theirs: Any) -> Comparison:
    logits = logits_of_annotations(context, 100, _GRID)
    shapes = ((800, 1199), (427, 640))

    def encode_theirs() -> list:
        masks = _their_masks(theirs.mask_head, logits, *shapes)
        return encode_mask_results(masks.cpu().numpy())

    encode_ours = _our_rles(logits, shapes)
    expected, actual = encode_theirs(), encode_ours()
    equal = sum(a["counts"] == b["counts"] for a, b in zip(expected, actual, strict=True))
    return compare(
        "mask post-processing and RLE",
        encode_theirs,
        encode_ours,
        rounds=context.rounds,
        device=context.device,
        note=f"100 masks of real objects, 427 x 640; {equal} of 100 RLEs are equal",
        bar=5.0,
    )


def _our_rles(logits: Tensor, shapes: tuple[tuple[int, int], ...]) -> Callable[[], list]:
    img_shape, out_shape = shapes
    return lambda: list(
        postprocess_masks(
            logits,
            stride=4,
            img_shape=img_shape,
            out_shape=out_shape,
            mask_thr=0.5,
            mask_format="rle",
        )
    )


def _compare_large_image(context: Context, theirs: Any) -> Comparison:
    # mmdet needs 19 GB for 300 masks
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    count = 300 if context.device != "cpu" or memory > 20e9 else 100
    logits = logits_of_annotations(context, count, (200, 272))
    shapes = ((800, 1067), (3000, 4000))
    return compare_peaks(
        "mask post-processing, peak memory",
        lambda: _their_masks(theirs.mask_head, logits, *shapes),
        _our_rles(logits, shapes),
        rounds=2,
        device=context.device,
        note=f"{count} masks of real objects, an image of 3000 x 4000",
        bar=10.0,
    )
