"""Benchmark of exported files against the detectors in PyTorch, from image files to RLEs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmdet.structures.mask import encode_mask_results
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from benchmarks.measure import Comparison, in_turns
from benchmarks.models import Context, build_pair, published_config
from benchmarks.pipeline import CONFIG
from condinst.deploy import OnnxPredictor, OpenVinoPredictor
from condinst.export.agreement import Agreement, compare_instances
from condinst.export.exporter import Options, export_model
from condinst.inference.predictor import Predictor
from condinst.results.results import Results

_MAX_IMAGES = 4
_NUM_CALIBRATION = 16
_BARS = {"ONNX Runtime, fp32": 1.6, "ONNX Runtime, int8": 2.5}
_OURS = "our eager model"


def run(context: Context) -> list[Comparison]:
    """Measure all alternately, on real images, with random seeded weights of a ResNet-50 model.

    The measured time includes decoding, resizing, network, post-processing and RLE encoding. Both
    files and detectors run on the CPU.
    """
    images = sorted((context.root / "val2017").glob("*.jpg"))
    images = images[: min(context.num_images, _MAX_IMAGES)]
    with tempfile.TemporaryDirectory(prefix="condinst-benchmark-") as folder:
        theirs, predictors = _build(context.root, Path(folder))
        agreements = _agreements(predictors, images)
        calls: dict[str, Callable[[], object]] = {"mmdet": lambda: list(map(theirs, images))}
        for name, predictor in predictors.items():
            calls[name] = partial(rles, predictor, images)
        times = in_turns(calls, max(context.rounds // 3, 3))
    found = [
        Comparison(
            f"image to masks: {name}",
            times["mmdet"],
            times[name],
            note=f"{len(images)} images, {torch.get_num_threads()} threads, seeded weights; "
            + agreements[name],
            bar=_BARS.get(name),
        )
        for name in predictors
    ]
    return found + [
        Comparison(
            f"image to masks: {name}", times[_OURS], times[name], against="our eager", note=""
        )
        for name in predictors
        if name != _OURS
    ]


def rles(predictor: Callable[[Path], Any], images: Sequence[Path]) -> list[list[dict]]:
    """Predict every image, and return the RLEs of its masks."""
    return [predictor(path).rles for path in images]


def _build(root: Path, folder: Path) -> tuple[Callable[[Path], Any], dict[str, Any]]:
    """Build mmdet's detector as a function of an image's path, and our predictors by name."""
    theirs, ours = build_pair("cpu")
    checkpoint = folder / "seeded.pth"
    torch.save(dict(state_dict=ours.state_dict()), checkpoint)
    cfg = Config(
        dict(
            default_scope="condinst",
            model=published_config().model,
            test_dataloader=Config.fromfile(CONFIG).test_dataloader,
        )
    )

    def export(name: str, **options: Any) -> Path:
        path = folder / name
        chosen = Options(batch=1, check_images=str(root / "val2017"), num_check=1, **options)
        done = export_model(cfg, checkpoint, path, chosen, say=lambda text: None)
        if done.path == path:
            return path
        # random weights have no margins, so int8 can change answers more than with trained weights
        assert chosen.precision == "int8", done.failures
        return done.path.rename(path)

    threads = torch.get_num_threads()
    int8 = export(
        "int8.onnx",
        calibration_images=str(root / "train2017"),
        num_calibration=_NUM_CALIBRATION,
    )
    options: dict[str, Any] = dict(threads=threads, score_thr=0)
    predictors = {
        _OURS: Predictor(cfg, checkpoint, device="cpu", score_thr=0),
        "ONNX Runtime, fp32": OnnxPredictor(export("fp32.onnx"), **options),
        "OpenVINO, fp32": OpenVinoPredictor(export("fp32.xml", format="openvino"), **options),
        "ONNX Runtime, int8": OnnxPredictor(int8, **options),
    }
    return _eager(theirs.eval(), cfg), predictors


def _eager(model: Any, cfg: Config) -> Callable[[Path], Any]:
    """Return a function from an image's path to the RLEs of its masks, by mmdet."""
    steps = [s for s in cfg.test_dataloader.dataset.pipeline if s.type != "LoadAnnotations"]
    with DefaultScope.overwrite_default_scope("mmdet"):
        transform = Compose(steps)

    @torch.no_grad()
    def predict(path: Path) -> Any:
        item = transform(dict(img_path=str(path), img_id=0))
        found = model.test_step({key: [value] for key, value in item.items()})[0].pred_instances
        return found, encode_mask_results(found.masks.numpy())

    return predict


def _agreements(predictors: Mapping[str, Any], images: Sequence[Path]) -> dict[str, str]:
    """Describe how well each predictor agrees with our eager one."""
    expected = [predictors[_OURS](path) for path in images]
    found = {_OURS: f"{sum(map(len, expected))} instances"}
    for name, predictor in predictors.items():
        if name != _OURS:
            answers = [predictor(path) for path in images]
            total = sum(map(_compare, expected, answers), Agreement())
            found[name] = in_words(total)
            # instances with nearly equal scores can change their order
            assert "fp32" not in name or total.matched_fraction > 0.98, found
    return found


def _compare(expected: Results, found: Results) -> Agreement:
    fields = ("boxes", "scores", "labels", "masks")
    both = ({key: getattr(results, key) for key in fields} for results in (expected, found))
    settings = published_config().model.test_cfg
    return compare_instances(
        *both,
        score_thr=settings.score_thr,
        max_per_img=settings.max_per_img,
        sqrt_scores=False,
        margin=0.0,
    )


def in_words(total: Agreement, whose: str = "our eager model") -> str:
    """Describe an agreement with the instances of ``whose``."""
    if not total.matched:
        return f"no instance is that of {whose}"
    ious = total.mask_ious
    return (
        f"{total.matched_fraction:.1%} of the instances of {whose}, "
        f"mask IoU {sum(ious) / len(ious):.4f} (worst {min(ious):.4f}), "
        f"boxes to {max(total.boxes):.2g} px"
    )
