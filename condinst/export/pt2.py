"""Export the network as a program of ``torch.export``, for PyTorch without mmdet."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from condinst.export.network import input_shapes, prepare
from condinst.models import CondInst
from condinst.models.input_channels import input_channels

__all__ = ["check_pt2", "save_pt2"]

_METADATA = "condinst.json"


def save_pt2(
    model: CondInst,
    path: Path,
    metadata: Mapping[str, Any],
    *,
    divisor: int,
    fixed: tuple[int, int, int] | None,
    half: bool = False,
) -> None:
    """Write the network, from normalized, padded images to dense predictions.

    Post-processing is not included, because its shapes depend on the data. The program's input is
    ``images`` (B, C, H, W). H and W are multiples of ``divisor`` and larger than the coarsest
    level's stride (128 pixels), because torch.export assumes more than one row and column in every
    level. The outputs are those of :class:`~condinst.export.network.Network`. ``torch.export.load``
    with ``extra_files={"condinst.json": ""}`` returns the metadata.

    Args:
        model: the detector.
        path: path of the .pt2 file.
        metadata: values to store as JSON.
        divisor: number that divides heights and widths.
        fixed: batch, height and width if nothing varies, else None.
        half: whether weights and activations are float16.

    Raises:
        ValueError: the installed PyTorch cannot export the network.
    """
    network = prepare(model, half=half)
    example, shapes = input_shapes(input_channels(network.backbone), divisor, fixed)
    example = example.to(next(network.parameters()).dtype)
    try:
        with torch.no_grad():
            program = torch.export.export(network, (example,), dynamic_shapes=shapes)
    except Exception as error:  # torch.export raises a dozen kinds of errors
        raise ValueError(
            f"PyTorch {torch.__version__} cannot export this network: {str(error).splitlines()[0]}"
        ) from error
    # PyTorch's own writer aborts the process on a full disk, or where a file must not grow
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={_METADATA: json.dumps(dict(metadata))})
    path.write_bytes(content.getbuffer())


def check_pt2(
    model: CondInst, path: Path, *, divisor: int, fixed: tuple[int, int, int] | None, half: bool
) -> float:
    """Load a file and compare it with the network; the arguments are those of :func:`save_pt2`.

    Returns:
        The largest difference of any output, relative to that output's largest value.
    """
    network = prepare(model, half=half)
    program = torch.export.load(path).module()
    shapes = (
        [fixed] if fixed else [(1, *_sides(divisor, 150, 310)), (3, *_sides(divisor, 200, 140))]
    )
    worst = 0.0
    for i, (batch, height, width) in enumerate(shapes):
        shape = (batch, input_channels(network.backbone), height, width)
        pixels = np.random.default_rng(i).standard_normal(shape)
        images = torch.from_numpy(pixels).to(next(network.parameters()).dtype)
        with torch.no_grad():
            for expected, found in zip(network(images), program(images), strict=True):
                scale = expected.float().abs().max().clamp(min=1e-6)
                worst = max(worst, ((found - expected).float().abs().max() / scale).item())
    return worst


def _sides(divisor: int, *least: int) -> tuple[int, ...]:
    return tuple(-(-side // divisor) * divisor for side in least)
