"""Write a detector as one ONNX model, from images to boxes, scores, labels and masks."""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import ModelProto, TensorProto
from torch import nn

from condinst.export.box_graph import as_float, candidates, size_of, suppress
from condinst.export.builder import GraphBuilder
from condinst.export.mask_graph import draw_logit_masks, draw_masks, mask_logits, size_in_output
from condinst.export.network import export_network, prepare, split_outputs
from condinst.export.padding import Padding, pad_to, round_up
from condinst.export.param_graph import predict_params
from condinst.export.settings import BoxSettings, MaskSettings
from condinst.models import CondInst
from condinst.models.input_channels import input_channels

__all__ = ["OPSET", "OUTPUTS", "build_onnx", "opset_for", "pad_divisor"]

OUTPUTS = ("boxes", "scores", "labels", "masks", "image_inds")

# ONNX Runtime 1.14 and OpenVINO 2023 read opset 18; DeformConv exists since opset 19.
OPSET, _OPSET_WITH_DEFORM = 18, 19


def build_onnx(
    model: CondInst,
    *,
    fixed_size: tuple[int, int] | None = None,
    batch: int | None = None,
    half: bool = False,
    quantize: Callable[[ModelProto], ModelProto] | None = None,
    padding: Padding | None = None,
    doubles: bool = True,
) -> ModelProto:
    """Write the whole detector as one model.

    Inputs: ``images`` (B, C, H, W) float32 of any size, RGB if C is 3, in the units of training (0
    to 255 for 8 bits); and ``out_size`` (2,) int64, the height and width to which boxes and masks
    are scaled. Outputs, by image and falling score: ``boxes`` (N, 4) xyxy, ``scores`` (N,),
    ``labels`` (N,) int64, ``masks`` (N, height, width) bool, ``image_inds`` (N,) int64.

    With a fixed size there is no ``out_size``: boxes and masks are in pixels of the input. Each
    image has K = ``max_per_img`` rows: ``boxes`` (B, K, 4), ``scores`` (B, K), ``labels`` (B, K),
    ``masks`` (B, K, H, W). Rows without a detection have score 0 and label -1.

    Args:
        model: the detector with its weights; it is not changed.
        fixed_size: height and width of the images; None for any size.
        batch: images per run; None for any number, or for 1 with a fixed size.
        half: whether weights and activations of the network are float16.
        quantize: function that converts the network's own model before the rest is added.
        padding: what the test pipeline adds to images before they are normalized; None for nothing.
            A file of fixed size takes images that are padded already.
        doubles: whether the runtime computes in float64, see
            :func:`condinst.export.mask_graph.size_in_output`.

    Raises:
        ValueError: the model cannot be exported.
    """
    if batch is not None and batch < 1:
        raise ValueError(f"batch={batch}: expected 1 or more")
    if fixed_size is not None and min(fixed_size) < 1:
        raise ValueError(f"fixed_size={fixed_size}: expected height and width of 1 or more")
    network, opset = prepare(model, half=half), opset_for(model)
    divisor = pad_divisor(model)
    fixed = None
    if fixed_size is not None:
        batch = batch or 1
        height, width = (-(-side // divisor) * divisor for side in fixed_size)
        fixed = (batch, height, width)
    part = export_network(network, divisor=divisor, opset=opset, fixed=fixed)
    if quantize is not None:
        part = quantize(part)
    writer = _Writer(model, part, fixed_size, batch, half, padding, doubles)
    whole = writer.write(opset)
    onnx.checker.check_model(whole, full_check=True)
    return whole


def opset_for(model: nn.Module) -> int:
    """Return the opset of a model: 18, or 19 with deformable convolutions."""
    deforms = any("DeformConv" in type(module).__name__ for module in model.modules())
    return _OPSET_WITH_DEFORM if deforms else OPSET


def pad_divisor(model: CondInst) -> int:
    """Return the number that must divide the heights and widths of the network's input."""
    return int(getattr(model.data_preprocessor, "pad_size_divisor", 1))


class _Writer:
    """Adds normalization before the network, and post-processing after it."""

    def __init__(
        self,
        model: CondInst,
        part: ModelProto,
        fixed_size: tuple[int, int] | None,
        batch: int | None,
        half: bool,
        padding: Padding | None,
        doubles: bool,
    ) -> None:
        self.model, self.part, self.half = model, part, half
        self.fixed_size, self.batch = fixed_size, batch
        self.padding = padding if fixed_size is None else None
        self.doubles = doubles
        self.channels = input_channels(model.backbone)
        self.boxes, self.masks = BoxSettings.from_model(model), MaskSettings.from_model(model)
        self.g = GraphBuilder("condinst/")

    def write(self, opset: int) -> ModelProto:
        g, fixed = self.g, self.fixed_size is not None
        if self.fixed_size is not None:
            image_size = [g.constant([side]) for side in self.fixed_size]
        else:
            image_size = [size_of(g, "images", axis) for axis in (2, 3)]
        out_size = image_size
        if not fixed:
            out_size = [g.Slice("out_size", [i], [i + 1], [0]) for i in (0, 1)]
        # the detector's img_shape, which includes the padding of the pipeline
        shown = self.padding.sides_in(g, image_size) if self.padding else image_size
        padded = [round_up(g, side, pad_divisor(self.model)) for side in shown]
        outputs = g.include(self.part, [self._normalize(image_size, shown, padded)])
        if self.half:
            outputs = [as_float(g, value) for value in outputs]
        fields, mask_feats = split_outputs(outputs, len(self.boxes.strides))
        cls_scores, bbox_preds, centernesses, param_feats = fields
        limits = as_float(g, g.Concat(shown[1], shown[0], *shown[::-1], axis=0))
        pairs = candidates(
            g,
            cls_scores,
            bbox_preds,
            centernesses,
            limits,
            self.boxes,
            self._level_sizes(),
            self.masks.reach,
        )
        found = suppress(g, pairs, limits, self.boxes, self.batch if fixed else None)
        params = predict_params(g, param_feats, found, self.masks)
        # without a fixed size, the images of a batch have different numbers of detections
        known = self.batch if fixed or self.batch == 1 else None
        logits = mask_logits(g, mask_feats, params, found, self.masks, known)
        if self.masks.enlarge_logits:
            resized = padded
            if not fixed:
                sizes = padded, image_size, out_size
                resized = size_in_output(g, *sizes, doubles=self.doubles)
            masks = draw_logit_masks(g, logits, resized, out_size, self.masks)
        else:
            masks = draw_masks(g, logits, shown, out_size, self.masks)
        labels = g.Reshape(g.Slice(found.places, [0], [1], [1]), [-1])
        if fixed:
            return self._build_fixed(found, labels, masks, opset)
        boxes = g.Mul(found.boxes, self._scales(image_size, out_size))
        batch = "batch" if self.batch is None else self.batch
        return g.build(
            [
                ("images", TensorProto.FLOAT, [batch, self.channels, "height", "width"]),
                ("out_size", TensorProto.INT64, [2]),
            ],
            [
                ("boxes", boxes, TensorProto.FLOAT, ["detections", 4]),
                ("scores", found.scores, TensorProto.FLOAT, ["detections"]),
                ("labels", labels, TensorProto.INT64, ["detections"]),
                ("masks", masks, TensorProto.BOOL, ["detections", "out_height", "out_width"]),
                ("image_inds", found.image_inds, TensorProto.INT64, ["detections"]),
            ],
            opset,
        )

    def _build_fixed(self, found, labels: str, masks: str, opset: int) -> ModelProto:
        g, most = self.g, self.boxes.max_per_img
        assert self.fixed_size is not None
        batch, height, width = self.batch or 1, *self.fixed_size
        valid = found.valid
        boxes = g.Where(g.Unsqueeze(valid, [1]), found.boxes, 0.0)
        scores = g.Where(valid, found.scores, 0.0)
        labels = g.Where(valid, labels, -1)
        masks = g.And(g.Reshape(valid, [-1, 1, 1]), masks)
        shapes = dict(boxes=[4], scores=[], labels=[], masks=[height, width])
        kinds = dict(labels=TensorProto.INT64, masks=TensorProto.BOOL)
        values = dict(boxes=boxes, scores=scores, labels=labels, masks=masks)
        outputs = [
            (
                name,
                g.Reshape(value, [batch, most, *shapes[name]]),
                kinds.get(name, TensorProto.FLOAT),
                [batch, most, *shapes[name]],
            )
            for name, value in values.items()
        ]
        shape = [batch, self.channels, height, width]
        return g.build([("images", TensorProto.FLOAT, shape)], outputs, opset)

    def _normalize(self, image_size: list[str], shown: list[str], padded: list[str]) -> str:
        """Pad as the pipeline does; convert channels, normalize and pad as the preprocessor does.

        The sizes are those of the images, with the pipeline's padding, and with all padding.
        """
        g, pre = self.g, self.model.data_preprocessor
        images = "images"
        if self.padding:
            images = self.padding.pad_in(g, images, image_size, shown)
        # without a conversion, the network takes images as they are loaded: BGR
        if self.channels == 3 and not pre._channel_conversion:
            images = g.Gather(images, [2, 1, 0], axis=1)
        if getattr(pre, "_enable_normalize", False):
            mean, std = (v.detach().float().cpu().numpy() for v in (pre.mean, pre.std))
            images = g.Div(g.Sub(images, mean.reshape(1, -1, 1, 1)), std.reshape(1, -1, 1, 1))
        if padded != shown:
            images = pad_to(g, images, shown, padded, float(pre.pad_value))
        return g.Cast(images, to=TensorProto.FLOAT16) if self.half else images

    def _level_sizes(self) -> list[tuple[int, int]] | None:
        """Return rows and columns of every level, from the network's own model; None if varying."""
        if self.fixed_size is None:
            return None
        shapes = {
            output.name: [d.dim_value for d in output.type.tensor_type.shape.dim]
            for output in onnx.shape_inference.infer_shapes(self.part).graph.output
        }
        names = [output.name for output in self.part.graph.output][: len(self.boxes.strides)]
        assert all(len(shapes[name]) == 4 and min(shapes[name]) > 0 for name in names), shapes
        return [(shapes[name][2], shapes[name][3]) for name in names]

    def _scales(self, image_size: list[str], out_size: list[str]) -> str:
        """Return the scales of boxes, (4,) float32: the output's size over the input's, twice."""
        g = self.g
        height, width = (
            g.Div(as_float(g, out), as_float(g, side))
            for out, side in zip(out_size, image_size, strict=True)
        )
        return g.Concat(width, height, width, height, axis=0)
