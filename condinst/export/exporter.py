"""Export a detector from a config and a checkpoint to a checked file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from condinst.checkpoints.weight_files import sha256
from condinst.export.agreement import BOUNDS, Agreement, Bounds
from condinst.export.compared_runtimes import Runner, onnx_runtime, openvino_runtime
from condinst.export.onnx_model import build_onnx, opset_for, pad_divisor
from condinst.export.quantize import quantize_network
from condinst.export.sample_images import ImageReader, generated_images
from condinst.export.settings import BoxSettings
from condinst.export.verify import CheckedImage, Row, check, resize_to, thresholds, with_threshold
from condinst.export.write_metadata import build_metadata, write_metadata
from condinst.inference import setup as predictor_setup
from condinst.models import CondInst
from condinst.utils.files import names_file

__all__ = ["FORMATS", "Export", "Options", "export_model"]

FORMATS = {"onnx": ".onnx", "pt2": ".pt2", "openvino": ".xml"}

# Largest allowed difference, relative to the largest value: a file rounds in another order.
_PT2_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Options:
    """The kind of file to write; ``condinst export --help`` describes the options.

    Raises:
        ValueError: an option has an invalid value, or two options exclude each other.
    """

    format: str = "onnx"
    fixed_size: tuple[int, int] | None = None
    batch: int | None = None
    half: bool = False
    calibration_images: str | None = None
    num_calibration: int = 32
    check_images: str | None = None
    num_check: int = 8

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format={self.format!r}: expected one of {', '.join(FORMATS)}")
        if self.calibration_images and (self.half or self.format == "pt2"):
            raise ValueError(
                "calibration images: int8 needs the format onnx or openvino, and excludes float16"
            )
        for name in ("num_calibration", "num_check"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected 1 or more")

    @property
    def precision(self) -> str:
        """The type of the network's weights and activations."""
        return "int8" if self.calibration_images else "float16" if self.half else "float32"


@dataclass(frozen=True)
class Export:
    """The result of an export.

    Attributes:
        path: path of the written file; ends in ".failed" if the file is out of bounds.
        rows: rows of the check, image by image.
        bounds: bounds of the check.
        failures: descriptions of what is out of bounds; empty if nothing is.
        figure: for a .pt2, the largest relative difference of the network's outputs; else None.
    """

    path: Path
    rows: list[Row]
    bounds: Bounds
    failures: list[str]
    figure: float | None = None


