"""Running exported models beside the detector, by the programs that :mod:`condinst.deploy` uses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from condinst.deploy.runtimes import OnnxRuntime, OpenVino

__all__ = ["Runner", "find_instances", "onnx_runtime", "openvino_runtime"]

# (B, 3, H, W) float32 RGB images and (2,) int64 -> the file's outputs by name
Runner = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def onnx_runtime(model: ModelProto | Path) -> Runner:
    """A model or its file in ONNX Runtime, on the CPU.

    Raises:
        ValueError: ONNX Runtime cannot run it.
        ImportError: onnxruntime is not installed.
    """
    if isinstance(model, Path):
        return _runner(OnnxRuntime(model))
    with tempfile.TemporaryDirectory() as folder:  # it is read once, at construction
        file = Path(folder, "model.onnx")
        onnx.save(model, file)
        return _runner(OnnxRuntime(file))


def openvino_runtime(path: Path) -> Runner:
    """An OpenVINO file (.xml) in OpenVINO, on the CPU, in float32.

    Raises:
        ValueError: OpenVINO cannot run it.
        ImportError: openvino is not installed.
    """
    return _runner(OpenVino(path))


def _runner(runtime: OnnxRuntime | OpenVino) -> Runner:
    return lambda images, out_size: runtime.run(dict(images=images, out_size=out_size))


def find_instances(outputs: dict[str, np.ndarray], image: int) -> dict[str, np.ndarray]:
    """``boxes``, ``scores``, ``labels``, ``masks`` of one image of the batch, of both variants."""
    names = ("boxes", "scores", "labels", "masks")
    if "image_inds" in outputs:
        chosen = outputs["image_inds"] == image
        return {name: outputs[name][chosen] for name in names}
    found = outputs["labels"][image] >= 0
    return {name: outputs[name][image][found] for name in names}
