"""ONNX files that keep to the exporter's contract, written by hand: what they find is known.

Both find three instances, with the boxes ``BOXES`` (shares of the output's sides), ``SCORES`` and
``LABELS``. The masks of all three are the pixels of the input whose red exceeds 127.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

BOXES = np.array([[0.25, 0.25, 0.5, 0.75], [0, 0, 1, 1], [0.5, 0.5, 0.75, 1]], np.float32)
SCORES = np.array([0.9, 0.6, 0.3], np.float32)
LABELS = np.array([1, 0, 1], np.int64)
METADATA = dict(
    version="0",
    classes=["cat", "dog"],
    resize=dict(scale=[64, 48], keep_ratio=True, interpolation="bilinear", backend="pillow"),
    variant="dynamic",
    fixed_size=None,
    batch=None,
    mean=[10, 20, 30],
    mean_order="RGB",
)


def _save(path: Path, nodes, constants: dict, inputs, outputs, metadata: dict) -> Path:
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "by hand", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in metadata.items():
        model.metadata_props.add(key=f"condinst.{key}", value=json.dumps(value))
    save(model, path)
    return path


def dynamic_file(path: Path, **metadata) -> Path:
    """Takes ``images`` (B, 3, H, W) and ``out_size``; finds its instances in the first image."""
    node = helper.make_node
    nodes = [
        node("Slice", ["images", "zeros2", "ones2", "axes"], ["red"]),  # (1, 1, H, W)
        node("Concat", ["ones2", "out_size"], ["sizes"], axis=0),
        node("Resize", ["red", "", "", "sizes"], ["resized"], mode="linear"),
        node("Greater", ["resized", "half"], ["mask"]),
        node("Squeeze", ["mask", "axis0"], ["one"]),
        node("Concat", ["one", "one", "one"], ["masks"], axis=0),
        node("Slice", ["out_size", "zero", "one1", "axis0"], ["height"]),
        node("Slice", ["out_size", "one1", "two", "axis0"], ["width"]),
        node("Concat", ["width", "height", "width", "height"], ["corners"], axis=0),
        node("Cast", ["corners"], ["scale"], to=TensorProto.FLOAT),
        node("Mul", ["shares", "scale"], ["boxes"]),
        *(node("Identity", [f"{n}_value"], [n]) for n in ("scores", "labels", "image_inds")),
    ]
    constants = dict(
        zeros2=np.zeros(2, np.int64),
        ones2=np.ones(2, np.int64),
        axes=np.array([0, 1]),
        axis0=np.array([0]),
        zero=np.array([0]),
        one1=np.array([1]),
        two=np.array([2]),
        half=np.float32(127),
        shares=BOXES,
        scores_value=SCORES,
        labels_value=LABELS,
        image_inds_value=np.zeros(3, np.int64),
    )
    value = helper.make_tensor_value_info
    inputs = [
        value("images", TensorProto.FLOAT, ["b", 3, "h", "w"]),
        value("out_size", TensorProto.INT64, [2]),
    ]
    outputs = [
        value("boxes", TensorProto.FLOAT, [3, 4]),
        value("scores", TensorProto.FLOAT, [3]),
        value("labels", TensorProto.INT64, [3]),
        value("masks", TensorProto.BOOL, [3, "out_h", "out_w"]),
        value("image_inds", TensorProto.INT64, [3]),
    ]
    return _save(path, nodes, constants, inputs, outputs, METADATA | metadata)


def fixed_file(path: Path, size: tuple[int, int], images: int = 1, **metadata) -> Path:
    """Takes ``images`` (images, 3, *size); pads its instances with one that is none."""
    height, width = size
    node = helper.make_node
    nodes = [
        node("Slice", ["images", "zero", "one", "axis1"], ["red"]),  # (B, 1, H, W)
        node("Greater", ["red", "half"], ["mask"]),
        node("And", ["mask", "valid"], ["masks"]),  # (B, 4, H, W)
        *(node("Identity", [f"{n}_value"], [n]) for n in ("boxes", "scores", "labels")),
    ]
    scale = np.array([width, height, width, height], np.float32)
    padded = (
        np.vstack([BOXES * scale, np.zeros((1, 4), np.float32)]),
        np.append(SCORES, np.float32(0)),
        np.append(LABELS, -1),
    )
    constants = dict(
        zero=np.array([0]),
        one=np.array([1]),
        axis1=np.array([1]),
        half=np.float32(127),
        valid=np.array([True, True, True, False]).reshape(1, 4, 1, 1),
        **{
            f"{name}_value": np.stack([array] * images)
            for name, array in zip(("boxes", "scores", "labels"), padded, strict=True)
        },
    )
    value = helper.make_tensor_value_info
    outputs = [
        value("boxes", TensorProto.FLOAT, [images, 4, 4]),
        value("scores", TensorProto.FLOAT, [images, 4]),
        value("labels", TensorProto.INT64, [images, 4]),
        value("masks", TensorProto.BOOL, [images, 4, height, width]),
    ]
    about = METADATA | dict(variant="fixed", fixed_size=[height, width], batch=images) | metadata
    inputs = [value("images", TensorProto.FLOAT, [images, 3, height, width])]
    return _save(path, nodes, constants, inputs, outputs, about)
