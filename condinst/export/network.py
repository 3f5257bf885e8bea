"""Export the part of a detector with weights, from normalized images to dense predictions.

PyTorch's exporters write this part. Box and mask post-processing have shapes that depend on the
data, so ``box_graph`` and ``mask_graph`` write them as ONNX node by node.
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import torch
from onnx import ModelProto, version_converter
from torch import Tensor, nn

from condinst.export.deform import replace_deform_convs, translations
from condinst.models import CondInst
from condinst.models.input_channels import input_channels
from condinst.models.speed import checked_fold_batch_norms

__all__ = ["Network", "export_network", "input_shapes", "prepare", "split_outputs"]

# Names of the convolutions that compute the network's outputs, as in the names of their weights.
LAST_CONVS = (
    *("conv_cls", "conv_reg", "conv_centerness", "conv_pred"),  # CondInst
    *("rtm_cls", "rtm_reg", "rtm_obj"),  # RTMDet-Ins
    *("mask_head.projection", "mask_branch.projection"),
)

# Size of the exporter's example input, rounded up to multiples of the padding's divisor.
_EXAMPLE_SIZE = (160, 224)


class Network(nn.Module):
    """Backbone, neck, box head without what runs at points only, and mask branch.

    Args:
        model: the detector, in evaluation mode.
    """

    def __init__(self, model: CondInst) -> None:
        super().__init__()
        self.backbone, self.neck = model.backbone, model.neck
        self.bbox_head = model.bbox_head
        self.mask_branch = model.mask_head.mask_feature_head
        # levels whose towers run at points, in the graph; a tracing exporter would keep the towers
        convs = enumerate(model.bbox_head.param_convs())
        self._at_points = {i for i, (tower, _) in convs if len(tower)}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the network's outputs.

        Args:
            images: (B, C, H, W), normalized.

        Returns:
            The fields of ``DensePredictions``, level by level within a field, then the mask
            features.
        """
        feats = self.neck(self.backbone(images))
        dense = self.bbox_head(feats)
        param_feats = [
            feats[i] if i in self._at_points else level for i, level in enumerate(dense.param_feats)
        ]
        maps = (*dense[:3], param_feats)
        return (*(level for field in maps for level in field), self.mask_branch(feats))


def prepare(model: CondInst, *, half: bool = False) -> Network:
    """Copy a detector for export: on the CPU, with batch norms folded if answers do not change."""
    model = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
    model.to(memory_format=torch.contiguous_format)
    with contextlib.suppress(ValueError):  # a network that normalizes before it convolves
        folded = copy.deepcopy(model)
        checked_fold_batch_norms(folded)
        model = folded
    replace_deform_convs(model)
    network = Network(model).eval()
    return network.half() if half else network


def input_shapes(
    channels: int, divisor: int, fixed: tuple[int, int, int] | None
) -> tuple[Tensor, Any]:
    """Return an example input for ``torch.export``, and which of its sizes vary.

    Args:
        channels: channels of the images.
        divisor: number that divides heights and widths.
        fixed: batch, height and width if nothing varies, else None.
    """
    if fixed is not None:
        batch, height, width = fixed
        return torch.zeros(batch, channels, height, width), None
    height, width = (-(-side // divisor) * divisor for side in _EXAMPLE_SIZE)
    batch_dim = torch.export.Dim("batch", min=1, max=1024)
    sides = [torch.export.Dim(name, min=1, max=2**20 // divisor) for name in ("rows", "columns")]
    # multiples of the divisor, so that the exporter knows that the levels' sizes match
    shape = {0: batch_dim, 2: divisor * sides[0], 3: divisor * sides[1]}
    return torch.zeros(2, channels, height, width), (shape,)


def export_network(
    network: Network, *, divisor: int, opset: int, fixed: tuple[int, int, int] | None = None
) -> ModelProto:
    """Export the network to ONNX, with the one input ``images`` of the network's type.

    PyTorch's exporter by ``torch.export`` is tried first, then the older exporter by TorchScript if
    the installed PyTorch has it.

    Raises:
        ValueError: neither exporter can export this network.
    """
    example, shapes = input_shapes(input_channels(network.backbone), divisor, fixed)
    example = example.to(next(network.parameters()).dtype)
    reasons = []
    for export in (_by_torch_export, _by_torchscript):
        try:
            with _quiet(), torch.no_grad():
                return export(network, example, shapes, opset)
        except Exception as error:  # each exporter raises a dozen kinds of errors
            lines = str(error).strip().splitlines() or [type(error).__name__]
            reasons.append(f"{export.__name__.removeprefix('_')}: {lines[0]}")
    raise ValueError(
        f"PyTorch {torch.__version__} cannot export this network to ONNX; " + "; ".join(reasons)
    )


def _by_torch_export(network: Network, example: Tensor, shapes: Any, opset: int) -> ModelProto:
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        opset_version=opset,
        dynamic_shapes=shapes,
        input_names=["images"],
        custom_translation_table=translations() if opset >= 19 else None,
        verbose=False,
    )
    assert program is not None
    return _with_opset(program.model_proto, opset)


def _by_torchscript(network: Network, example: Tensor, shapes: Any, opset: int) -> ModelProto:
    file = io.BytesIO()
    axes = {"images": {0: "batch", 2: "height", 3: "width"}} if shapes else None
    torch.onnx.export(
        network,
        (example,),
        file,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=min(opset, 17),
        input_names=["images"],
        dynamic_axes=axes,
    )
    return _with_opset(onnx.load_from_string(file.getvalue()), opset)


def _with_opset(model: ModelProto, opset: int) -> ModelProto:
    """Convert a model to the requested opset, because the exporters may use an older one."""
    found = {entry.domain: entry.version for entry in model.opset_import}
    others = [domain for domain in found if domain not in ("", "ai.onnx")]
    if others or model.functions:
        raise ValueError(f"operators outside of ONNX's own: {', '.join(others) or 'functions'}")
    return model if found[""] == opset else version_converter.convert_version(model, opset)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def split_outputs(outputs: Sequence[str], num_levels: int) -> tuple[list[list[str]], str]:
    """Split the network's outputs into the four ``DensePredictions`` fields and mask features."""
    fields = [list(outputs[i : i + num_levels]) for i in range(0, len(outputs) - 1, num_levels)]
    if len(fields) == 3:
        fields.insert(2, [])  # no centerness
    assert [*map(len, fields)] in ([num_levels] * 4, [num_levels] * 2 + [0, num_levels]), outputs
    return fields, outputs[-1]
