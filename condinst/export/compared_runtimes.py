"""Run exported models for comparison, in the runtimes that :mod:`condinst.deploy` uses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from condinst.deploy.runtimes import OnnxRuntime, OpenVino

__all__ = ["Runner", "find_instances", "onnx_runtime", "openvino_runtime"]

# From (B, C, H, W) float32 images and (2,) int64 output height and width to the outputs by name.
Runner = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def onnx_runtime(model: ModelProto | Path) -> Runner:
    """Load a model or its file in ONNX Runtime, on the CPU.

    Raises:
        ValueError: ONNX Runtime cannot run the model.
        ImportError: onnxruntime is not installed.
    """
    if isinstance(model, Path):
        return _runner(OnnxRuntime(model))
    with tempfile.TemporaryDirectory() as folder:  # the file is read only at construction
        file = Path(folder, "model.onnx")
        onnx.save(model, file)
        return _runner(OnnxRuntime(file))


def openvino_runtime(path: Path) -> Runner:
    """Load an OpenVINO file (.xml) in OpenVINO, on the CPU, in float32.

    Raises:
        ValueError: OpenVINO cannot run the file.
        ImportError: openvino is not installed.
    """
    return _runner(OpenVino(path))


def _runner(runtime: OnnxRuntime | OpenVino) -> Runner:
    return lambda images, out_size: runtime.run(dict(images=images, out_size=out_size))


def find_instances(outputs: dict[str, np.ndarray], image: int) -> dict[str, np.ndarray]:
    """Select ``boxes``, ``scores``, ``labels`` and ``masks`` of one image of a batch.

    The outputs may be those of a file of fixed size or of any size.
    """
    names = ("boxes", "scores", "labels", "masks")
    if "image_inds" in outputs:
        chosen = outputs["image_inds"] == image
        return {name: outputs[name][chosen] for name in names}
    found = outputs["labels"][image] >= 0
    return {name: outputs[name][image][found] for name in names}
