"""Running exported models, for comparing them with the detector they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

__all__ = ["Runner", "find_instances", "onnx_runtime", "openvino_runtime"]

# (B, 3, H, W) float32 RGB pictures and (2,) int64 -> the file's outputs by name
Runner = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def onnx_runtime(model: ModelProto | str | Path) -> Runner:
    """A model or its file in ONNX Runtime, on the CPU.

    Raises:
        ValueError: ONNX Runtime cannot run it.
        ImportError: onnxruntime is not installed.
    """
    import onnxruntime

    content = model.SerializeToString() if isinstance(model, ModelProto) else str(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base but this
        raise ValueError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run this model: "
            f"{str(error).splitlines()[0]}"
        ) from error
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def run(images: np.ndarray, out_size: np.ndarray) -> dict[str, np.ndarray]:
        feed = dict(images=images, out_size=out_size)
        values = session.run(outputs, {name: feed[name] for name in inputs})
        return dict(zip(outputs, values, strict=True))

    return run


def openvino_runtime(path: str | Path) -> Runner:
    """An OpenVINO file (.xml) or an ONNX file in OpenVINO, on the CPU, in float32.

    Raises:
        ImportError: openvino is not installed.
    """
    import openvino

    # where the processor has bfloat16, OpenVINO would take it of itself
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled: Any = openvino.Core().compile_model(str(path), "CPU", hints)
    inputs = [value.any_name for value in compiled.inputs]
    outputs = {name: value for value in compiled.outputs for name in value.names}

    def run(images: np.ndarray, out_size: np.ndarray) -> dict[str, np.ndarray]:
        feed = dict(images=images, out_size=out_size)
        values = compiled({name: feed[name] for name in inputs})
        return {name: values[value] for name, value in outputs.items()}

    return run


def find_instances(outputs: dict[str, np.ndarray], image: int) -> dict[str, np.ndarray]:
    """``boxes``, ``scores``, ``labels``, ``masks`` of one image of the batch, of both variants."""
    names = ("boxes", "scores", "labels", "masks")
    if "image_inds" in outputs:
        chosen = outputs["image_inds"] == image
        return {name: outputs[name][chosen] for name in names}
    found = outputs["labels"][image] >= 0
    return {name: outputs[name][image][found] for name in names}
