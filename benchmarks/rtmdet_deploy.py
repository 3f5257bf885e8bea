"""RTMDet-Ins as one ONNX file beside ultralytics' exported models, from image files to RLEs.

    python -m venv yolo
    yolo/bin/pip install ultralytics onnx onnxslim onnxruntime pycocotools
    python tools/benchmark.py data/coco --parts rtmdet_deploy --ultralytics-python yolo/bin/python

All weights are random and seeded. ONNX Runtime uses one thread per core in every file. Without
``--ultralytics-python``, only int8 is compared with float32.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from benchmarks.deploy import in_words, rles
from benchmarks.measure import Comparison, in_turns
from benchmarks.models import Context
from benchmarks.rtmdet import SIZES, build_rtmdet_pair, published_rtmdet, test_items
from condinst.deploy import OnnxPredictor
from condinst.export.agreement import Agreement, compare_instances
from condinst.export.exporter import Options, export_model
from condinst.inference.predictor import Predictor

_MAX_IMAGES = 4
_NUM_CALIBRATION = 16
# ours -> the model beside it, both published mask APs, and the bar: its time over ours
_BESIDE = {
    "tiny": ("yolo11s-seg", "35.4 and 35.0 AP", 1 / 0.6),
    "s": ("yolo26s-seg", "38.7 and 40.0 AP", 1 / 0.9),
}
_INT8_BAR = 2.0
_WORKER = Path(__file__).with_name("ultralytics_worker.py")


def run(context: Context) -> list[Comparison]:
    """Measure all alternately on real images, on the CPU."""
    images = sorted((context.root / "val2017").glob("*.jpg"))
    images = images[: min(context.num_images, _MAX_IMAGES)]
    with tempfile.TemporaryDirectory(prefix="condinst-benchmark-") as name:
        files = _build(context.root, Path(name))
        calls: dict[str, Callable[[], float | None]] = {
            key: partial(_discard, predictor, images)
            for key, predictor in files.items()
            if "eager" not in key
        }
        workers: dict[str, _Worker] = {}
        try:
            if context.ultralytics_python:
                for yolo, _, _ in _BESIDE.values():
                    workers[yolo] = _Worker(context.ultralytics_python, yolo, Path(name))
                    calls[yolo] = partial(workers[yolo].seconds, images, True)
                    calls[f"{yolo}, its defaults"] = partial(workers[yolo].seconds, images, False)
            times = in_turns(calls, max(context.rounds // 3, 3))
        finally:
            for worker in workers.values():
                worker.close()
        of_int8 = _agreement(files["tiny fp32"], files["tiny int8"], images)
        eager = {size: _agreement(files[f"{size} eager"], files[f"{size} fp32"], images)
                 for size in SIZES}  # fmt: skip
    for agreement in eager.values():
        assert agreement.matched_fraction > 0.95, agreement
        assert statistics.median(agreement.mask_ious) > 0.995
    found = [
        Comparison(
            "RTMDet-Ins-tiny in ONNX Runtime, int8",
            times["tiny fp32"],
            times["tiny int8"],
            "its fp32",
            note=in_words(of_int8, "the fp32 file"),
            bar=_INT8_BAR,
        )
    ]
    for size, (yolo, published, bar) in _BESIDE.items() if workers else ():
        ours = times[f"{size} fp32"]
        counts = f"{_count(files[f'{size} fp32'], images)} and {workers[yolo].instances} instances"
        versions = (
            f"ultralytics {workers[yolo].version}; published {published}; {counts}; "
            + in_words(eager[size])
        )
        name = f"RTMDet-Ins-{size} in ONNX Runtime"
        found += [
            Comparison(f"{name}, masks of the image's size to RLE", times[yolo], ours, yolo,
                       note=f"{len(images)} images, {versions}", bar=bar),
            Comparison(f"{name} to RLE, beside masks of 640 x 640 without RLE",
                       times[f"{yolo}, its defaults"], ours, yolo, note="its default call"),
        ]  # fmt: skip
    return found


def _discard(predictor: Any, images: Sequence[Path]) -> None:
    rles(predictor, images)


def _count(predictor: Any, images: Sequence[Path]) -> int:
    return sum(len(predictor(path)) for path in images)


def _build(root: Path, folder: Path) -> dict[str, Any]:
    """Export both sizes in float32, and tiny in int8; return their predictors."""
    files: dict[str, Any] = {}
    items = test_items(root, _MAX_IMAGES)
    for size in SIZES:
        cfg = published_rtmdet(size)
        cfg = Config(dict(default_scope="condinst", model=cfg.model,
                          test_dataloader=cfg.test_dataloader))  # fmt: skip
        checkpoint = folder / f"{size}.pth"
        torch.save(
            dict(state_dict=build_rtmdet_pair(size, "cpu", items)[1].state_dict()), checkpoint
        )
        files[f"{size} eager"] = Predictor(cfg, checkpoint, device="cpu", score_thr=0)
        common: dict[str, Any] = dict(batch=1, check_images=str(root / "val2017"), num_check=1)
        kinds: dict[str, dict[str, Any]] = {"fp32": {}}
        if size == "tiny":
            calibration = dict(
                calibration_images=str(root / "train2017"), num_calibration=_NUM_CALIBRATION
            )
            kinds["int8"] = calibration
        for kind, options in kinds.items():
            path = folder / f"{size}_{kind}.onnx"
            done = export_model(
                cfg, checkpoint, path, Options(**common, **options), say=lambda text: None
            )
            if done.path != path:  # random weights have no margins; _agreement measures them
                done.path.rename(path)
            files[f"{size} {kind}"] = OnnxPredictor(path, score_thr=0)
    return files


def _agreement(expected: Any, found: Any, images: Sequence[Path]) -> Agreement:
    """Compare the instances of two predictors."""
    fields = ("boxes", "scores", "labels", "masks")
    total = Agreement()
    for path in images:
        total += compare_instances(
            *({key: getattr(p(path), key) for key in fields} for p in (expected, found)),
            score_thr=0.05,
            max_per_img=100,
            sqrt_scores=False,
            margin=1e-3,
        )
    return total


class _Worker:
    """A process of ultralytics' Python that waits for images."""

    def __init__(self, python: str, name: str, folder: Path) -> None:
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        self._log = (folder / f"{name}.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [python, str(_WORKER), f"{name}.yaml", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=env,
        )
        self.version = self._answer()["version"]
        self.instances = 0

    def seconds(self, images: Sequence[Path], rle: bool) -> float:
        """Return the seconds of all images, as the process measures them."""
        assert self._process.stdin is not None
        task = dict(images=[str(path.resolve()) for path in images], rle=rle)
        print(json.dumps(task), file=self._process.stdin, flush=True)
        answer = self._answer()
        self.instances = answer["instances"]
        return answer["seconds"]

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)
        self._log.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            last = (self._log.read().strip().splitlines() or ["no output"])[-1]
            raise RuntimeError(f"--ultralytics-python: {_WORKER.name} ended: {last}")
        return json.loads(line)
