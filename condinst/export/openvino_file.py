"""Convert an ONNX model to OpenVINO's own pair of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condinst.export.onnx_model import OUTPUTS

__all__ = ["save_openvino"]


def save_openvino(
    onnx_file: Path, path: Path, metadata: Mapping[str, Any], *, half: bool = False
) -> None:
    """Convert an ONNX file to an OpenVINO file.

    Args:
        onnx_file: the file to convert.
        path: path of the .xml; the .bin is written to the same folder.
        metadata: values for the model's ``rt_info`` under "condinst", each stored as JSON.
        half: whether to store weights in float16.

    Raises:
        ValueError: OpenVINO does not support an operator of the model.
        ImportError: openvino is not installed.
    """
    import openvino

    try:
        model = openvino.Core().read_model(str(onnx_file))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if "No conversion rule" in line]
        raise ValueError(
            f"OpenVINO {openvino.__version__.split('-')[0]} cannot convert this model"
            + (f": {lines[0].lstrip('- ')}" if lines else f": {str(error).splitlines()[-1]}")
        ) from error
    for output in model.outputs:  # OpenVINO keeps the graph's inner names too; drop those
        wanted = [name for name in output.names if name in OUTPUTS]
        output.tensor.set_names(set(wanted))
    for key, value in metadata.items():
        model.set_rt_info(json.dumps(value), ["condinst", key])
    openvino.save_model(model, str(path), compress_to_fp16=half)