def export_model(
    config: Any,
    checkpoint: Any,
    output: str | Path | None = None,
    options: Options | None = None,
    say: Callable[[str], None] = print,
) -> Export:
    """Export a detector to a file, and compare the file with the detector.

    The file is written only after it is complete and has passed the comparison. A file that is
    out of bounds is kept under the name with ".failed" appended.

    Args:
        config, checkpoint: as for :class:`condinst.Predictor`.
        output: path of the file; None for the config's name in the working directory.
        options: the kind of file to write.
        say: function that receives messages of progress.

    Raises:
        ValueError: the detector cannot be exported with these options.
        FileNotFoundError: a file or folder does not exist.
        ImportError: a package for this format is missing.
    """
    options = options or Options()
    if output is not None:
        _check_suffix(Path(output), options.format)
    cfg, content, file = predictor_setup.load(config, checkpoint)
    model = predictor_setup.build(cfg, content, file)
    name = Path(cfg.filename or file).stem
    path = Path(output or f"{name}{FORMATS[options.format]}")
    reader = ImageReader(cfg)
    predictor_setup.check_channels(cfg, model, reader.pixel_format)
    metadata = build_metadata(
        model,
        pixel_format=reader.pixel_format,
        classes=predictor_setup.class_names(cfg, content, model.bbox_head.num_classes, file),
        steps=reader.steps,
        padding=reader.padding,
        boxes=BoxSettings.from_model(model),
        source=dict(config=name, checkpoint_sha256=sha256(file) if Path(file).is_file() else None),
        options=options,
        opset=opset_for(model),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # in the target's folder, so that the last step only renames the file
    with (
        names_file(path),
        tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as folder,
        names_file(path),  # must see a full disk before the temporary folder is removed
    ):
        work = _Work(model, reader, options, metadata, Path(folder) / path.name, say)
        done = work.write_pt2() if options.format == "pt2" else work.write()
        return Export(_move(done.path, path, bool(done.failures)), *_rest(done))


def _check_suffix(path: Path, chosen: str) -> None:
    if path.suffix != FORMATS[chosen]:
        others = (f"{end} for {name}" for name, end in FORMATS.items() if name != chosen)
        raise ValueError(
            f"output {path}: expected a name that ends in {FORMATS[chosen]} for the format "
            f"{chosen} ({', '.join(others)})"
        )


def _rest(done: Export) -> tuple:
    return done.rows, done.bounds, done.failures, done.figure


def _move(written: Path, path: Path, failed: bool) -> Path:
    """Move the files to their final names, weights first."""
    suffix = ".failed" if failed else ""
    if written.suffix == ".xml":
        shutil.move(written.with_suffix(".bin"), f"{path.with_suffix('.bin')}{suffix}")
    target = Path(f"{path}{suffix}")
    shutil.move(written, target)
    return target


@dataclass
class _Work:
    """One export: the detector, and the temporary path of the file."""

    model: CondInst
    reader: ImageReader
    options: Options
    metadata: dict[str, Any]
    path: Path
    say: Callable[[str], None]

    def write(self) -> Export:
        """Write and check an ONNX file, or an OpenVINO file that is converted from it."""
        options = self.options
        bounds = BOUNDS[options.precision]
        self.say(f"exporting to ONNX, {options.precision} ...")
        exported = build_onnx(
            self.model,
            fixed_size=options.fixed_size,
            batch=options.batch,
            half=options.half,
            quantize=self._quantize if options.calibration_images else None,
            padding=self.reader.padding,
            doubles=options.format != "openvino",
        )
        write_metadata(exported, self.metadata)
        self.say("comparing with the detector ...")
        rows: list[Row] = []
        images = self._images()
        for runner, note, chosen in self._runs(exported, images):
            batch = options.batch or 1
            rows += check(self.model, runner, chosen, bounds, batch=batch, note=note)
        total = sum((row.agreement for row in rows), Agreement())
        failures = total.failures(bounds)
        return Export(self.path, rows, bounds, failures)

    def _runs(
        self, exported: onnx.ModelProto, images: list[CheckedImage]
    ) -> Iterator[tuple[Runner, str, list[CheckedImage]]]:
        """Yield the runs to compare: the file, and copies with other score thresholds.

        With the copies, the first image has no detections, one and many, which images do not have
        by themselves.
        """
        yield self._runner(exported, self.path), "", images
        if self.options.precision != "float32":
            return  # at a threshold among the scores, only their roundings would be compared
        levels = thresholds(self.model, images[0], (0, 1, 300))
        for what, score_thr in zip(("none", "one", "many"), levels, strict=True):
            with with_threshold(self.model, exported, score_thr) as changed:
                file = self.path.with_name(f"{what}-{self.path.name}")
                yield self._runner(changed, file), f", {what}", images[:1]

    def _runner(self, exported: onnx.ModelProto, path: Path) -> Runner:
        """Write a model to its file and load the file."""
        onnx_file = path.with_suffix(".onnx")
        onnx.save(exported, onnx_file)
        if self.options.format == "onnx":
            return onnx_runtime(onnx_file)
        from condinst.export.openvino_file import save_openvino

        save_openvino(onnx_file, path, self.metadata, half=self.options.half)
        return openvino_runtime(path)

    def _images(self) -> list[CheckedImage]:
        """Read or generate the images of the check, at the file's size if that is fixed."""
        options = self.options
        if options.check_images:
            images = list(self.reader.folder(options.check_images, options.num_check))
        else:
            images = generated_images(self.reader)
        if options.fixed_size:
            images = [resize_to(image, options.fixed_size) for image in images]
        return images

    def _quantize(self, part: onnx.ModelProto) -> onnx.ModelProto:
        options = self.options
        assert options.calibration_images is not None
        self.say(f"calibrating with images of {options.calibration_images} ...")
        images = self.reader.folder(options.calibration_images, options.num_calibration)
        return quantize_network(part, map(self._network_input, images))

    def _network_input(self, image: CheckedImage) -> np.ndarray:
        """Normalize and pad an image to the network's input, (B, C, H, W)."""
        if self.options.fixed_size:
            image = resize_to(image, self.options.fixed_size)
        batch = dict(inputs=[image.as_loaded()], data_samples=None)
        batch = self.model.data_preprocessor(batch, False)
        count = (self.options.batch or 1) if self.options.fixed_size else 1
        return batch["inputs"].repeat(count, 1, 1, 1).numpy()

    def write_pt2(self) -> Export:
        """Write and check the network alone, see :mod:`condinst.export.pt2`."""
        from condinst.export.pt2 import check_pt2, save_pt2

        options, divisor = self.options, pad_divisor(self.model)
        fixed = None
        if options.fixed_size:
            height, width = (-(-side // divisor) * divisor for side in options.fixed_size)
            fixed = (options.batch or 1, height, width)
        self.say("exporting the network with torch.export ...")
        kinds: dict[str, Any] = dict(divisor=divisor, fixed=fixed, half=options.half)
        save_pt2(self.model, self.path, self.metadata, **kinds)
        worst = check_pt2(self.model, self.path, **kinds)
        failures = []
        if not worst <= _PT2_TOLERANCE * (20 if options.half else 1):
            failures.append(f"outputs differ by {worst:.1g} of the largest value")
        return Export(self.path, [], BOUNDS[options.precision], failures, worst)
